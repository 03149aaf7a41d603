"""What a terminal shows while the suite runs: family, counts, what fails, the time to go."""

from collections.abc import Sequence
from typing import IO, Any, cast

import pytest
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from conformance.results.check import Check, Outcome

MAX_NAMED = 4
COUNTED = (
    Outcome.PASSED,
    Outcome.FAILED,
    Outcome.KNOWN,
    Outcome.WARNED,
    Outcome.INCONCLUSIVE,
    Outcome.BLOCKED,
)


def wants_progress(config: pytest.Config) -> bool:
    """Whether somebody is looking: a terminal, and no wish for pytest's own lines."""
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    return bool(reporter and reporter.isatty and config.option.verbose == 0)


class RunProgress:
    """One line at the bottom of the terminal, in place of pytest's letters."""

    def __init__(self, config: pytest.Config) -> None:
        reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
        reporter.showfspath = False
        self.counts = dict.fromkeys(COUNTED, 0)
        self.failed: list[str] = []
        self.bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(
                file=cast("IO[str]", config.get_terminal_writer()), force_terminal=True
            ),
            transient=True,
            expand=True,
        )
        self.task = self.bar.add_task("", total=None)

    def begin(self, tests: int) -> None:
        """Show the line, for so many tests."""
        self.bar.update(self.task, total=tests)
        self.bar.start()

    def count(self, checks: Sequence[Check]) -> None:
        """A test reported these checks."""
        for check in checks:
            if check.outcome in self.counts:
                self.counts[check.outcome] += 1
            if check.outcome is Outcome.FAILED and check.requirement not in self.failed:
                self.failed.append(check.requirement)
        if checks:
            family = checks[0].requirement.partition("-")[0]
            self.bar.update(self.task, description=self.description(family))

    def advance(self) -> None:
        """One more test is done."""
        self.bar.advance(self.task)

    def description(self, family: str) -> str:
        """Family, counts other than zero, and the requirements that failed so far."""
        counts = ", ".join(f"{n} {outcome}" for outcome, n in self.counts.items() if n)
        named = " ".join(self.failed[:MAX_NAMED])
        more = f" and {len(self.failed) - MAX_NAMED} more" if len(self.failed) > MAX_NAMED else ""
        return f"{family:<6} {counts}" + (f": {named}{more}" if named else "")

    def end(self) -> None:
        """Take the line away."""
        self.bar.stop()

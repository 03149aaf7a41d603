"""How far a run is: a bar on a terminal, elsewhere a line now and then.

What counts is the effort that each test takes, so that a percentage can be believed: some tests
send a thousand times as many requests as others. Clean-up and the report count too.
"""

import io
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any

import pytest
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task
from rich.table import Column
from rich.text import Text

from conformance.client.waiting import Wait
from conformance.results.check import Check, Outcome, outcome_of

MAX_NAMED = 4
BAR_WIDTH = 20
SECONDS_BETWEEN_LINES = 10.0
REPORT_SHARE = 0.02
"""How much of a run the writing of its report is."""
ENOUGH = 0.05
"""After so much of the run, the time that it takes can be guessed."""
COLOURS = {
    Outcome.FAILED: "red",
    Outcome.KNOWN: "yellow",
    Outcome.WARNED: "yellow",
    Outcome.INCONCLUSIVE: "yellow",
    Outcome.BLOCKED: "yellow",
}
"""Of the bar, by the worst that was found; green without any of these."""


class RunProgress:
    """What is done and what is to be done, and in words.

    `efforts` are those of the tests by node id, `cleanup` that of the clean-up. `waits` says what
    the processes of the run wait for.
    """

    def __init__(
        self,
        efforts: Mapping[str, float],
        cleanup: float = 0.0,
        waits: Callable[[], Sequence[Wait]] = list,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._efforts = dict(efforts)
        self._cleanup = cleanup
        self._waits = waits
        self._clock = clock
        self._started = clock()
        self._total = (sum(efforts.values()) + cleanup or 1.0) / (1 - REPORT_SHARE)
        self._done = 0.0
        self._tests = len(efforts)
        self._finished = 0
        self._phase = ""
        self._outcomes: dict[Outcome, int] = {}
        self._failed: list[str] = []

    def finish_test(self, id: str, checks: Sequence[Check]) -> None:
        """A test has reported these checks. It counts once, as the worst of them."""
        self._done += self._efforts.get(id, 0.0)
        self._finished += 1
        outcome = outcome_of(checks)
        self._outcomes[outcome] = self._outcomes.get(outcome, 0) + 1
        for check in checks:
            if check.outcome is Outcome.FAILED and check.requirement not in self._failed:
                self._failed.append(check.requirement)

    def erase(self, done: int, players: int) -> None:
        """So many of the run's players are erased: the tests are over, also those left out."""
        self._phase = f"erasing players, {done} of {players}"
        self._done = sum(self._efforts.values()) + self._cleanup * done / max(players, 1)

    def write_report(self) -> None:
        """Only the report is left."""
        self._phase = "writing the report"
        self._done = self._total * (1 - REPORT_SHARE)

    @property
    def fraction(self) -> float:
        """How much of the run is done, from 0 to 1."""
        return min(self._done / self._total, 1.0)

    @property
    def colour(self) -> str:
        """Of the bar, by the worst outcome so far."""
        return next((COLOURS[each] for each in COLOURS if self._outcomes.get(each)), "green")

    def describe(self) -> str:
        """Percentage, tests, what failed, and what the run waits for or how long it will take."""
        now = self._clock()
        counted = f"{self._finished} of {self._tests} tests"
        parts = [f"{100 * self.fraction:3.0f} %", self._phase or counted]
        parts += self._now_waiting(now) or self._left(now)
        counts = [
            f"{self._outcomes[each]} {each.replace('_', ' ')}"
            for each in COLOURS
            if each is not Outcome.FAILED and self._outcomes.get(each)
        ]
        named = " ".join(self._failed[:MAX_NAMED])
        more = f" and {len(self._failed) - MAX_NAMED} more" if self._failed[MAX_NAMED:] else ""
        failed = self._outcomes.get(Outcome.FAILED, 0)
        parts += [f"{failed} failed: {named}{more}"] if failed else []
        return ", ".join([*parts, *counts])

    def _now_waiting(self, now: float) -> list[str]:
        """The longest wait, and how many others there are."""
        waits = sorted(self._waits(), key=lambda wait: -(wait.until or 0.0))
        others = f" ({len(waits) - 1} more wait)" if len(waits) > 1 else ""
        return [f"{waits[0].describe(now)}{others}"] if waits else []

    def _left(self, now: float) -> list[str]:
        if not ENOUGH <= self.fraction < 1 - REPORT_SHARE:
            return []
        seconds = int((now - self._started) * (1 - self.fraction) / self.fraction)
        return [f"about {seconds // 60}:{seconds % 60:02d} left"]


class Bar:
    """The progress as one line at the bottom of a terminal, which is gone in the end."""

    def __init__(self, progress: RunProgress, file: IO[str], *, colour: bool) -> None:
        self._progress = progress
        self._bar = Progress(
            _Bar(progress),
            _Words(progress),
            console=Console(file=file, force_terminal=True, no_color=not colour),
            transient=True,
            expand=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._bar.add_task("", total=1.0)

    def begin(self) -> None:
        """Show the line."""
        self._bar.start()

    def say(self, line: str) -> None:
        """A line that stays, above the bar."""
        self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def end(self) -> None:
        """Take the line away."""
        self._bar.stop()


class _Bar(BarColumn):
    def __init__(self, progress: RunProgress) -> None:
        super().__init__(bar_width=BAR_WIDTH)
        self._progress = progress

    def render(self, task: Task) -> Any:
        """As far as the run is, in the colour of what it found."""
        self.complete_style = self._progress.colour
        task.completed = self._progress.fraction
        return super().render(task)


class _Words(ProgressColumn):
    max_refresh = 0.2

    def __init__(self, progress: RunProgress) -> None:
        super().__init__(Column(no_wrap=True, overflow="ellipsis", ratio=1))
        self._progress = progress

    def render(self, task: Task) -> Text:
        """The progress in words."""
        del task
        return Text(self._progress.describe(), no_wrap=True, overflow="ellipsis")


class Lines:
    """The progress as a line every ten seconds, for logs."""

    def __init__(
        self, progress: RunProgress, file: IO[str], seconds: float = SECONDS_BETWEEN_LINES
    ) -> None:
        self._progress = progress
        self._file = file
        self._seconds = seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._print, daemon=True)

    def begin(self) -> None:
        """Print from now on."""
        self._thread.start()

    def _print(self) -> None:
        while not self._ended.wait(self._seconds):
            self.say(self._progress.describe().strip())

    def say(self, line: str) -> None:
        """A line of another kind."""
        print(line, file=self._file, flush=True)

    def end(self) -> None:
        """Print no more."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()


class Display:
    """Shows progress on what pytest prints to, in place of its letters.

    It begins with the first test: before that, pytest-xdist writes a line again and again.
    """

    def __init__(self, config: pytest.Config, progress: RunProgress) -> None:
        reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
        reporter.showfspath = False
        self.progress = progress
        self._file = _own_stdout()
        colour = config.get_terminal_writer().hasmarkup
        self._shown = (
            Bar(progress, self._file, colour=colour)
            if reporter.isatty
            else Lines(progress, self._file)
        )
        self.say = self._shown.say
        self._has_begun = False

    def begin(self) -> None:
        """Show it; nothing happens the second time."""
        if not self._has_begun:
            self._has_begun = True
            self._shown.begin()

    def end(self) -> None:
        """Take it away; nothing happens where it is gone."""
        if not self._file.closed:
            self._shown.end()
            self._file.close()


def wants_progress(config: pytest.Config) -> bool:
    """Whether pytest prints, and neither the names of tests nor a debugger's prompt."""
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    return bool(reporter and config.option.verbose <= 0 and not config.option.usepdb)


def _own_stdout() -> IO[str]:
    """The standard output as it is now: while a test runs, pytest turns its own to a file."""
    try:
        number = os.dup(sys.stdout.fileno())
    except (AttributeError, OSError, io.UnsupportedOperation):
        return io.StringIO()  # pytest was started by a program that reads its output itself
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return os.fdopen(number, "w", encoding=encoding, errors="replace")

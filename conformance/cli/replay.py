"""`kraty-conformance replay`: runs the tests of a failure again, and says how often they fail."""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import click

from conformance import resources
from conformance.cli.help import Command
from conformance.cli.stopping import stop
from conformance.failures import UsageError
from conformance.report import read_results
from conformance.report.text import printable
from conformance.results.check import Check, Outcome
from conformance.results.document import Document
from conformance.results.verdict import EXIT_CODES, EXIT_USAGE, Verdict
from conformance.settings.target import DEFAULT_VARIABLES, write_target

BROKEN = (Outcome.FAILED, Outcome.KNOWN, Outcome.WARNED)
EXIT_REPRODUCED, EXIT_UNDECIDED = 1, EXIT_CODES[Verdict.INCONCLUSIVE]
MAX_LISTED = 500


@dataclass(frozen=True)
class Failure:
    """What is replayed: a requirement or a test by name, and the tests that failed."""

    name: str
    tests: tuple[str, ...]

    def of(self, document: Document) -> list[Check]:
        """The checks of a run that are about it."""
        return [
            check
            for row in document.requirements
            for check in row.checks
            if self.name in (check.requirement, check.test)
        ]


@click.command(
    name="replay",
    cls=Command,
    short_help="Run the tests of a failure again.",
    examples=(
        "kraty-conformance replay reports/latest#MERGE-8",
        "kraty-conformance replay reports/latest MERGE-8 -n 20",
    ),
    exit_codes={
        0: "the failure never came again",
        1: "it came again at least once",
        2: "wrong usage",
        3: "undecided: unreachable, no valid key, or an earlier step went wrong",
    },
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
)
@click.argument("report", metavar="REPORT[#REQUIREMENT]")
@click.argument("name", required=False, metavar="[REQUIREMENT|TEST]")
@click.option(
    "-n",
    "rounds",
    default=5,
    show_default=True,
    type=click.IntRange(min=1),
    help="How often to run the tests.",
)
@click.option("--target", type=click.Path(path_type=Path), help="The target file of the server.")
@click.option("--base-url", metavar="URL", help="Another server than the one of the report.")
@click.pass_context
def replay_failure(
    context: click.Context,
    *,
    report: str,
    name: str | None,
    rounds: int,
    target: Path | None,
    base_url: str | None,
) -> None:
    """Run the failing tests of a requirement again, with new names and the seed of the run.

    REPORT is the directory of a run, its results.json or its report.html. A run on the bundled
    server is repeated on a new one with the same fault; else keys come from the environment
    variables that the run used. Other options go to `run`.
    """
    try:
        path, name = place_of(report, name)
        document = read_results(path)
        failure = failure_of(document, name)
        with tempfile.TemporaryDirectory(prefix="kc-replay-") as folder:
            server = server_of(document, Path(folder), target, base_url)
            command = command_of(document, failure, [*server, *context.args])
            outcomes = list(_rounds(command, failure, rounds, Path(folder)))
    except UsageError as error:
        stop(str(error))
    sys.exit(conclude(failure, outcomes))


def place_of(report: str, name: str | None) -> tuple[Path, str]:
    """The report's path and the requirement or test. UsageError if that is not said, or twice."""
    found, _, fragment = (
        report.removeprefix("file://").rpartition("#")
        if "#" in report
        else (
            report.removeprefix("file://"),
            "",
            "",
        )
    )
    if bool(fragment) == bool(name):
        raise UsageError("name one requirement or test: replay REPORT#MERGE-8, replay DIR MERGE-8")
    path = Path(unquote(found)) if report.startswith("file://") else Path(found)
    return (path.parent if path.suffix == ".html" else path), fragment or str(name)


def failure_of(document: Document, name: str) -> Failure:
    """What failed of a requirement or test. UsageError if nothing did."""
    checks = Failure(name, ()).of(document)
    tests = dict.fromkeys(check.test for check in checks if check.outcome in BROKEN)
    if not tests:
        failed = ", ".join(document.verdict.failed) or "nothing"
        raise UsageError(f"the report has no failure of {name!r}; failed: {failed}")
    return Failure(name, tuple(tests))


def server_of(
    document: Document, folder: Path, target: Path | None, base_url: str | None
) -> list[str]:
    """The options of `run` for the server of the report, or for another one."""
    tested = document.target
    other = ["--base-url", base_url] if base_url is not None else []
    if target is not None:
        return ["--target", str(target), *other]
    if tested.bundled and base_url is None:
        return ["--fault", tested.fault] if tested.fault else []
    variables = tested.key_variables or {role: DEFAULT_VARIABLES[role] for role in tested.keys}
    file = folder / "target.toml"
    world = {name: value for name, value in tested.world.items() if value}
    write_target(file, tested.name, tested.base_url, world, variables)
    return ["--target", str(file), *other]


def command_of(document: Document, failure: Failure, options: Sequence[str]) -> list[str]:
    """The command that runs the tests once; `--reports` is still missing."""
    run, home = document.run, resources.scenarios().parent
    tests = [str(home / test) for test in failure.tests]
    settings = ["--seed", str(run.seed), "--examples", str(run.examples), "--profile", run.profile]
    return [sys.executable, "-m", "conformance", "run", *tests, *settings, "-q", *options]


def _rounds(
    command: Sequence[str], failure: Failure, rounds: int, folder: Path
) -> Iterator[list[Check]]:
    """The checks of each round about the failure; none if the tests did not get so far."""
    for number in range(1, rounds + 1):
        reports = folder / str(number)
        done = subprocess.run(
            [*command, "--reports", str(reports)], capture_output=True, text=True, check=False
        )
        if done.returncode == EXIT_USAGE:
            raise UsageError(reason_in(done.stdout + done.stderr))
        latest = reports / "latest"
        checks = failure.of(read_results(latest)) if latest.exists() else []
        print(f"{number}: {described(checks)}", flush=True)
        yield checks


def reason_in(output: str) -> str:
    """Why a run did not start, from what it printed."""
    lines = [line for line in output.splitlines() if re.match(r"(ERROR|kraty-conformance):", line)]
    return printable(re.sub(r"^\S+: ", "", (lines or [output.strip() or "the run failed"])[-1]))


def described(checks: Iterable[Check]) -> str:
    """A round in one line."""
    found = list(checks)
    broken = [check for check in found if check.outcome in BROKEN]
    if broken:
        return f"{broken[0].requirement} failed: {printable(broken[0].message, MAX_LISTED)}"
    if found and is_decided(found):
        return "passed"
    return "undecided" + "".join(f": {printable(check.message)}" for check in found[:1])


def is_decided(checks: Sequence[Check]) -> bool:
    """Whether the checks say something about the server."""
    undecided = (Outcome.BLOCKED, Outcome.INCONCLUSIVE)
    return any(check.outcome is Outcome.PASSED for check in checks) and not any(
        check.outcome in undecided for check in checks
    )


def conclude(failure: Failure, outcomes: Sequence[Sequence[Check]]) -> int:
    """Print how often the failure came again; return the exit code."""
    broken = [[check for check in checks if check.outcome in BROKEN] for checks in outcomes]
    again = [found[0] for found in broken if found]
    sentence = f": {printable(again[0].message, MAX_LISTED)}" if again else ""
    print(f"{failure.name}: reproduced {len(again)} of {len(outcomes)}{sentence}")
    if again:
        return EXIT_REPRODUCED
    return 0 if all(is_decided(checks) for checks in outcomes) else EXIT_UNDECIDED

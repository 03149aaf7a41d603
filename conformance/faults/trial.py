"""One trial: run `kraty-conformance run --fault ID` in a process and read its results."""

import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from conformance.contract.requirements import catalogue
from conformance.faults.deviations import Deviation, Fault
from conformance.faults.processes import Processes, suite_command
from conformance.faults.registry import deviation_of
from conformance.results.check import Outcome
from conformance.results.document import Document, RequirementResult, document_from

REPORTED = (Outcome.FAILED, Outcome.WARNED)
"""Outcomes that name a requirement as broken: a MUST fails, a SHOULD warns."""
UNDECIDED = (Outcome.BLOCKED, Outcome.INCONCLUSIVE)
GENERATED = "generated or sequences"
"""For `-k`: the tests with generated requests; the other tests are hand-written."""


class Technique(StrEnum):
    """The technique that reported a requirement."""

    SCENARIOS = "scenarios"
    FUZZING = "fuzzing"
    SEQUENCES = "stateful test"
    HISTORIES = "histories"


TECHNIQUES = {
    "test_fuzzing.py": Technique.FUZZING,
    "test_sequences.py": Technique.SEQUENCES,
    "test_histories.py": Technique.HISTORIES,
}
"""By scenario module; every other module holds scenarios."""


@dataclass(frozen=True)
class Trial:
    """A fault or variant by id, and a seed.

    A `full` trial runs the whole suite. Any other runs the tests of the fault's main requirement:
    the hand-written ones, then, if they report nothing, those with generated requests.
    """

    id: str
    seed: int
    full: bool = False


@dataclass(frozen=True)
class Detection:
    """The outcome of a trial.

    `reported` are the requirements that the suite named as broken, each with the techniques that
    named it. `code` is its exit code. If nothing was reported, `undecided` are the requirements
    that the suite left undecided, and `output` is the end of what it printed.
    """

    id: str
    seed: int
    seconds: float
    code: int
    reported: dict[str, list[str]] = field(default_factory=dict)
    undecided: list[str] = field(default_factory=list)
    output: str = ""


def attempt(trial: Trial, processes: Processes) -> Detection:
    """Run the trial; RuntimeError if the suite leaves no readable results."""
    started = time.monotonic()
    for selection in selections(deviation_of(trial.id), full=trial.full):
        try:
            code, rows, output = run_suite(trial, selection, processes)
        except (OSError, ValueError, LookupError) as error:
            raise RuntimeError(f"{trial.id}: {type(error).__name__}: {error}") from error
        reported = named(rows)
        if reported:
            break
    return Detection(
        id=trial.id,
        seed=trial.seed,
        seconds=round(time.monotonic() - started, 2),
        code=code,
        reported=reported,
        undecided=[] if reported else [row.id for row in rows if row.outcome in UNDECIDED],
        output="" if reported else output[-4000:],
    )


def selections(deviation: Deviation, *, full: bool) -> list[list[str]]:
    """The arguments of each run of the suite, in order."""
    if full or not isinstance(deviation, Fault):
        return [[]]
    main = ["--requirement", deviation.requirements[0]]
    return [[*main, "-k", f"not ({GENERATED})"], [*main, "-k", GENERATED]]


def run_suite(
    trial: Trial, selection: Sequence[str], processes: Processes
) -> tuple[int, tuple[RequirementResult, ...], str]:
    """Run the suite once; return its exit code, the rows of its results, and its output."""
    with tempfile.TemporaryDirectory(prefix="kc-trial-") as folder:
        command = suite_command(trial.seed, Path(folder), "--fault", trial.id, *selection)
        code, output = processes.run(command)
        results = Path(folder, "latest", "results.json")
        if not results.exists():
            raise RuntimeError(f"the suite left no results for {trial.id}:\n{output[-4000:]}")
        return code, read_document(results).requirements, output


def read_document(path: Path) -> Document:
    """The document of a `results.json`."""
    return document_from(json.loads(path.read_text(encoding="utf-8")))


def named(rows: Sequence[RequirementResult]) -> dict[str, list[str]]:
    """The requirements that the results name as broken, each with its techniques."""
    reported = {}
    for row in rows:
        checks = [check for check in row.checks if check.outcome in REPORTED]
        if checks:
            reported[row.id] = sorted({str(technique_of(check.test)) for check in checks})
    return {id: reported[id] for id in catalogue() if id in reported}


def technique_of(test: str) -> Technique:
    """The technique of a test, by its id."""
    module = test.partition("::")[0].rpartition("/")[2]
    return TECHNIQUES.get(module, Technique.SCENARIOS)

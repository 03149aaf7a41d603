"""One trial: the suite runs against one deviating server, each in a process of its own."""

import json
import logging
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from conformance import resources
from conformance.contract.requirements import catalogue
from conformance.faults.deviations import Deviation, Fault, settings_of
from conformance.faults.registry import faults
from conformance.faults.variants import VARIANTS
from conformance.lifecycle.bundled_target import declared
from conformance.lifecycle.pytest_args import pytest_arguments
from conformance.reference.app import create_app
from conformance.reference.serving import listen, origin, serve
from conformance.reference.world import load_world
from conformance.results.check import Outcome
from conformance.settings.target import DEFAULT_VARIABLES, write_target

PROCESSES: Any = multiprocessing.get_context("fork" if hasattr(os, "fork") else "spawn")
"""How processes are started: forking saves them the imports."""
REPORTED = (Outcome.FAILED, Outcome.WARNED)
"""Outcomes that name a requirement as broken; a SHOULD is warned of."""
UNDECIDED = (Outcome.BLOCKED, Outcome.INCONCLUSIVE)
GENERATED = "generated or sequences"
"""Selects, by `-k`, the tests that make their requests up; the others are written by hand."""


class Technique(StrEnum):
    """What in the suite reported a requirement."""

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
    """What to try: a fault or variant by id, with a seed.

    A `full` trial runs the whole suite. Any other runs the tests of the fault's main requirement:
    those written by hand, and only where these see nothing, the generated ones.
    """

    id: str
    seed: int
    full: bool = False


@dataclass(frozen=True)
class Detection:
    """What came of a trial.

    `reported` are the requirements that the suite named as broken, each with the techniques that
    did; `undecided` those of which it said nothing. `code` is its exit code, `output` the end
    of what it printed, kept where nothing was reported.
    """

    id: str
    seed: int
    full: bool
    seconds: float
    code: int
    reported: dict[str, list[str]]
    undecided: list[str]
    output: str = ""


def deviation_of(id: str) -> Deviation:
    """The fault or variant with this id; KeyError where there is none."""
    return {**VARIANTS, **faults()}[id]


def attempt(trial: Trial) -> Detection:
    """Run the trial. It changes this process's environment, so give it one of its own."""
    started = time.monotonic()
    deviation = deviation_of(trial.id)
    with tempfile.TemporaryDirectory(prefix="kc-trial-") as folder, served(trial.id) as url:
        code, rows, output = 0, list[dict[str, Any]](), ""
        for selection in selections(deviation, full=trial.full):
            code, rows, output = suite(Path(folder), url, trial.seed, selection)
            if named(rows):
                break
    return Detection(
        id=trial.id,
        seed=trial.seed,
        full=trial.full,
        seconds=round(time.monotonic() - started, 2),
        code=code,
        reported=named(rows),
        undecided=[row["id"] for row in rows if row["outcome"] in UNDECIDED],
        output="" if named(rows) else output[-4000:],
    )


def selections(deviation: Deviation, *, full: bool) -> list[list[str]]:
    """The arguments of one run of the suite after the other."""
    if full or not isinstance(deviation, Fault):
        return [[]]
    main = ["--requirement", deviation.requirements[0]]
    return [[*main, "-k", f"not ({GENERATED})"], [*main, "-k", GENERATED]]


def suite(
    folder: Path, url: str, seed: int, selection: list[str]
) -> tuple[int, list[dict[str, Any]], str]:
    """Run the suite in a child of this process: exit code, rows of the results, output."""
    world = load_world(resources.world_file())
    target, reports, log = folder / "target.toml", folder / "reports", folder / "output.txt"
    write_target(target, "deviating server", url, declared(world))
    os.environ.update({name: world.key(role).token for role, name in DEFAULT_VARIABLES.items()})
    options = ["--target", str(target), "--reports", str(reports), "--seed", str(seed)]
    options += ["--trust-target", "--keep"]
    child = PROCESSES.Process(
        target=_run_pytest, args=(pytest_arguments([*options, "-q", *selection]), log)
    )
    with _deaf():
        child.start()
    try:
        child.join()
    finally:  # where this is interrupted
        child.kill()
        child.join()
    results = reports / "latest" / "results.json"
    output = log.read_text(errors="replace")
    if not results.exists():
        raise RuntimeError(f"the suite left no results:\n{output[-4000:]}")
    return int(child.exitcode or 0), json.loads(results.read_text())["requirements"], output


@contextmanager
def _deaf() -> Iterator[None]:
    """Processes that start here do not hear Ctrl-C: who started them ends them."""
    heard = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, heard)


def _run_pytest(arguments: list[str], log: Path) -> None:
    """Run pytest with its output in a file."""
    with log.open("ab", buffering=0) as file:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            os.dup2(file.fileno(), stream.fileno())
        code = pytest.main(arguments)
        sys.stdout.flush()
        os._exit(int(code))


def named(rows: list[dict[str, Any]]) -> dict[str, list[str]]:
    """The requirements that the results name as broken, each with the techniques that did."""
    reported = {}
    for row in rows:
        checks = [check for check in row["checks"] if check["outcome"] in REPORTED]
        if checks:
            reported[row["id"]] = sorted({str(technique_of(check["test"])) for check in checks})
    return {id: reported[id] for id in catalogue() if id in reported}


def technique_of(test: str) -> Technique:
    """What kind of test this is, by its id."""
    module = test.partition("::")[0].rpartition("/")[2]
    return TECHNIQUES.get(module, Technique.SCENARIOS)


@contextmanager
def served(id: str | None) -> Iterator[str]:
    """A deviating server, or the reference server, in a process of its own, by its base URL."""
    bound = listen("127.0.0.1", 0)
    server = PROCESSES.Process(target=_serve, args=(id, bound), daemon=True)
    with _deaf():
        server.start()
    try:
        yield origin(bound)
    finally:
        server.terminate()
        server.join()
        bound.close()


def _serve(id: str | None, bound: socket.socket) -> None:
    logging.disable()  # a fault that crashes is meant to
    world = load_world(resources.world_file())
    serve(create_app(world, settings_of([deviation_of(id)] if id else [])), bound)

"""What the benchmarks share: processes with their costs, repetitions, tables, files."""

import argparse
import json
import multiprocessing
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from conformance import resources
from conformance.lifecycle.bundled_target import declared
from conformance.reference.app import BASE_PATH
from conformance.reference.serving import listen, origin, serve
from conformance.reference.world import load_world
from conformance.settings.target import DEFAULT_VARIABLES, write_target

RESULTS = Path(__file__).parent / "results"
KIB = 1024
WORLD = load_world(resources.world_file())
TOKENS = {name: WORLD.key(role).token for role, name in DEFAULT_VARIABLES.items()}
AUTHORIZATION = {"Authorization": f"Bearer {WORLD.key('server').token}"}
"""The header with the server key of the reference server."""
SINGLE_OPERATION = ("--phases", "examples,coverage,fuzzing")
"""The phases of Schemathesis that test operations one by one."""


def parser_of(script: str | None, rounds: int) -> argparse.ArgumentParser:
    """A parser with the first line of the script's docstring, and `--rounds`."""
    parser = argparse.ArgumentParser(description=(script or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=rounds)
    return parser


@dataclass(frozen=True)
class Cost:
    """What a process took: wall clock and processor seconds, peak memory (bytes), output."""

    seconds: float
    processor: float
    memory: int
    code: int
    output: str


def cost_of(
    command: Sequence[str],
    *,
    codes: Sequence[int] = (0,),
    variables: Mapping[str, str] | None = None,
) -> Cost:
    """Run a command in a temporary folder; RuntimeError for an exit code not in `codes`.

    The environment has the demo keys, and Python keeps compiled modules, as it does for users.
    """
    known = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    paths = (Path(__file__).parent, resources.PACKAGE.parent)
    path = {"PYTHONPATH": os.pathsep.join(map(str, paths))}
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryFile("w+", errors="replace") as output,
    ):
        started = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603 - this project's own commands
            command,
            cwd=folder,
            env={**known, **TOKENS, **path, **(variables or {})},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        code = process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    if code not in codes:
        raise RuntimeError(f"{' '.join(command)} ended with {code}:\n{text[-4000:]}")
    memory = used.ru_maxrss * (1 if sys.platform == "darwin" else KIB)
    return Cost(seconds, used.ru_utime + used.ru_stime, memory, code, text)


@contextmanager
def serving(make: Callable[[], Any]) -> Iterator[str]:
    """The ASGI application that `make` makes, in its own process, by its base URL."""
    bound = listen("127.0.0.1", 0)
    forking = multiprocessing.get_context("fork")
    process = forking.Process(target=lambda: serve(make(), bound), daemon=True)
    process.start()
    try:
        yield origin(bound)
    finally:
        process.terminate()
        process.join()
        bound.close()


def bundled(folder: Path, *arguments: str) -> list[str]:
    """The command that runs the suite on its bundled server, in one process by default."""
    command = [sys.executable, "-m", "conformance", "run", "-q"]
    processes = [] if "-n" in arguments else ["-n", "0"]
    return [*command, "--reports", str(folder / "reports"), *processes, *arguments]


def suite(url: str, folder: Path, *arguments: str) -> list[str]:
    """The command that runs the suite on a reference server."""
    return bundled(folder, "--trust-target", *target_options(url, folder), *arguments)


def target_options(url: str, folder: Path) -> list[str]:
    """The options for a run on a reference server, whose players stay there."""
    target = folder / "target.toml"
    write_target(target, "reference", url, declared(WORLD))
    return ["--target", str(target), "--keep"]


def results_of(folder: Path) -> dict[str, Any]:
    """The results of the run that `bundled` or `suite` started with this folder."""
    file = folder / "reports" / "latest" / "results.json"
    results: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return results


def stopwatches(folder: Path) -> list[dict[str, Any]]:
    """What `stopwatch.py` measured with `STOPWATCH` set to this folder, process by process."""
    return [json.loads(file.read_text()) for file in folder.glob("*.json")]


def schemathesis(url: str, *more: str) -> list[str]:
    """The command that runs plain Schemathesis on a reference server, with all checks."""
    command = [sys.executable, "-m", "schemathesis.cli", "run", str(resources.spec_file())]
    headers = [part for pair in AUTHORIZATION.items() for part in ("-H", ": ".join(pair))]
    return [*command, "--url", url + BASE_PATH, *headers, "--checks", "all", "--no-color", *more]


def interleaved(measures: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Take each measure in turn, `rounds` times: a disturbance of the machine hits all alike."""
    taken: dict[str, list[float]] = {name: [] for name in measures}
    for number in range(rounds):
        for name, measure in measures.items():
            taken[name].append(measure())
            print(f"round {number + 1}: {name}: {taken[name][-1]:.2f}", file=sys.stderr, flush=True)
    return taken


def summed_up(values: Sequence[float], digits: int = 2) -> list[str]:
    """Two cells: the median, then the least and the greatest, which show the machine's noise."""
    return [f"{median(values):.{digits}f}", f"{min(values):.4g} to {max(values):.4g}"]


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def write(name: str, document: dict[str, Any]) -> None:
    """Write `benchmarks/results/<name>.json`, with what the numbers depend on."""
    machine = {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.system(),
    }
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{name}.json"
    file.write_text(json.dumps({"machine": machine, **document}, indent=1) + "\n", "utf-8")

"""What the benchmarks share: processes with their costs, repetitions, tables, files."""

import json
import multiprocessing
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance import resources
from conformance.lifecycle.bundled_target import declared
from conformance.reference.serving import listen, origin, serve
from conformance.reference.world import load_world
from conformance.settings.target import DEFAULT_VARIABLES, write_target

RESULTS = Path(__file__).parent / "results"
KIB = 1024


@dataclass(frozen=True)
class Cost:
    """What a process took: wall clock and processor seconds, peak memory (bytes), output."""

    seconds: float
    processor: float
    memory: int
    code: int
    output: str


def cost_of(command: Sequence[str], **environment: str) -> Cost:
    """Run a command to its end, in a folder of its own."""
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryFile("w+", errors="replace") as output,
    ):
        started = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603 - this project's own commands
            command,
            cwd=folder,
            env=usual_environment() | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        return Cost(
            seconds=seconds,
            processor=used.ru_utime + used.ru_stime,
            memory=used.ru_maxrss * (1 if sys.platform == "darwin" else KIB),
            code=process.returncode,
            output=output.read(),
        )


def _serve(make: Callable[[], Any], bound: Any) -> None:
    serve(make(), bound)


@contextmanager
def serving(make: Callable[[], Any]) -> Iterator[str]:
    """The ASGI application that `make` makes, in a process of its own, by its base URL."""
    bound = listen("127.0.0.1", 0)
    process = multiprocessing.get_context("fork").Process(
        target=_serve, args=(make, bound), daemon=True
    )
    process.start()
    try:
        yield origin(bound)
    finally:
        process.terminate()
        process.join()
        bound.close()


def usual_environment() -> dict[str, str]:
    """The environment with the demo keys, and with compiled modules kept, as users have it."""
    world = load_world(resources.world_file())
    tokens = {name: world.key(role).token for role, name in DEFAULT_VARIABLES.items()}
    known = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {**known, **tokens, "PYTHONPATH": str(Path(__file__).parent)}


def bundled(folder: Path, *arguments: str) -> list[str]:
    """The command that runs the suite on the server that it bundles, in one process by default."""
    command = [sys.executable, "-m", "conformance", "run", "-q"]
    processes = [] if "-n" in arguments else ["-n", "0"]
    return [*command, "--reports", str(folder / "reports"), *processes, *arguments]


def suite(url: str, folder: Path, *arguments: str) -> list[str]:
    """The command that runs the suite on a reference server, whose players stay there."""
    target = folder / "target.toml"
    write_target(target, "reference", url, declared(load_world(resources.world_file())))
    return bundled(folder, "--keep", "--trust-target", "--target", str(target), *arguments)


def token() -> str:
    """The server key of the reference server."""
    return load_world(resources.world_file()).key("server").token


def schemathesis(url: str, *more: str) -> list[str]:
    """The command that runs plain Schemathesis on a reference server, with all checks."""
    command = [sys.executable, "-m", "schemathesis.cli", "run", str(resources.spec_file())]
    keyed = ["--url", f"{url}/server/v1", "-H", f"Authorization: Bearer {token()}"]
    return [*command, *keyed, "--checks", "all", "--no-color", *more]


SINGLE_OPERATION = ("--phases", "examples,coverage,fuzzing")
"""The phases of Schemathesis that test operations one by one."""


def interleaved(measures: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Take each measure in turn, `rounds` times: what disturbs the machine disturbs all alike."""
    taken: dict[str, list[float]] = {name: [] for name in measures}
    for number in range(rounds):
        for name, measure in measures.items():
            taken[name].append(measure())
            print(f"round {number + 1}: {name}: {taken[name][-1]:.2f}", file=sys.stderr, flush=True)
    return taken


def middle(values: Sequence[float]) -> float:
    """The median."""
    return statistics.median(values)


def spread(values: Sequence[float]) -> str:
    """Least and greatest, as the noise of the machine."""
    return f"{min(values):.4g} to {max(values):.4g}"


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

"""How long is a verdict in coming, and where does the time go?

    python benchmarks/verdict.py [--rounds N] [--floor]

Side by side, `N` times in turn, each against a reference server of its own: the suite with its
default profile on the server that it bundles, as `run` has it, on two processes and in one; its
scenarios alone, and of that the time from the first test to the last; the same requests once more
from a bare client that judges nothing (the floor); and what plain Schemathesis takes for its
single-operation phases with 100 examples. It gives an operation up at its first failure, and on the
reference server, which keeps the contract, all its failures are wrong. So it is measured as it is;
with `--continue-on-failure`; and without the two checks that fail, as a gate would have it. Prints
tables and writes `benchmarks/results/verdict.json`. With `--floor`, only the scenarios and the
replay of their requests are measured, in turn, and printed: that takes ten seconds a round.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from measuring import (
    SINGLE_OPERATION,
    Cost,
    bundled,
    cost_of,
    interleaved,
    middle,
    schemathesis,
    spread,
    suite,
    table,
    write,
)

from conformance.lifecycle import pytest_args as launch
from conformance.lifecycle.bundled_target import running_server

SEED = "1"
EXAMPLES = "100"
WRITTEN_BY_HAND = ("-k", "not generated and not sequence")
WATCHED = ("-p", "stopwatch")
PROCESSES = {"": str(launch.PROCESSES), ", -n 2": "2", ", one process": "0"}
"""What is added to a run's name, and how many workers it has; without more, as `run` has it."""
RUNS = {
    f"{name}{added}": (*selected, "-n", workers)
    for name, selected in (("suite", ()), ("scenarios alone", WRITTEN_BY_HAND))
    for added, workers in PROCESSES.items()
}
WRONG = ("positive_data_acceptance", "negative_data_rejection")
"""Checks of plain Schemathesis that fail on a server which keeps the contract."""
IMPORTS = "import schemathesis, httpx, pytest"
PARTS = ("http", "checking", "generation", "scenarios", "reporting")


class Watched:
    """Runs of the suite with a stopwatch: `requests` and seconds of each part, run by run."""

    def __init__(self) -> None:
        self.requests: list[float] = []
        self.parts: list[dict[str, float]] = []

    def run(self, *arguments: str, recording: Path | None = None, url: str | None = None) -> float:
        """One run on the bundled server, or on the one at `url`; its seconds."""
        with tempfile.TemporaryDirectory() as name:
            folder, more = Path(name), ("--seed", SEED, *WATCHED, *arguments)
            command = suite(url, folder, *more) if url else bundled(folder, *more)
            kept = {"RECORDING": str(recording)} if recording else {}
            begun = time.time()
            cost = cost_of(command, STOPWATCH=name, **kept)
            if cost.code:
                raise RuntimeError(cost.output)
            self.note(folder, begun, cost)
        return cost.seconds

    def starts(self) -> list[float]:
        """Seconds from the command to the first request, run by run."""
        return [parts["start-up"] for parts in self.parts]

    def note(self, folder: Path, begun: float, cost: Cost) -> None:
        """Add up what the processes measured; parts are of all processes together."""
        measured = [json.loads(file.read_text()) for file in folder.glob("*.json")]
        parts: dict[str, float] = defaultdict(float)
        for name, seconds in [pair for one in measured for pair in one["spent"].items()]:
            parts[name] += seconds
        firsts = [one["first"][0] for one in measured if one["first"]]
        parts["start-up"] = min(firsts) - begun
        parts["whole"], parts["processor"] = cost.seconds, cost.processor
        self.parts.append(parts)
        results = json.loads((folder / "reports" / "latest" / "results.json").read_text())
        self.requests.append(results["run"]["requests"])

    def row(self, name: str, *, several: bool) -> list[object]:
        """A line of the table: medians. Of `several` processes there is no telling what is left."""
        typical = {part: middle([parts[part] for parts in self.parts]) for part in PARTS}
        start = middle(self.starts())
        rest = middle([parts["whole"] for parts in self.parts]) - start - sum(typical.values())
        cells = [start, *(typical[part] for part in PARTS)]
        left = "" if several else f"{rest:.2f}"
        return [name, f"{middle(self.requests):.0f}", *(f"{cell:.2f}" for cell in cells), left]


def replayed(recording: Path) -> float:
    """The floor: seconds in which the recorded requests are sent and answered."""
    with running_server() as url:
        parts = urlsplit(url)
        script = Path(__file__).with_name("replay.py")
        command = [sys.executable, str(script), str(parts.hostname), str(parts.port)]
        cost = cost_of([*command, str(recording)])
    if cost.code:
        raise RuntimeError(cost.output)
    return float(cost.output.split()[0])


class Unwatched:
    """Runs of the suite on the bundled server, with nothing in them that watches.

    `spans` are the seconds from the beginning of the first test to the end of the last, by run.
    """

    def __init__(self) -> None:
        self.spans: dict[str, list[float]] = defaultdict(list)

    def run(self, name: str) -> float:
        """One run of those in `RUNS`; its seconds."""
        with tempfile.TemporaryDirectory() as folder:
            cost = cost_of(bundled(Path(folder), "--seed", SEED, *RUNS[name]))
            if cost.code:
                raise RuntimeError(cost.output)
            results = json.loads(Path(folder, "reports", "latest", "results.json").read_text())
        checks = [check for row in results["requirements"] for check in row["checks"]]
        ended = max(check["started"] + check["seconds"] for check in checks)
        self.spans[name].append(ended - min(check["started"] for check in checks))
        return cost.seconds


def started(runs: Watched) -> float:
    """A short run on a server that is up; seconds from the command to the first request."""
    with running_server() as url:
        runs.run("-k", "test_ping", url=url)
    return runs.starts()[-1]


def plain(*more: str) -> float:
    """Seconds of `schemathesis run`."""
    with running_server() as url:
        command = schemathesis(url, *SINGLE_OPERATION, "-n", EXAMPLES, "--seed", SEED, *more)
        cost = cost_of(command)
    if cost.code not in (0, 1):
        raise RuntimeError(cost.output)
    return cost.seconds


def beside_the_floor(rounds: int) -> None:
    """Measure and print the scenarios, as `run` has them, beside the replay of their requests."""
    plainly = Unwatched()
    with tempfile.TemporaryDirectory() as folder:
        Watched().run(*WRITTEN_BY_HAND, "-n", "0", recording=Path(folder))
        taken = interleaved(
            {
                "scenarios alone": lambda: plainly.run("scenarios alone"),
                "replay of the scenarios": lambda: replayed(Path(folder)),
            },
            rounds,
        )
    taken["scenarios alone, first test to last"] = plainly.spans["scenarios alone"]
    floor = middle(taken["replay of the scenarios"])
    rows = [
        [n, f"{middle(v):.2f}", spread(v), f"{middle(v) / floor:.2f}"] for n, v in taken.items()
    ]
    print(table(["what", "median s", "least to greatest", "times the replay"], rows))


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--floor", action="store_true", help="only scenarios and their replay")
    arguments = parser.parse_args()
    rounds = arguments.rounds
    if arguments.floor:
        beside_the_floor(rounds)
        return
    short, plainly = Watched(), Unwatched()
    with tempfile.TemporaryDirectory() as folder:
        everything, by_hand = Path(folder, "all"), Path(folder, "scenarios")
        for recording, more in ((everything, ()), (by_hand, WRITTEN_BY_HAND)):
            recording.mkdir()
            Watched().run(*more, "-n", "0", recording=recording)
        measures: dict[str, Callable[[], float]] = {
            **{name: partial(plainly.run, name) for name in RUNS},
            "replay of all": lambda: replayed(everything),
            "replay of the scenarios": lambda: replayed(by_hand),
            "schemathesis": plain,
            "schemathesis to its end": lambda: plain("--continue-on-failure"),
            "schemathesis without wrong checks": lambda: plain("--exclude-checks", ",".join(WRONG)),
            "start-up": lambda: started(short),
            "imports": lambda: cost_of([sys.executable, "-c", IMPORTS]).seconds,
        }
        taken = interleaved(measures, rounds)
    split = [(name, Watched()) for name in RUNS]
    for name, runs in split:
        runs.run(*RUNS[name])
    for name in RUNS:
        taken[f"{name}, first test to last"] = plainly.spans[name]
    taken["start-up, with the bundled server"] = [one for _, runs in split for one in runs.starts()]
    typical = {name: middle(values) for name, values in taken.items()}
    ratios = {
        **{
            f"{run} / {plainly}": (run, plainly)
            for plainly in taken
            if plainly.startswith("schemathesis")
            for run in RUNS
            if run.startswith("suite")
        },
        **{
            f"{run} / replay": (run, "replay of the scenarios")
            for run in taken
            if run.startswith("scenarios alone")
        },
        "start-up to the first request / imports": ("start-up", "imports"),
        "the same with the bundled server": ("start-up, with the bundled server", "imports"),
    }
    found = {name: typical[a] / typical[b] for name, (a, b) in ratios.items()}
    show(taken, found, split)
    document: dict[str, Any] = {
        "rounds": rounds,
        "seconds": taken,
        "ratios": found,
        "parts": {name: [dict(parts) for parts in runs.parts] for name, runs in split},
        "requests": {name: runs.requests for name, runs in split},
    }
    write("verdict", document)


def show(
    taken: dict[str, list[float]], found: dict[str, float], split: list[tuple[str, Watched]]
) -> None:
    """Print three tables."""
    seconds = [[name, f"{middle(v):.2f}", spread(v)] for name, v in taken.items()]
    print(table(["what", "median s", "least to greatest"], seconds))
    print()
    print(
        table(["ratio of medians", ""], [[name, f"{ratio:.2f}"] for name, ratio in found.items()])
    )
    print("\nSeconds by part of one run each, all processes together, under a stopwatch that makes")
    print("it a little slower. Start-up ends with the first request;")
    print("scenarios wait for a rate window (1 s) and for threads; what is left is pytest's own:\n")
    head = ["run", "requests", "start-up", *PARTS, "rest"]
    rows = [runs.row(name, several=not name.endswith("one process")) for name, runs in split]
    print(table(head, rows))


if __name__ == "__main__":
    main()

"""How long does a verdict take, and where does the time go?

    python benchmarks/verdict.py [--rounds N] [--floor]

Measured `N` times in turn, each on its own reference server:

- the suite with its default profile, as `run` has it and in one process;
- its scenarios alone, also from the first test to the last;
- the floor: the requests of the scenarios again, from a bare client that judges nothing;
- the single-operation phases of plain Schemathesis with 100 examples. It stops testing an operation
  at its first failure, and on the reference server, which keeps the contract, all its failures are
  wrong. So it is measured as it is, with `--continue-on-failure`, and without the two checks that
  fail, as a gate would have it.

Prints tables and writes `benchmarks/results/verdict.json`. `--floor` measures and prints only the
scenarios and the replay of their requests, ten seconds a round.
"""

import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from measuring import (
    SINGLE_OPERATION,
    bundled,
    cost_of,
    interleaved,
    parser_of,
    results_of,
    schemathesis,
    stopwatches,
    summed_up,
    table,
    write,
)
from replay import replayed

from conformance.lifecycle.bundled_target import running_server
from conformance.lifecycle.pytest_args import PROCESSES

SEED = ("--seed", "1")
EXAMPLES = ("-n", "100")
SCENARIOS = ("-k", "not generated and not sequence")
ALONE, REPLAY, IMPORTS = "scenarios alone", "replay of the scenarios", "imports"
RUNS = {
    "suite": ("-n", str(PROCESSES)),
    "suite, one process": ("-n", "0"),
    ALONE: (*SCENARIOS, "-n", str(PROCESSES)),
    f"{ALONE}, one process": (*SCENARIOS, "-n", "0"),
}
WRONG = ("positive_data_acceptance", "negative_data_rejection")
"""Checks of plain Schemathesis that fail on a server which keeps the contract."""
PLAIN = {
    "schemathesis": (),
    "schemathesis to its end": ("--continue-on-failure",),
    "schemathesis without wrong checks": ("--exclude-checks", ",".join(WRONG)),
}
START_UP, FIRST_TO_LAST = "start-up to the first request", "first test to last"
PARTS = ("http", "checking", "generation", "scenarios", "reporting")


def run(name: str, spans: dict[str, list[float]]) -> float:
    """One run of those in `RUNS`; its seconds, and in `spans` those from first test to last."""
    with tempfile.TemporaryDirectory() as folder:
        cost = cost_of(bundled(Path(folder), *SEED, *RUNS[name]))
        results = results_of(Path(folder))
    checks = [check for row in results["requirements"] for check in row["checks"]]
    ended = max(check["started"] + check["seconds"] for check in checks)
    started = min(check["started"] for check in checks)
    spans[f"{name}, {FIRST_TO_LAST}"].append(ended - started)
    return cost.seconds


def watched(*arguments: str, **variables: str) -> dict[str, float]:
    """One run with a stopwatch: its requests, and seconds by part, all processes together."""
    with tempfile.TemporaryDirectory() as folder:
        command = bundled(Path(folder), *SEED, "-p", "stopwatch", *arguments)
        started = time.time()
        cost = cost_of(command, variables={"STOPWATCH": folder, **variables})
        processes = stopwatches(Path(folder))
        requests = results_of(Path(folder))["run"]["requests"]
    parts = {part: sum(one["spent"].get(part, 0) for one in processes) for part in PARTS}
    start = min(one["first"] for one in processes if one["first"]) - started
    rest = cost.seconds - start - sum(parts.values())
    return {"requests": requests, START_UP: start, **parts, "rest": rest}


def plain(*more: str) -> float:
    """Seconds of `schemathesis run`."""
    with running_server() as url:
        command = schemathesis(url, *SINGLE_OPERATION, *EXAMPLES, *SEED, *more)
        return cost_of(command, codes=(0, 1)).seconds


def imports() -> float:
    """Seconds in which Python loads the libraries."""
    return cost_of([sys.executable, "-c", "import schemathesis, httpx, pytest"]).seconds


def ratios_of(taken: dict[str, list[float]]) -> dict[str, float]:
    """The ratios of the medians that were taken."""
    pairs = [(name, other) for name in RUNS if name.startswith("suite") for other in PLAIN]
    pairs += [(name, REPLAY) for name in taken if name.startswith(ALONE)]
    pairs += [(START_UP, IMPORTS)]
    typical = {name: median(values) for name, values in taken.items()}
    return {f"{a} / {b}": typical[a] / typical[b] for a, b in pairs if {a, b} <= typical.keys()}


def main() -> None:
    """Measure, print and write."""
    parser = parser_of(__doc__, rounds=5)
    parser.add_argument("--floor", action="store_true", help="only scenarios and their replay")
    arguments = parser.parse_args()
    spans: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as recording:
        watched(*SCENARIOS, RECORDING=recording)
        measures: dict[str, Callable[[], float]] = {
            **{name: partial(run, name, spans) for name in RUNS},
            REPLAY: lambda: replayed(Path(recording)),
            **{name: partial(plain, *more) for name, more in PLAIN.items()},
            IMPORTS: imports,
        }
        if arguments.floor:
            measures = {name: measures[name] for name in (ALONE, REPLAY)}
        taken = {**interleaved(measures, arguments.rounds), **spans}
    parts = {} if arguments.floor else {name: watched(*more) for name, more in RUNS.items()}
    if parts:
        taken[START_UP] = [one[START_UP] for one in parts.values()]
    ratios = ratios_of(taken)
    seconds = [[name, *summed_up(values)] for name, values in taken.items()]
    print(table(["what", "median s", "least to greatest"], seconds) + "\n")
    print(table(["ratio of medians", ""], [[n, f"{ratio:.2f}"] for n, ratio in ratios.items()]))
    if arguments.floor:
        return
    print("\nSeconds by part of one run each, all processes together, under a stopwatch that makes")
    print("it a little slower. Scenarios wait for a rate window (1 s). The rest, which is pytest's")
    print("own, is known only for a run in one process.\n")
    rows = []
    for name, one in parts.items():
        cells = [f"{one[part]:.2f}" for part in (START_UP, *PARTS)]
        rest = f"{one['rest']:.2f}" if name.endswith("one process") else ""
        rows.append([name, f"{one['requests']:.0f}", *cells, rest])
    print(table(["run", "requests", START_UP, *PARTS, "rest"], rows))
    document = {"rounds": arguments.rounds, "seconds": taken, "ratios": ratios, "parts": parts}
    write("verdict", document)


if __name__ == "__main__":
    main()

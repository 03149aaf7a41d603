"""What does a processor second of fuzzing find, here and with plain Schemathesis?

    python benchmarks/fuzz.py [--rounds N] [--faults N]

Compares the suite's fuzzing (`-k generated`) with the single-operation phases of
`schemathesis run`, with the same specification and number of examples:

- on the reference server: generated cases by processor second of the client;
- on faulty servers, drawn at random from those whose fault a single request can show: faults found
  by processor second. Schemathesis finds a fault if it reports more than of the reference server.

Prints a table and writes `benchmarks/results/fuzz.json`.
"""

import random
import re
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from measuring import (
    SINGLE_OPERATION,
    cost_of,
    parser_of,
    results_of,
    schemathesis,
    stopwatches,
    suite,
    summed_up,
    table,
    write,
)

from conformance.faults.registry import faults
from conformance.faults.trial import REPORTED
from conformance.fuzzing import DECIDED_BY_CASES
from conformance.lifecycle.bundled_target import running_server

EXAMPLES = "100"
SEED = "1"
BASELINE_RUNS = 3
GENERATED = ("-k", "generated", "--examples", EXAMPLES, "--seed", SEED, "--shrink", "1")
OURS, PLAIN = "this suite's fuzzing", "schemathesis run"
CASES = re.compile(r"(\d+) generated")


@dataclass(frozen=True)
class Run:
    """One run: generated cases, processor seconds of the client, and what it reported."""

    cases: int
    processor: float
    reported: list[str]

    def rate(self) -> float:
        """Cases by processor second."""
        return self.cases / self.processor


def ours(fault: str | None = None) -> Run:
    """The suite's fuzzing of one server."""
    with tempfile.TemporaryDirectory() as name, running_server(fault) as url:
        folder = Path(name)
        command = suite(url, folder, *GENERATED, "-p", "stopwatch")
        cost = cost_of(command, codes=(0, 1, 3), variables={"STOPWATCH": name})
        cases = sum(one["cases"] for one in stopwatches(folder))
        rows = results_of(folder)["requirements"]
    return Run(cases, cost.processor, [row["id"] for row in rows if row["outcome"] in REPORTED])


def plain(fault: str | None, *more: str) -> Run:
    """Schemathesis' fuzzing of one server; it reports only what a baseline lacks."""
    with running_server(fault) as url:
        counts = ("-n", EXAMPLES, "--seed", SEED, "--continue-on-failure")
        cost = cost_of(schemathesis(url, *SINGLE_OPERATION, *counts, *more), codes=(0, 1))
    found = CASES.search(cost.output)
    if found is None:
        raise RuntimeError(cost.output)
    return Run(int(found[1]), cost.processor, ["failures"] if cost.code else [])


def main() -> None:
    """Measure, print and write."""
    parser = parser_of(__doc__, rounds=3)
    parser.add_argument("--faults", type=int, default=12, help="how many faulty servers to try")
    arguments = parser.parse_args()
    speed: dict[str, list[Run]] = {OURS: [], PLAIN: []}
    for _ in range(arguments.rounds):
        speed[OURS].append(ours())
        speed[PLAIN].append(plain(None))
    visible = [id for id, one in faults().items() if one.requirements[0] in DECIDED_BY_CASES]
    drawn = random.Random(SEED).sample(sorted(visible), arguments.faults)  # noqa: S311
    hunt: dict[str, list[Run]] = {OURS: [], PLAIN: []}
    with tempfile.TemporaryDirectory() as folder:
        baseline = ("--baseline", str(Path(folder, "baseline.json")))
        for _ in range(BASELINE_RUNS):
            plain(None, *baseline, "--baseline-update")
        for fault in drawn:
            hunt[OURS].append(ours(fault))
            hunt[PLAIN].append(plain(fault, *baseline))
            print(f"{fault}: {hunt[OURS][-1]}, {hunt[PLAIN][-1]}", file=sys.stderr, flush=True)
    rates = {name: [run.rate() for run in runs] for name, runs in speed.items()}
    rows = []
    for name, runs in speed.items():
        found = sum(bool(run.reported) for run in hunt[name])
        seconds = sum(run.processor for run in hunt[name])
        cases = f"{median(run.cases for run in runs):.0f}"
        hits = [f"{found} of {len(drawn)}", f"{found / seconds:.4f}" if seconds else "-"]
        rows.append([name, cases, *summed_up(rates[name], digits=0), *hits])
    head = ["fuzzing", "cases", "a processor second", "least to greatest", "faults found"]
    print(table([*head, "found a processor second"], rows))
    ratio = median(rates[OURS]) / median(rates[PLAIN])
    print(f"\nCases by processor second, this suite / schemathesis: {ratio:.2f}")
    document = {
        "examples": int(EXAMPLES),
        "ratio": ratio,
        "speed": {name: [asdict(run) for run in runs] for name, runs in speed.items()},
        "faults": drawn,
        "hunt": {name: [asdict(run) for run in runs] for name, runs in hunt.items()},
    }
    write("fuzz", document)


if __name__ == "__main__":
    main()

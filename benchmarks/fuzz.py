"""What does a processor second of fuzzing buy, here and with plain Schemathesis?

    python benchmarks/fuzz.py [--rounds N] [--faults N]

Side by side, against a reference server of its own each: the suite's fuzzing (`-k generated`) and
the single-operation phases of `schemathesis run`, same specification, same number of examples.
Counts generated cases by processor second of the client. Then both run against the same faulty
servers, drawn at random from those that break what single requests can show: faults found by
processor second. Schemathesis finds a fault where it reports more than of the reference server.
Prints a table and writes `benchmarks/results/fuzz.json`.
"""

import argparse
import json
import random
import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from measuring import SINGLE_OPERATION, cost_of, middle, schemathesis, spread, suite, table, write

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


def ours(fault: str | None = None) -> Run:
    """The suite's fuzzing of one server."""
    with tempfile.TemporaryDirectory() as folder, running_server(fault) as url:
        command = suite(url, Path(folder), *GENERATED, "-p", "stopwatch")
        cost = cost_of(command, STOPWATCH=folder)
        measured = [json.loads(file.read_text()) for file in Path(folder).glob("*.json")]
        results = json.loads(Path(folder, "reports", "latest", "results.json").read_text())
    cases = sum(one["counts"].get("cases", 0) for one in measured)
    named = [row["id"] for row in results["requirements"] if row["outcome"] in REPORTED]
    return Run(cases, cost.processor, named)


def plain(fault: str | None, *more: str) -> Run:
    """Schemathesis' fuzzing of one server; with a baseline, it reports what is not in that."""
    with running_server(fault) as url:
        counts = ("-n", EXAMPLES, "--seed", SEED, "--continue-on-failure")
        cost = cost_of(schemathesis(url, *SINGLE_OPERATION, *counts, *more))
    found = CASES.search(cost.output)
    if cost.code not in (0, 1) or found is None:
        raise RuntimeError(cost.output)
    return Run(int(found[1]), cost.processor, ["failures"] if cost.code else [])


def rates(runs: Sequence[Run]) -> list[float]:
    """Cases by processor second."""
    return [run.cases / run.processor for run in runs]


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
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
    rows = []
    for name, runs in speed.items():
        found = sum(bool(run.reported) for run in hunt[name])
        seconds = sum(run.processor for run in hunt[name])
        rate = rates(runs)
        cases = f"{middle([run.cases for run in runs]):.0f}"
        hits = f"{found} of {len(drawn)}"
        by_second = [f"{middle(rate):.0f}", spread(rate)]
        rows.append([name, cases, *by_second, hits, f"{found / seconds:.4f}" if seconds else "-"])
    head = ["fuzzing", "cases", "a processor second", "least to greatest", "faults found"]
    print(table([*head, "found a processor second"], rows))
    ratio = middle(rates(speed[OURS])) / middle(rates(speed[PLAIN]))
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

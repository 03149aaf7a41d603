"""How many of the seeded faults does plain Schemathesis find, and how many does this suite?

    python benchmarks/detection.py [ID ...] [-n WORKERS] [--journal FILE]
    python benchmarks/detection.py --kept

Both run against the same faulty servers. Schemathesis runs all of its phases and all of its checks
with 100 examples. What it reports of the reference server, which is conformant, is recorded first
as its baseline; only what it reports beyond that counts as found. The suite runs whole, as
`kraty-conformance faults run --full` does. Trials that are in `--journal` and `--plain` are not run
again, so an interrupted run can be resumed. `--kept` runs nothing: it prints the table of the
recorded trials.
"""

import argparse
import json
import os
import random
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from measuring import RESULTS, cost_of, schemathesis, table

from conformance.faults.campaign import Journal, read_journal, run_campaign
from conformance.faults.registry import faults
from conformance.faults.scoring import Finding, finding_of
from conformance.faults.trial import Detection, Trial
from conformance.lifecycle.bundled_target import running_server

SEED = 1
OPTIONS = ("--phases", "examples,coverage,fuzzing,stateful", "-n", "100", "--seed", str(SEED))
BASELINE_RUNS = 3
PLAIN = RESULTS / "plain.jsonl"
JOURNAL = Path(__file__).parents[1] / "docs" / "power.jsonl"


@dataclass(frozen=True)
class Plain:
    """Whether plain Schemathesis found a fault."""

    id: str
    found: bool
    seconds: float


def record_baseline(baseline: Path) -> None:
    """Record what Schemathesis reports of the reference server."""
    for _ in range(BASELINE_RUNS):
        with running_server() as url:
            command = schemathesis(url, *OPTIONS, "--baseline", str(baseline), "--baseline-update")
            cost_of(command, codes=(0, 1))


def try_plain(id: str, baseline: Path) -> Plain:
    """Run Schemathesis against one faulty server."""
    with running_server(id) as url:
        command = schemathesis(url, *OPTIONS, "--baseline", str(baseline))
        cost = cost_of(command, codes=(0, 1))
    return Plain(id, cost.code == 1, round(cost.seconds, 1))


def read_plain(file: Path) -> dict[str, Plain]:
    """The recorded trials of plain Schemathesis, which do not change with the suite."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return {row["id"]: Plain(**row) for row in map(json.loads, lines)}


def try_all(ids: Sequence[str], workers: int, file: Path) -> list[Plain]:
    """Try every fault that is not in the file, and add each result to it at once.

    In random order, the same each time, so that an interrupted run leaves a fair sample.
    """
    known = read_plain(file)
    left = [id for id in ids if id not in known]
    random.Random(SEED).shuffle(left)  # noqa: S311 - nothing secret
    file.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        file.open("a", encoding="utf-8") as results,
        ThreadPoolExecutor(workers) as pool,
    ):
        baseline = Path(folder, "baseline.json")
        if left:
            record_baseline(baseline)
        for one in pool.map(partial(try_plain, baseline=baseline), left):
            known[one.id] = one
            results.write(json.dumps(asdict(one)) + "\n")
            results.flush()
            print(f"{one.id}: {'' if one.found else 'not '}found ({one.seconds} s)", flush=True)
    return [known[id] for id in ids]


def summary(plain: Sequence[Plain], suite: Sequence[Detection]) -> str:
    """The faults that both tried: how many each of them found, and how long that took."""
    known, tried = faults(), {detection.id for detection in suite}
    both = [one for one in plain if one.id in tried]
    ids = {one.id for one in both}
    suite = [detection for detection in suite if detection.id in ids]
    caught = [d for d in suite if finding_of(known[d.id], [d]) is not Finding.MISSED]
    cells = [
        f"{len(both)} of {len(known)}",
        f"{sum(one.found for one in both)}, in {sum(one.seconds for one in both):.0f} s",
        f"{len(caught)}, in {sum(detection.seconds for detection in suite):.0f} s",
    ]
    return table(["faults tried", "plain Schemathesis finds", "this suite names"], [cells])


def main() -> None:
    """Run both, or read what is recorded, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("ids", nargs="*", metavar="ID")
    parser.add_argument("-n", dest="workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--journal", type=Path, help="trials of the suite")
    parser.add_argument("--plain", type=Path, default=PLAIN, help="trials of plain Schemathesis")
    parser.add_argument("--kept", action="store_true", help="run nothing")
    arguments = parser.parse_args()
    if arguments.kept:
        _, suite = read_journal(arguments.journal or JOURNAL)
        plain = list(read_plain(arguments.plain).values())
    else:
        ids = arguments.ids or list(faults())
        plain = try_all(ids, arguments.workers, arguments.plain)
        file = arguments.journal or Path("reports/faults.jsonl")
        trials = [Trial(id, SEED, full=True) for id in ids]
        journal = Journal(file, full=True, resume=True)
        suite = list(run_campaign(trials, arguments.workers, journal))
    print(summary(plain, suite))


if __name__ == "__main__":
    main()

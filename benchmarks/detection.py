"""How many of the seeded faults does plain Schemathesis find, and how many does this suite?

    python benchmarks/detection.py [ID ...] [-n WORKERS] [--journal FILE]

Both run against the same faulty servers. Schemathesis runs all of its phases and all of its
checks with 100 examples; what it reports of the reference server itself, which is conformant, is
recorded first as its baseline, and only what it reports beyond that counts as found. The suite
runs whole, as `kraty-conformance faults run --full` does. Trials of an earlier run are taken from
`--journal` and `--plain`, so an interrupted run can be resumed; `--kept` makes the table of what
there is. Prints it, and writes `benchmarks/results/detection.json`.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from conformance import resources
from conformance.faults.campaign import Journal, run_campaign
from conformance.faults.deviations import Difficulty
from conformance.faults.registry import faults
from conformance.faults.scoring import Finding, finding_of
from conformance.faults.trial import Detection, Trial
from conformance.lifecycle.bundled_target import running_server
from conformance.reference.app import BASE_PATH
from conformance.reference.world import load_world

EXAMPLES = 100
SEED = 1
BASELINE_RUNS = 3
RESULTS = Path(__file__).parent / "results" / "detection.json"
PLAIN = RESULTS.with_name("plain.jsonl")


@dataclass(frozen=True)
class Plain:
    """What plain Schemathesis made of one faulty server."""

    id: str
    found: bool
    seconds: float


def schemathesis(url: str, baseline: Path, *more: str) -> int:
    """Run `schemathesis run` with all phases and checks; its exit code, 1 for new failures."""
    token = load_world(resources.world_file()).key("server").token
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", str(resources.spec_file())),
        *("--url", url + BASE_PATH, "-H", f"Authorization: Bearer {token}"),
        *("--phases", "examples,coverage,fuzzing,stateful", "--checks", "all"),
        *("-n", str(EXAMPLES), "--seed", str(SEED), "--baseline", str(baseline), *more),
    ]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(  # noqa: S603 - this project's own dependency
            command, cwd=folder, capture_output=True, text=True, check=False
        )
    if done.returncode not in (0, 1):
        raise RuntimeError(f"schemathesis ended with {done.returncode}:\n{done.stdout[-2000:]}")
    return done.returncode


def record_baseline(baseline: Path) -> None:
    """Record what Schemathesis reports of the reference server."""
    for _ in range(BASELINE_RUNS):
        with running_server() as url:
            schemathesis(url, baseline, "--baseline-update")


def try_plain(id: str, baseline: Path) -> Plain:
    """One faulty server."""
    started = time.monotonic()
    with running_server(id) as url:
        found = schemathesis(url, baseline) == 1
    return Plain(id, found, round(time.monotonic() - started, 1))


def table(rows: Sequence[tuple[str, int, int, int]]) -> str:
    """Difficulty, faults, found by Schemathesis, found by the suite: as Markdown."""
    lines = ["| difficulty | faults | plain Schemathesis | this suite |"]
    lines += ["| --- | ---: | ---: | ---: |"]
    return "\n".join([*lines, *(f"| {a} | {b} | {c} | {d} |" for a, b, c, d in rows)])


def groups(ids: Sequence[str]) -> dict[str, set[str]]:
    """The faults by difficulty, and all of them."""
    known = faults()
    by = {str(d): {id for id in ids if known[id].difficulty is d} for d in Difficulty}
    return {**by, "all": set(ids)}


def counted(plain: Sequence[Plain], suite: Sequence[Detection]) -> tuple[int, int, int]:
    """How many faults these are, and how many of them Schemathesis and the suite found."""
    known, ids = faults(), {one.id for one in plain}
    tried = [detection for detection in suite if detection.id in ids]
    caught = [d for d in tried if finding_of(known[d.id], [d]) is not Finding.MISSED]
    return len(plain), sum(one.found for one in plain), len(caught)


def kept(file: Path) -> dict[str, Plain]:
    """What an earlier run found out: trials of plain Schemathesis do not change with the suite."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return {row["id"]: Plain(**row) for row in map(json.loads, lines)}


def try_all(ids: Sequence[str], workers: int, file: Path) -> list[Plain]:
    """Try every fault that the file does not have yet, and keep each result there at once.

    In random order, the same each time, so that a run that is broken off leaves a fair sample.
    """
    known = kept(file)
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
            print(
                f"{one.id}: {'found' if one.found else 'not found'} ({one.seconds} s)", flush=True
            )
    return [known[id] for id in ids]


def main() -> None:
    """Run both, print the table, write the numbers."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("ids", nargs="*", metavar="ID")
    parser.add_argument("-n", dest="workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--journal", type=Path, default=Path("reports/faults.jsonl"))
    parser.add_argument("--plain", type=Path, default=PLAIN)
    parser.add_argument("--kept", action="store_true", help="try only what --plain has")
    arguments = parser.parse_args()
    found = kept(arguments.plain)
    ids = arguments.ids or [id for id in faults() if id in found or not arguments.kept]
    plain = try_all(ids, arguments.workers, arguments.plain)
    journal = Journal(arguments.journal, full=True, resume=True)
    trials = [Trial(id, SEED, full=True) for id in ids]
    suite = list(run_campaign(trials, arguments.workers, journal))
    rows = [
        (str(name), *counted([one for one in plain if one.id in group], suite))
        for name, group in groups(ids).items()
    ]
    print(table(rows))
    seconds = [sum(one.seconds for one in plain), sum(one.seconds for one in suite)]
    print(
        f"Seconds for all trials: plain Schemathesis {seconds[0]:.0f}, this suite {seconds[1]:.0f}."
    )
    RESULTS.parent.mkdir(exist_ok=True)
    document = {
        "examples": EXAMPLES,
        "seed": SEED,
        "workers": arguments.workers,
        "faults": len(faults()),
        "counts": rows,
        "plain": [asdict(one) for one in plain],
        "suite": {d.id: {"seconds": d.seconds, "named": list(d.reported)} for d in suite},
    }
    RESULTS.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

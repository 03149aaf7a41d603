"""Does each failure's script show the fault again, and not accuse the right server?

For each seeded fault: a narrow run, its first script on a server with the fault, and on the right
one. Prints a table by class.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from measuring import TOKENS

from conformance.faults.deviations import Fault
from conformance.faults.registry import faults
from conformance.lifecycle.server_process import WINDOW_SECONDS
from conformance.report import read_results
from conformance.report.forms import write_forms
from conformance.report.reproduction import FOLDER, reproduction_of

SUITE = (sys.executable, "-m", "conformance")
HANG = 300
MEANINGS = {1: "reproduced", 0: "not reproduced", 3: "not decided"}


@dataclass(frozen=True)
class Row:
    """How the script of one fault ended on both servers; `kind` is the class of the failure."""

    id: str
    kind: str
    faulty: str
    right: str

    @property
    def is_good(self) -> bool:
        """Whether the script shows the fault, and only it."""
        return (self.faulty, self.right) == ("reproduced", "not reproduced")


@contextmanager
def served(fault: str | None) -> Iterator[str]:
    """The base URL of `kraty-conformance serve`."""
    chosen = ["--fault", fault] if fault else []
    command = [*SUITE, "serve", "--port", "0", "--window", str(WINDOW_SECONDS), *chosen]
    with subprocess.Popen(  # noqa: S603 - the suite's own command
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1].removesuffix("/server/v1")
        process.terminate()


def ran(script: Path, url: str) -> str:
    """How the script ends on a server."""
    own = Path(sys.executable).parent
    environment = {**os.environ, **TOKENS, "BASE_URL": url}
    environment["PATH"] = f"{own}:{os.environ['PATH']}"
    try:
        done = subprocess.run(  # noqa: S603 - a script of this suite
            ["/bin/sh", str(script)],
            env=environment,
            capture_output=True,
            timeout=HANG,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "hung"
    script.with_suffix(f".{url.rpartition(':')[2]}.log").write_bytes(done.stdout + done.stderr)
    return MEANINGS.get(done.returncode, f"exit code {done.returncode}")


def measure(fault: Fault, folder: Path) -> Row:
    """Run the suite, unless `folder` has its results; then try the script on both servers."""
    main = fault.requirements[0]
    if not (folder / "latest").exists():
        command = [*SUITE, "run", "--fault", fault.id, "--requirement", main, "--seed", "1"]
        command += ["--reports", str(folder), "--keep", "-q", "-n", "0"]
        subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - as above
    document = read_results(folder / "latest")
    write_forms(folder / "latest", document)
    row = next(row for row in document.requirements if row.id == main)
    made = reproduction_of(row, document)
    if made is None:
        return Row(fault.id, "none", "no script", "")
    script = folder / "latest" / FOLDER / f"{main}.sh"
    endings = []
    for server in (fault.id, None):
        with served(server) as url:
            endings.append(ran(script, url))
    return Row(fault.id, made.kind, *endings)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the chosen faults, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("ids", nargs="*", help="faults; all if none are given")
    parser.add_argument("--folder", type=Path, help="keeps the runs, and uses those that it has")
    parser.add_argument("-n", dest="workers", type=int, default=1, help="faults at a time")
    parser.add_argument("--json", type=Path, help="a file for the rows")
    chosen = parser.parse_args(arguments)
    known = [fault for id, fault in faults().items() if not chosen.ids or id in chosen.ids]
    with tempfile.TemporaryDirectory() as spare, ThreadPoolExecutor(chosen.workers) as pool:
        folder = chosen.folder or Path(spare)
        rows = []
        for row in pool.map(lambda fault: measure(fault, folder / fault.id), known):
            rows.append(row)
            mark = "shown" if row.is_good else "NOT SHOWN"
            print(f"{mark}: {row.id} ({row.kind}): {row.faulty}; right: {row.right}", flush=True)
    if chosen.json:
        chosen.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    show(rows)


def show(rows: Sequence[Row]) -> None:
    """Print how many of each class are shown."""
    print(
        "\n| class of failure | faults | shown | not shown | not decided | right server accused |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for kind in [*sorted({row.kind for row in rows}), "all"]:
        found = [row for row in rows if kind in (row.kind, "all")]
        endings = Counter(row.faulty for row in found)
        cells = (
            len(found),
            sum(row.is_good for row in found),
            endings["not reproduced"],
            len(found) - endings["reproduced"] - endings["not reproduced"],
            sum(row.right == "reproduced" for row in found),
        )
        print(f"| {kind} | {' | '.join(map(str, cells))} |")


if __name__ == "__main__":
    main()

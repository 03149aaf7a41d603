"""What each scenario takes on a conformant server: requests, and players that it creates.

    python benchmarks/effort.py

Runs the default profile against a reference server and writes `conformance/settings/effort.json`:
for each scenario the mean over its parameters. `--profile quick` chooses scenarios by it, and every
run announces its number of requests and players by it.
"""

import json
import os
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from measuring import TOKENS, target_options

from conformance import resources
from conformance.lifecycle.bundled_target import running_server
from conformance.lifecycle.pytest_args import pytest_arguments
from conformance.plugin.session import SESSION
from conformance.settings.profiles import function_of

FILE = resources.PACKAGE / "settings" / "effort.json"


class Meter:
    """Counts the requests and players of each test."""

    def __init__(self) -> None:
        self.rows: dict[str, list[tuple[int, int]]] = defaultdict(list)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        """Compare before and after."""
        run = item.config.stash[SESSION]
        before = run.transport.health.requests, run.players.count
        result = yield
        after = run.transport.health.requests, run.players.count
        self.rows[function_of(item.nodeid)].append((after[0] - before[0], after[1] - before[1]))
        return result


def main() -> int:
    """Measure and write."""
    os.environ.update(TOKENS)
    meter = Meter()
    with tempfile.TemporaryDirectory() as folder, running_server() as url:
        options = [*target_options(url, Path(folder)), "--reports", folder, "-q"]
        code = pytest.main(pytest_arguments(options), plugins=[meter])
    if code:
        print("the run was not conformant: nothing is written", file=sys.stderr)
        return int(code)
    lines, totals = [], [0, 0]
    for function, found in sorted(meter.rows.items()):
        sums = [sum(column) for column in zip(*found, strict=True)]
        totals = [total + one for total, one in zip(totals, sums, strict=True)]
        means = [round(one / len(found), 1) for one in sums]
        lines.append(f"  {json.dumps(function)}: {json.dumps(means)}")
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print("{} scenarios, {} requests, {} players".format(len(lines), *totals))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What each scenario takes on a conformant server: requests, and players that it creates.

    python benchmarks/effort.py

Runs the default profile against a reference server and writes `conformance/settings/effort.json`:
for each scenario the mean over its parameters. `--profile quick` chooses by it, and every run
announces by it what it is going to do.
"""

import json
import os
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from conformance import resources
from conformance.lifecycle.bundled_target import declared, running_server
from conformance.lifecycle.pytest_args import pytest_arguments
from conformance.plugin.session import SESSION
from conformance.reference.world import load_world
from conformance.settings.profiles import function_of
from conformance.settings.target import DEFAULT_VARIABLES, write_target

FILE = resources.PACKAGE / "settings" / "effort.json"


class Meter:
    """Counts for each test what it sent and whom it named."""

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
    world = load_world(resources.world_file())
    os.environ.update({name: world.key(role).token for role, name in DEFAULT_VARIABLES.items()})
    meter = Meter()
    with tempfile.TemporaryDirectory() as folder, running_server() as url:
        target = Path(folder, "target.toml")
        write_target(target, "reference", url, declared(world))
        options = ["--target", str(target), "--reports", folder, "--keep", "-q"]
        code = pytest.main(pytest_arguments(options), plugins=[meter])
    if code:
        print("the run was not conformant: nothing is written", file=sys.stderr)
        return int(code)
    rows = {
        function: [round(sum(column) / len(found), 1) for column in zip(*found, strict=True)]
        for function, found in sorted(meter.rows.items())
    }
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items())
    FILE.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
    requests, players = (
        sum(sum(pair[n] for pair in found) for found in meter.rows.values()) for n in (0, 1)
    )
    print(f"{len(rows)} scenarios, {requests} requests, {players} players: {FILE.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

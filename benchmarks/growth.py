"""Does time grow linearly with the work, and memory not at all?

    python benchmarks/growth.py [--rounds N]

Measures seconds and the client's peak memory for:

- the suite's fuzzing with 1, 10 and 100 times the default examples;
- the same with 18, 36 and 72 operations: the specification repeated below other paths;
- the tests of grants, ledgers and exports on servers with 100, 10,000 and 1,000,000 players.

Prints tables and writes `benchmarks/results/growth.json`.
"""

import json
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from measuring import WORLD, Cost, cost_of, parser_of, serving, suite, summed_up, table, write

from conformance import resources
from conformance.lifecycle.bundled_target import running_server
from conformance.reference.app import BASE_PATH, Application, Server, Settings
from conformance.settings.profiles import STANDARD

SEED = ("--seed", "1")
MEBIBYTE = 2**20
COPY = re.compile(rb"^/server/v1/copy[0-9]+/")
START_UP = ("-k", "test_ping")
"""The run that does next to nothing, whose time is taken off each other."""


class Copies(Application):
    """Answers `/copy1/ping`, `/copy2/ping` … as `/ping`, and so on."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Remove the name of the copy from the path."""
        plain = COPY.sub(f"{BASE_PATH}/".encode(), scope["raw_path"])
        await super().__call__({**scope, "raw_path": plain}, receive, send)


def crowded(players: int) -> Server:
    """A server whose first game has this many players."""
    server = Server(WORLD, Settings(window=1))
    state = server.services[WORLD.games[0].id].state
    for number in range(players):
        state.ensure(f"settler-{number}")
    return server


def repeated(times: int) -> dict[str, Any]:
    """The specification, repeated; each copy has its own paths, tag and operation ids."""
    document: dict[str, Any] = json.loads(resources.spec_file().read_text(encoding="utf-8"))
    paths = dict(document["paths"])
    for number in range(1, times):
        for path, item in paths.items():
            copied = json.loads(json.dumps(item))
            for definition in copied.values():
                if isinstance(definition, dict) and "operationId" in definition:
                    definition["operationId"] += f"Copy{number}"
                    definition["tags"] = [f"Copy{number}"]
            document["paths"][f"/copy{number}{path}"] = copied
    return document


def measured(url: str, *arguments: str) -> Cost:
    """One run of the suite, which must be conformant."""
    with tempfile.TemporaryDirectory() as folder:
        return cost_of(suite(url, Path(folder), *SEED, *arguments))


def examples(times: int) -> Cost:
    """Fuzzing with a multiple of the default examples."""
    with running_server() as url:
        return measured(url, "-k", "generated", "--examples", str(STANDARD.examples * times))


def operations(times: int) -> Cost:
    """Fuzzing with a multiple of the operations."""
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(lambda: Copies(Server(WORLD, Settings(window=1)))) as url,
    ):
        spec = Path(folder, "spec.json")
        spec.write_text(json.dumps(repeated(times)))
        return measured(url, "-k", "generated", "--spec", str(spec))


def players(count: int) -> Cost:
    """Scenarios on a server that has this many players."""
    with serving(lambda: Application(crowded(count))) as url:
        measured(url, *START_UP)  # until the server has its players
        return measured(url, "-k", "test_grants or test_ledgers or test_export")


def main() -> None:
    """Measure, print and write."""
    rounds = parser_of(__doc__, rounds=3).parse_args().rounds
    with running_server() as url:
        start = median(measured(url, *START_UP).seconds for _ in range(rounds))
    print(f"A run of two requests, taken off each time below: {start:.2f} s\n")
    series: dict[str, tuple[Callable[[int], Cost], tuple[int, ...]]] = {
        "times the examples": (examples, (1, 10, 100)),
        "times the operations": (operations, (1, 2, 4)),
        "players in the server": (players, (100, 10_000, 1_000_000)),
    }
    document: dict[str, Any] = {"rounds": rounds, "start": start}
    for name, (measure, sizes) in series.items():
        rows, before = [], None
        kept = document[name] = {}
        for size in sizes:
            costs = [measure(size) for _ in range(rounds)]
            taken = [cost.seconds - start for cost in costs]
            memory = median(cost.memory for cost in costs) / MEBIBYTE
            kept[size] = {"seconds": taken, "clientMiB": memory}
            grown = f"{median(taken) / before:.2f}" if before else ""
            rows.append([f"{size:,}", *summed_up(taken), grown, f"{memory:.0f}"])
            before = median(taken)
        head = [name, "seconds", "least to greatest", "times the row before", "client's peak MiB"]
        print(table(head, rows))
        print(flush=True)
    write("growth", document)


if __name__ == "__main__":
    main()

"""How much a run does, and about how many requests that takes."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from conformance import resources


@dataclass(frozen=True)
class Profile:
    """How much a run does.

    `examples` is the number of generated cases of an operation, `histories` multiplies the number
    of concurrent histories of a test. `most_requests` limits the requests, clean-up included; tests
    are selected to fit.
    """

    name: str
    examples: int
    histories: int
    summary: str
    most_requests: int | None = None


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("quick", 12, 1, "every MUST that fits into 300 requests, each once", 300),
        Profile("standard", 12, 1, "every scenario, some generated cases; for a gate"),
        Profile("thorough", 600, 50, "fifty times the generated cases; for the night"),
    )
}
STANDARD = PROFILES["standard"]
GENERATED = ("test_fuzzing.py", "test_sequences.py")
HISTORIES = ("test_histories.py",)


MANY_REQUESTS = 50
"""A test that sends so many requests takes long."""


@dataclass(frozen=True)
class Effort:
    """What a test costs on a conformant server: its requests, and the players that it creates."""

    requests: float
    players: float

    @property
    def cost(self) -> float:
        """The requests, with one to erase each player."""
        return self.requests + self.players


UNKNOWN = Effort(5, 2)
"""The effort of a scenario that was never measured."""


def function_of(test: str) -> str:
    """A test's id without folder and parameters: `test_x.py::test_y`."""
    return test.partition("[")[0].rpartition("/")[2]


@cache
def measured() -> Mapping[str, Effort]:
    """The effort of each scenario, as `benchmarks/effort.py` measured it."""
    rows = json.loads((resources.PACKAGE / "settings" / "effort.json").read_text(encoding="utf-8"))
    return {function: Effort(*row) for function, row in rows.items()}


def effort_of(test: str, examples: int, histories: int) -> Effort:
    """The expected effort of a test with so many generated cases, or histories times as many."""
    known = measured().get(function_of(test), UNKNOWN)
    module = function_of(test).partition("::")[0]
    times = 1.0
    if module in GENERATED:
        times = examples / STANDARD.examples
    if module in HISTORIES:
        times = float(histories)
    return Effort(known.requests * times, known.players * times)


def length_of(test: str) -> float:
    """The requests of a test that takes long; 0 for all others."""
    requests = effort_of(test, STANDARD.examples, STANDARD.histories).requests
    return requests if requests >= MANY_REQUESTS else 0


def within(
    most: float, tests: Sequence[tuple[str, frozenset[str]]], wanted: Iterable[str]
) -> list[str]:
    """Tests that together decide as many `wanted` requirements as fit into `most` requests.

    `tests` are ids with the requirements that they decide. Each step takes the test that decides
    most for its cost; of equal ones, the first.
    """
    costs = {test: measured().get(function_of(test), UNKNOWN).cost for test, _ in tests}
    left, spent, chosen = set(wanted), 0.0, list[str]()
    while True:
        fitting = [
            (test, decided & left)
            for test, decided in tests
            if decided & left and spent + costs[test] <= most
        ]
        if not fitting:
            return chosen
        test, decided = max(fitting, key=lambda pair: len(pair[1]) / max(costs[pair[0]], 0.5))
        chosen.append(test)
        spent += costs[test]
        left -= decided

"""How much effort a run makes: what it generates, and about how many requests that takes."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from conformance import resources


@dataclass(frozen=True)
class Profile:
    """How much a run does.

    `examples` are the generated cases an operation, `histories` the concurrent histories of a test,
    as a multiple of the usual; `most_requests` bounds a selection of tests, clean-up included.
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
"""A test that sends so many takes long."""


@dataclass(frozen=True)
class Effort:
    """What a test takes on a conformant server: requests, and players that it creates."""

    requests: float
    players: float

    @property
    def cost(self) -> float:
        """Requests with those that erase the players again."""
        return self.requests + self.players


UNKNOWN = Effort(5, 2)
"""What a scenario takes that was never measured."""


def function_of(test: str) -> str:
    """The part of a test's id that stands for all of its parameters: `test_x.py::test_y`."""
    return test.partition("[")[0].rpartition("/")[2]


@cache
def measured() -> Mapping[str, Effort]:
    """What each scenario took when it was last measured (`benchmarks/effort.py`)."""
    rows = json.loads((resources.PACKAGE / "settings" / "effort.json").read_text(encoding="utf-8"))
    return {function: Effort(*row) for function, row in rows.items()}


def effort_of(test: str, examples: int, histories: int) -> Effort:
    """About what a test takes with so many generated cases, or times as many histories."""
    known = measured().get(function_of(test), UNKNOWN)
    module = function_of(test).partition("::")[0]
    times = 1.0
    if module in GENERATED:
        times = examples / STANDARD.examples
    if module in HISTORIES:
        times = float(histories)
    return Effort(known.requests * times, known.players * times)


def length_of(test: str) -> float:
    """The requests of a test that takes long; 0 for all others, whose order may stay."""
    requests = effort_of(test, STANDARD.examples, STANDARD.histories).requests
    return requests if requests >= MANY_REQUESTS else 0


def within(
    most: float, tests: Sequence[tuple[str, frozenset[str]]], wanted: Iterable[str]
) -> list[str]:
    """The tests that together decide the most of what is wanted for at most so many requests.

    `tests` are ids with the requirements that they decide. Of tests that tell the same for the
    same cost the first is taken.
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

"""How much a run does: what it announces, and what `quick` has room for."""

import pytest
from starlette.requests import Request
from starlette.responses import Response
from support import Runner

from conformance.reference.app import Server, Settings
from conformance.reference.operations import Operation
from conformance.settings import profiles
from conformance.settings.profiles import (
    Effort,
    effort_of,
    function_of,
    length_of,
    measured,
    within,
)


@pytest.mark.parametrize(
    ("test", "function"),
    [
        ("scenarios/test_x.py::test_y[a/b[c]", "test_x.py::test_y"),
        ("/elsewhere/scenarios/test_x.py::test_y", "test_x.py::test_y"),
        ("test_x.py::test_y", "test_x.py::test_y"),
    ],
)
def test_parameters_and_places_do_not_matter(test: str, function: str) -> None:
    assert function_of(test) == function


@pytest.fixture
def costs(monkeypatch: pytest.MonkeyPatch) -> None:
    table = {"a": Effort(10, 0), "b": Effort(2, 1), "c": Effort(1, 0), "d": Effort(60, 40)}
    monkeypatch.setattr(profiles, "measured", lambda: table)


@pytest.mark.usefixtures("costs")
def test_room_goes_to_what_decides_most_for_its_cost() -> None:
    tests = [
        ("a", frozenset("PQRS")),
        ("b", frozenset("P")),
        ("c", frozenset("T")),
        ("d", frozenset("U")),
    ]
    assert within(100, tests, "PQRSTU") == ["c", "a"]
    assert within(3, tests, "PQRSTU") == ["c"]
    assert within(111, tests, "PQRSTU") == ["c", "a", "d"]
    assert within(3, tests, "P") == ["b"]


def test_only_what_takes_long_has_a_length() -> None:
    sequences = "test_sequences.py::test_no_sequence_of_operations_departs_from_the_contract"
    fuzzing = "scenarios/test_fuzzing.py::test_generated_requests_keep_the_contract[createGrant]"
    assert length_of(sequences) > length_of(fuzzing) > 0
    assert length_of("test_ping.py::test_ping_tells_who_calls") == 0


def test_generated_tests_grow_with_their_cases_and_histories_with_their_number() -> None:
    usual = effort_of("test_fuzzing.py::test_generated_requests_keep_the_contract", 24, 1)
    more = effort_of("test_fuzzing.py::test_generated_requests_keep_the_contract", 240, 1)
    assert more.requests == pytest.approx(10 * usual.requests)
    histories = "test_histories.py::test_increments_decrements_and_reads_have_an_order"
    assert effort_of(histories, 24, 50).requests == 50 * effort_of(histories, 24, 1).requests


class Counting(Server):
    """A server that counts its requests."""

    asked = 0

    async def answer(self, operation: Operation, request: Request) -> Response:
        Counting.asked += 1
        return await super().answer(operation, request)


def test_quick_takes_fewer_than_300_requests(run_suite: Runner) -> None:
    Counting.asked = 0
    ended = run_suite("--profile", "quick", server=Settings(window=2, server=Counting))
    assert ended.code == 0, ended.output
    assert Counting.asked < 300
    assert ended.document["run"]["profile"] == "quick"
    assert "a smoke test" in ended.output
    assert any("a smoke test" in notice for notice in ended.document["notices"])
    assert ended.document["verdict"]["mustsExercised"] >= 75
    assert ended.document["cleanup"]["left"] == 0


def test_a_run_does_about_what_it_announced(run_suite: Runner) -> None:
    ended = run_suite("-k", "test_grants or test_merges", url=None)
    words = next(line for line in ended.output.splitlines() if line.startswith("about ")).split()
    assert int(words[1]) == pytest.approx(ended.document["run"]["requests"], rel=0.25)


def test_every_scenario_was_measured(run_suite: Runner) -> None:
    collected = run_suite("--collect-only", "-q", url=None).output.splitlines()
    tests = {function_of(line) for line in collected if "::" in line}
    assert tests == set(measured()), "run benchmarks/effort.py"

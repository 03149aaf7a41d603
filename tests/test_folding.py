"""What is shown first of many failures, and what is shown once."""

from typing import Any

import msgspec
import pytest
from test_report import document, exchange, failed

from conformance.contract.requirements import Level, catalogue
from conformance.report.digest import MAX_LINES, MAX_OF_ONE, digest, everything
from conformance.report.folding import (
    endings_of,
    fold,
    most_telling_first,
    rounds,
    title_of,
    waiting,
    where_to_begin,
)
from conformance.results.check import Check, Outcome
from conformance.results.evidence import ShownExchange


def check(test: str, *, module: str = "test_grants.py", **fields: Any) -> Check:
    """A failure of GRANT-2 that a scenario found with one exchange."""
    return msgspec.structs.replace(failed(), test=f"scenarios/{module}::{test}", **fields)


def blocked(test: str, blamed: str) -> Check:
    return Check("ACK-2", test, Outcome.BLOCKED, f"blocked by {blamed}", blamed=blamed)


def kinds_of(*checks: Check) -> list[list[str]]:
    """The short names of the tests behind each kind of failure."""
    return [[test.rpartition("::")[2] for test in one.tests] for one in fold(checks)]


OTHERS: dict[str, dict[str, Any]] = {
    "expectation": {"expected": "another"},
    "operation": {"exchanges": (exchange(operation="ackGrant"),)},
    "status": {"exchanges": (exchange(status=500),)},
}


def test_equal_failures_are_one() -> None:
    assert kinds_of(check("test_a"), check("test_b"), check("test_a")) == [["test_a", "test_b"]]


@pytest.mark.parametrize("difference", list(OTHERS))
def test_a_difference_makes_two(difference: str) -> None:
    assert len(kinds_of(check("test_a"), check("test_b", **OTHERS[difference]))) == 2


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("player kc-0123abcd-ef-p1 to stay", "player kc-0123abcd-77-p9 to stay", True),
        ("the holding to be 48", "the holding to be 7", True),
        ("status 404", "status 409", False),
        ("status 'merged'", "status 'no_op'", False),
    ],
)
def test_names_and_numbers_make_no_difference_but_statuses_do(
    one: str, other: str, equal: bool
) -> None:
    found = kinds_of(check("test_a", expected=one), check("test_b", expected=other))
    assert (len(found) == 1) == equal


def test_scenarios_come_before_sequences_before_fuzzing_however_short() -> None:
    late = exchange(started_at=9.0)
    found = kinds_of(
        check("test_fuzz", module="test_fuzzing.py", expected="c"),
        check("test_history", module="test_histories.py", expected="b"),
        check("test_written", expected="a", exchanges=(exchange(), late, late)),
    )
    assert found == [["test_written"], ["test_history"], ["test_fuzz"]]


def test_the_shortest_evidence_is_shown_and_then_what_most_tests_found() -> None:
    late = exchange(started_at=9.0)
    rare, often = exchange(operation="ackGrant"), exchange(operation="ping")
    found = kinds_of(
        check("test_long", exchanges=(exchange(), late)),
        check("test_short"),
        check("test_rare", exchanges=(rare,)),
        *(check(f"test_often_{n}", exchanges=(often,)) for n in range(3)),
    )
    assert [tests[0] for tests in found] == ["test_often_0", "test_short", "test_rare"]
    assert found[1] == ["test_short", "test_long"]


def test_a_check_without_evidence_is_shown_last() -> None:
    assert kinds_of(check("test_bare", exchanges=()), check("test_shown"))[0] == ["test_shown"]


def at_once(**fields: Any) -> ShownExchange:
    return exchange(started_at=5.0, seconds=0.2, **fields)


def test_requests_of_one_moment_are_one_line() -> None:
    sent = [at_once(status=200)] * 13 + [at_once(status=409)] * 3
    before, after = exchange(started_at=1.0), exchange(started_at=5.5)
    found = rounds([before, *sent, after])
    assert [len(one) for one in found] == [1, 16, 1]
    assert title_of(found[1]) == "POST /server/v1/players/a/grants, 16 at once"
    assert endings_of(found[1]) == "200 ×13, 409 ×3"
    assert endings_of(found[0]) == "201"


@pytest.mark.parametrize(
    "second",
    [
        at_once(operation="ackGrant"),
        at_once(method="GET"),
        exchange(started_at=5.1),
        exchange(started_at=5.003),
    ],
    ids=["another operation", "another method", "later", "after the first had ended"],
)
def test_other_requests_are_lines_of_their_own(second: ShownExchange) -> None:
    first = exchange(started_at=5.0, seconds=0.002)
    assert len(rounds([first, second])) == 2
    assert len(rounds([first, exchange(started_at=5.001)])) == 1


def test_requests_that_overlap_are_not_of_one_moment() -> None:
    assert len(rounds([at_once(), exchange(started_at=5.1)])) == 2


def test_where_to_begin_counts_tests_and_not_checks() -> None:
    found = [blocked(f"test_{n}", "MIG-6") for n in range(3)]
    found += [msgspec.structs.replace(one, requirement="ACK-1", message="m") for one in found]
    found += [blocked(f"test_{n}", "EXP-1") for n in (7, 8)]
    assert waiting(found) == {"MIG-6": 3, "EXP-1": 2}
    assert where_to_begin(found) == "begin with MIG-6: 3 tests wait for it"
    assert where_to_begin(found[:1]) is None
    assert where_to_begin([failed()]) is None


def test_what_others_wait_for_comes_first_then_what_scenarios_found() -> None:
    fuzzed = msgspec.structs.replace(failed("ACK-1"), test="scenarios/test_fuzzing.py::test_x")
    made = document(fuzzed, failed("GRANT-2"), failed("MIG-6"), blocked("t", "MIG-6"))
    found = [row.id for row in most_telling_first(made.requirements)]
    assert found[:4] == ["MIG-6", "GRANT-2", "ACK-1", "ACK-2"]


def lines_of(*checks: Check) -> list[str]:
    return digest(document(*checks).requirements)


def test_a_digest_begins_with_where_to_begin_and_shows_one_of_many() -> None:
    many = [check(f"test_{n}") for n in range(183)]
    lines = lines_of(*many, *(blocked(f"test_b{n}", "GRANT-2") for n in range(40)))
    assert lines[0] == "begin with GRANT-2: 40 tests wait for it"
    assert lines[1].startswith("FAILED GRANT-2: ")
    assert lines[2] == "  scenarios/test_grants.py::test_0, and 182 more like it"
    assert sum("-> 201" in line for line in lines) == 1
    assert "      curl -i" in lines
    assert "BLOCKED by GRANT-2: 40 tests, of ACK-2" in lines


def test_a_digest_names_other_places_and_other_kinds() -> None:
    elsewhere = [check(f"test_{n}", exchanges=(exchange(status=500),)) for n in range(3)]
    lines = lines_of(check("test_a"), *elsewhere, check("test_z", expected="another"))
    assert any("the same on: createGrant 201" in line for line in lines)
    assert any(line.startswith("  also scenarios/test_grants.py::test_z") for line in lines)


def test_a_digest_is_short_however_much_is_wrong() -> None:
    musts = [id for id, row in catalogue().items() if row.level is Level.MUST]
    long = tuple(exchange(started_at=float(n), response_body="x" * 9000) for n in range(30))
    wrong = [
        msgspec.structs.replace(
            failed(id), test=f"t{n}", expected=f"e{chr(97 + n)}", exchanges=long
        )
        for id in musts
        for n in range(9)
    ]
    assert len(lines_of(*wrong)) == MAX_LINES
    assert len(lines_of(*wrong[:9])) <= MAX_OF_ONE
    assert all(len(line) < 3000 for line in lines_of(*wrong))


def test_of_many_exchanges_the_last_are_shown() -> None:
    many = tuple(exchange(started_at=float(n)) for n in range(30))
    lines = lines_of(check("test_a", exchanges=many))
    assert "    22 earlier exchanges are in the report" in lines
    numbered = [line.split()[0] for line in lines if line.endswith("-> 201")]
    assert numbered == [f"{n}." for n in range(23, 31)]


def test_evidence_that_is_very_long_is_left_to_the_report() -> None:
    mixed = tuple(
        exchange(started_at=float(moment), seconds=0.2, status=status)
        for moment in range(8)
        for status in range(400, 410)
    )
    assert len(lines_of(check("test_a", exchanges=mixed))) == 2


def test_everything_shows_each_failure_with_its_exchanges() -> None:
    lines = everything(document(*(check(f"test_{n}") for n in range(183))).requirements)
    assert sum("-> 201" in line for line in lines) == 183


def test_a_command_that_was_sent_sixteen_times_at_once_is_one_line() -> None:
    lines = lines_of(check("test_a", exchanges=(at_once(curl="curl x"),) * 16))
    assert "      for i in $(seq 16); do curl x & done; wait" in lines
    different = tuple(at_once(curl=f"curl {n}") for n in range(16))
    lines = lines_of(check("test_a", exchanges=different))
    assert any("curl 0  # and 15 like it" in line for line in lines)

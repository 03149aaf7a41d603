"""The checker of histories: known good ones, known bad ones, and every order tried by hand."""

import threading
from collections.abc import Iterator, Sequence
from itertools import combinations, permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import HANG

from conformance.failures import Inconclusive, Mismatch
from conformance.linearizability.checker import final_states, unexplained
from conformance.linearizability.diagnosis import (
    expect_no_early_conflict,
    expect_order,
    of_changes,
    of_grant,
)
from conformance.linearizability.models import (
    Call,
    GrantState,
    Holding,
    Kind,
    Pair,
    step_grant,
    step_holding,
    step_pair,
)
from conformance.linearizability.workload import run_concurrently

Interval = tuple[float, float]


def up(amount: int, reported: int | None, at: Interval, **more: object) -> Call:
    return done(Kind.INCREMENT, reported, at, amount=amount, **more)


def down(amount: int, reported: int | None, at: Interval) -> Call:
    return done(Kind.DECREMENT, reported, at, amount=amount)


def read(reported: int | str | None, at: Interval, player: str = "source") -> Call:
    return done(Kind.READ, reported, at, player=player)


def done(kind: Kind, reported: object, at: Interval, **more: object) -> Call:
    fields: dict[str, object] = {"player": "source", "status": 409 if reported is None else 200}
    event = Call(kind=kind, reported=reported, **{**fields, **more})  # type: ignore[arg-type]
    return event.at(*at)


KEYED = up(5, 25, (0, 1), key="k")
GOOD: dict[str, list[Call]] = {
    "nothing": [],
    "one after another": [up(5, 25, (0, 1)), down(3, 22, (2, 3)), read(22, (4, 5))],
    "simultaneous, the later answer first": [up(5, 28, (0, 9)), up(3, 23, (1, 8))],
    "a read beside a change sees either": [up(5, 25, (0, 9)), read(20, (1, 2)), read(25, (3, 4))],
    "refused, since it was first": [down(22, None, (0, 9)), up(5, 25, (1, 2))],
    "accepted, since it was second": [down(22, 3, (0, 9)), up(5, 25, (1, 2))],
    "a replay": [KEYED, up(1, 26, (2, 3)), up(5, 25, (4, 5), key="k")],
    "a replay refused in flight": [up(5, 25, (0, 9), key="k"), up(5, None, (1, 2), key="k")],
    "an import": [done(Kind.IMPORT, None, (0, 9), status=200, amount=4), up(1, 25, (1, 2))],
}

BAD: dict[str, list[Call]] = {
    "lost update": [up(5, 25, (0, 9)), up(3, 23, (1, 8))],
    "lost update seen by a later read": [up(5, 25, (0, 3)), up(3, 28, (1, 4)), read(25, (5, 6))],
    "stale read": [up(5, 25, (0, 1)), read(20, (2, 3))],
    "two reads that go back": [up(5, 25, (0, 9)), read(25, (1, 2)), read(20, (3, 4))],
    "below zero": [down(15, 5, (0, 9)), down(15, -10, (1, 8))],
    "both taken": [down(15, 5, (0, 9)), down(15, 5, (1, 8))],
    "refused though enough was there": [down(15, None, (0, 1))],
    "double spend with a replay": [KEYED, up(5, 30, (2, 3), key="k")],
    "a replay with the balance of now": [KEYED, up(1, 26, (2, 3)), up(5, 26, (4, 5), key="k")],
    "a lost import": [done(Kind.IMPORT, None, (0, 1), status=200, amount=4), up(1, 21, (2, 3))],
}


@pytest.mark.parametrize("name", list(GOOD))
def test_a_history_with_an_order_is_explained(name: str) -> None:
    assert unexplained(GOOD[name], Holding(20), step_holding) is None


@pytest.mark.parametrize("name", list(BAD))
def test_a_history_without_an_order_is_not(name: str) -> None:
    part = unexplained(BAD[name], Holding(20), step_holding)
    assert part is not None
    assert part.culprit in BAD[name]


def test_a_lost_update_needs_both_answers() -> None:
    """Answered 25 and 23 from 20: each alone would do, both together do not."""
    part = unexplained(BAD["lost update"], Holding(20), step_holding)
    assert part is not None
    assert len(part.events) == 2
    assert part.states == {Holding(20)}


def test_the_part_is_the_shortest() -> None:
    before = [up(1, 21 + n, (10 * n, 10 * n + 1)) for n in range(5)]
    beside = [up(1, 26, (100, 101)), down(1, 25, (102, 103))]
    bad = [up(2, 27, (110, 119)), read(25, (120, 121))]
    after = [up(1, 28, (130, 131)), read(0, (140, 141))]

    part = unexplained([*after, *bad, *before, *beside], Holding(20), step_holding)

    assert part is not None
    assert part.events == (bad[1],)
    assert part.states == {Holding(27)}


MERGE = done(Kind.MERGE, "merged", (0, 9))
CREDIT = up(3, 23, (1, 8))
AFTER = (10, 11)
MERGES: dict[str, tuple[list[Call], bool]] = {
    "torn: neither has it": ([MERGE, read(0, (1, 2)), read(5, (3, 4), "target")], False),
    "the credit is lost": ([MERGE, CREDIT, read(25, AFTER, "target"), read(0, AFTER)], False),
    "the credit moves too": ([MERGE, CREDIT, read(28, AFTER, "target"), read(0, AFTER)], True),
    "the credit comes later": (
        [MERGE, up(3, 3, (1, 8)), read(25, AFTER, "target"), read(3, AFTER)],
        True,
    ),
}


@pytest.mark.parametrize("name", list(MERGES))
def test_a_merge_moves_at_one_moment(name: str) -> None:
    history, possible = MERGES[name]
    assert (unexplained(history, Pair(20, 5), step_pair) is None) == possible


ACK = done(Kind.ACK, "claimed", (1, 8))
UNKNOWN = done(Kind.ACK, None, (1, 8), status=404)
ACKS: dict[str, tuple[list[Call], bool]] = {
    "it moves with the grant": ([MERGE, ACK, read("claimed", AFTER, "target")], True),
    "it is undone": ([MERGE, ACK, read("pending", AFTER, "target")], False),
    "it came too late": ([MERGE, UNKNOWN, read("pending", AFTER, "target")], True),
    "it is refused without a merge": ([UNKNOWN], False),
}


@pytest.mark.parametrize("name", list(ACKS))
def test_an_ack_is_not_undone_by_a_merge(name: str) -> None:
    history, possible = ACKS[name]
    assert (unexplained(history, GrantState(), step_grant) is None) == possible


def acked(player: str, at: Interval, status: int = 200) -> Call:
    reported = "claimed" if status == 200 else None
    return done(Kind.ACK, reported, at, player=player, status=status)


MERGING = done(Kind.MERGE, "merged", (0, 20))
MERGED = done(Kind.MERGE, "merged", (0, 1))
LATER = done(Kind.MERGE, "merged", (50, 51))
BLAMED: dict[str, tuple[str, list[Call]]] = {
    "an ack by the player who lost the grant": ("ACK-3", [MERGED, acked("source", (6, 9))]),
    "an ack by a stranger": ("ACK-3", [acked("target", (6, 9)), LATER]),
    "an ack that is refused": ("ACK-1", [acked("source", (6, 9), 404), LATER]),
    "an ack that is refused behind the merge": ("MERGE-3", [MERGED, acked("target", (6, 9), 404)]),
    "an ack by the source that came too late, or a dirty read": (
        "MERGE-3",
        [MERGING, read("pending", (1, 5), "target"), acked("source", (6, 9))],
    ),
    "an ack while the target had the grant, or the merge lost it": (
        "MERGE-3",
        [MERGING, read("pending", (1, 8), "target"), acked("source", (5, 9))],
    ),
    "the same, the other answer first": (
        "MERGE-3",
        [MERGING, acked("source", (1, 8)), read("pending", (5, 9), "target")],
    ),
    "an ack that is gone": ("ACK-4", [acked("source", (0, 1)), read("pending", (2, 3)), LATER]),
    "an ack that is gone behind the merge": (
        "ACK-4",
        [acked("source", (0, 1)), MERGING, read("pending", (22, 23), "target")],
    ),
    "an ack that no player sent": ("ACK-4", [read("claimed", (2, 3)), LATER]),
    "a grant that never showed": ("GRANT-8", [read(None, (2, 3)), LATER]),
    "a grant that no player has": ("MERGE-3", [MERGED, read(None, (21, 22), "target")]),
    "a grant that both have": ("MERGE-3", [MERGED, read("pending", (21, 22))]),
}


@pytest.mark.parametrize("name", list(BLAMED))
def test_what_is_wrong_about_a_grant_has_the_name_that_fits_every_explanation(name: str) -> None:
    blamed, history = BLAMED[name]
    part = unexplained(history, GrantState(), step_grant)
    assert part is not None
    assert of_grant(part, history) == blamed


LOST = up(3, 23, (1, 8), key="k")


@pytest.mark.parametrize(
    ("blamed", "history"),
    [
        ("LEDGER-6", [up(5, 25, (0, 9)), LOST]),
        ("LEDGER-6", [up(5, 25, (0, 9)), LOST, up(3, 23, (10, 11), key="k")]),
        ("LEDGER-3", [up(3, 23, (0, 9), key="k"), up(3, 26, (1, 8), key="k")]),
        ("LEDGER-3", [up(3, 23, (0, 1), key="k"), up(3, 26, (2, 3), key="k")]),
    ],
    ids=["a lost update", "a lost update and a replay later", "twice at once", "twice in turn"],
)
def test_a_replay_is_blamed_only_where_there_is_one(blamed: str, history: list[Call]) -> None:
    part = unexplained(history, Holding(20), step_holding)
    assert part is not None
    assert of_changes(part, history) == blamed


def test_a_replay_is_a_conflict_only_once_the_grant_may_be_another_players() -> None:
    refused = done(Kind.CREATE, None, (5, 9), status=409)
    for merge in (MERGED, MERGING):
        expect_no_early_conflict([merge, refused])
    with pytest.raises(Mismatch) as raised:
        expect_no_early_conflict([refused, LATER])
    assert raised.value.requirement == "GRANT-2"


def orders(history: Sequence[Call]) -> Iterator[Sequence[Call]]:
    """Every order that respects real time, by trying them all."""
    for order in permutations(history):
        if all(a.started <= b.ended for a, b in combinations(order, 2)):
            yield order


def ends_by_hand(history: Sequence[Call]) -> set[Holding]:
    ends: set[Holding] = set()
    for order in orders(history):
        states = {Holding(20)}
        for event in order:
            states = {after for state in states for after in step_holding(state, event)}
        ends |= states
    return ends


events = st.builds(
    lambda kind, amount, reported, start, length, key: done(
        kind, reported, (start, start + length), amount=amount, key=key
    ),
    st.sampled_from([Kind.INCREMENT, Kind.DECREMENT, Kind.READ]),
    st.integers(1, 3),
    st.none() | st.integers(14, 26),
    st.integers(0, 8).map(float),
    st.integers(1, 5).map(float),
    st.none() | st.just("k"),
)


@settings(deadline=None)
@given(st.lists(events, max_size=5))
def test_the_search_finds_what_trying_every_order_finds(history: list[Call]) -> None:
    ends = ends_by_hand(history)
    assert final_states(history, (), frozenset([Holding(20)]), step_holding) == ends
    assert (unexplained(history, Holding(20), step_holding) is None) == bool(ends)


@settings(max_examples=1000, deadline=None)
@given(st.lists(events, max_size=3), st.lists(events, max_size=2))
def test_an_optional_call_took_effect_in_its_time_or_not_at_all(
    required: list[Call], optional: list[Call]
) -> None:
    subsets = [some for n in range(len(optional) + 1) for some in combinations(optional, n)]
    ends = set[Holding]().union(*(ends_by_hand([*required, *some]) for some in subsets))
    assert final_states(required, optional, frozenset([Holding(20)]), step_holding) == ends


def test_the_accusation_names_the_requirement_the_calls_and_the_start() -> None:
    history = [up(5, 25, (0, 0.001)), read(20, (0.002, 0.003))]

    with pytest.raises(Mismatch) as raised:
        expect_order(history, Holding(20), step_holding, lambda *_: "LEDGER-11")

    assert raised.value.requirement == "LEDGER-11"
    assert "read (source) -> 200, 20 [2.0 to 3.0 ms]" in str(raised.value)
    assert "25 held" in str(raised.value)


def test_clients_run_side_by_side_and_their_intervals_hold_the_truth() -> None:
    meeting = threading.Barrier(2, timeout=HANG)

    def meet() -> Call:
        meeting.wait()  # passes only while the other client is in its call too
        return up(1, 1, (0, 0))

    first, second, last = run_concurrently([[meet], [meet]], [lambda: read(1, (0, 0))])

    assert max(first.started, second.started) < min(first.ended, second.ended)
    assert last.started >= max(first.ended, second.ended)


def test_a_client_that_breaks_off_breaks_the_history_off() -> None:
    def fail() -> Call:
        raise Inconclusive("the path failed")

    with pytest.raises(Inconclusive):
        run_concurrently([[fail], [lambda: up(1, 1, (0, 0))]], [])

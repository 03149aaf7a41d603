"""Histories of simultaneous calls: some order of the calls must explain all answers."""

import random
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from typing import Any

import pytest

from conformance.linearizability.calls import GrantCalls, Holdings
from conformance.linearizability.checker import Unexplained
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
from conformance.linearizability.workload import Action, run_concurrently
from conformance.testkit import PROFILES, Api, Given, Ledger, Recorder, Run, requirement

pytestmark = pytest.mark.usefixtures("trusted_export")

HISTORIES = 10
CLIENTS = 4
CALLS = 6
START = 20
Blame = Callable[[Unexplained[Any, Call], Sequence[Call]], str]
"""Names the requirement that a history breaks."""


@pytest.fixture
def histories(run: Run) -> int:
    """How many histories a test records."""
    return HISTORIES * PROFILES[run.profile].histories


@pytest.fixture
def rng(run: Run) -> random.Random:
    """Chooses the calls; the run's seed repeats the choice."""
    return random.Random(run.seed)  # noqa: S311 - not for secrets


def clients(rng: random.Random, choices: list[Action], calls: int = CALLS) -> list[list[Action]]:
    """Clients that each make some of the calls."""
    return [rng.choices(choices, k=calls) for _ in range(CLIENTS)]


@pytest.fixture
def unless_increments_break(
    ledger: Ledger, rng: random.Random, recorder: Recorder
) -> Callable[[Blame], Blame]:
    """Blames LEDGER-6 if increments alone break it: then the other calls are not at fault."""

    def increments_have_an_order() -> None:
        holding = Holdings(ledger, ledger.filled(START))
        change: Action = partial(holding.change, Kind.INCREMENT, 1)
        history = run_concurrently(clients(rng, [change], 4), [holding.read])
        expect_order(history, Holding(START), step_holding, lambda *_: "LEDGER-6")

    def first(blame: Blame) -> Blame:
        def check(part: Unexplained[Any, Call], history: Sequence[Call]) -> str:
            for _ in range(HISTORIES):
                with recorder.aside():
                    increments_have_an_order()
            return blame(part, history)

        return check

    return first


def changes_of(history: list[Call]) -> list[Call]:
    """The history without its reads."""
    return [event for event in history if event.kind is not Kind.READ]


@requirement("LEDGER-6", "LEDGER-11")
def test_increments_decrements_and_reads_have_an_order(
    ledger: Ledger, rng: random.Random, recorder: Recorder, histories: int
) -> None:
    for _ in range(histories):
        recorder.restart()
        holding = Holdings(ledger, ledger.filled(START))
        choices: list[Action] = [
            *(partial(holding.change, Kind.INCREMENT, amount) for amount in (1, 4)),
            *(partial(holding.change, Kind.DECREMENT, amount) for amount in (2, 9)),
            *(holding.read, holding.read),
        ]

        history = run_concurrently(clients(rng, choices), [holding.read])

        expect_order(changes_of(history), Holding(START), step_holding, of_changes)
        expect_order(history, Holding(START), step_holding, lambda *_: "LEDGER-11")


@requirement("LEDGER-3", "LEDGER-6", "LEDGER-11")
def test_replays_beside_other_changes_have_an_order(
    ledger: Ledger,
    rng: random.Random,
    recorder: Recorder,
    histories: int,
    unless_increments_break: Callable[[Blame], Blame],
) -> None:
    for _ in range(histories):
        recorder.restart()
        holding = Holdings(ledger, ledger.filled(START))
        plain: list[Action] = [partial(holding.change, Kind.INCREMENT, 5)]
        keyed = [partial(holding.change, Kind.INCREMENT, 3, key) for key in ("k1", "k2", "k3")]
        pair: list[Action] = list(chain(*((call, call) for call in keyed)))
        others = clients(rng, plain, len(pair))[2:]

        history = run_concurrently([pair, pair, *others], [holding.read])

        expect_order(
            changes_of(history), Holding(START), step_holding, unless_increments_break(of_changes)
        )
        expect_order(history, Holding(START), step_holding, lambda *_: "LEDGER-11")


@requirement("MIG-7", "LEDGER-6")
def test_imports_beside_other_changes_have_an_order(
    ledger: Ledger,
    rng: random.Random,
    recorder: Recorder,
    histories: int,
    unless_increments_break: Callable[[Blame], Blame],
) -> None:
    for _ in range(histories):
        recorder.restart()
        holding = Holdings(ledger, ledger.filled(START))
        change = partial(holding.change, Kind.INCREMENT, 1)

        history = run_concurrently(clients(rng, [holding.imported, change, change]), [holding.read])

        blame = unless_increments_break(lambda *_: "MIG-7")
        expect_order(history, Holding(START), step_holding, blame)


@requirement("MERGE-2", "LEDGER-6")
def test_changes_and_reads_beside_a_merge_have_an_order(
    ledger: Ledger,
    rng: random.Random,
    recorder: Recorder,
    histories: int,
    unless_increments_break: Callable[[Blame], Blame],
) -> None:
    for _ in range(histories):
        recorder.restart()
        holding = Holdings(ledger, ledger.filled(START), ledger.filled(5))
        change = partial(holding.change, Kind.INCREMENT, 3)
        reads: list[Action] = [holding.read, partial(holding.read, "target")]
        merging = [*rng.choices(reads, k=2), holding.merge, *rng.choices(reads, k=2)]
        others = clients(rng, [change, partial(change, who="target")])[2:]

        history = run_concurrently([merging, reads * 4, *others], reads)

        blame = unless_increments_break(lambda *_: "MERGE-2")
        expect_order(history, Pair(START, 5), step_pair, blame)


@requirement("MERGE-3", "ACK-4", "ACK-3", "GRANT-2")
def test_acks_and_replays_beside_a_merge_have_an_order(
    given: Given, api: Api, rng: random.Random, recorder: Recorder, histories: int
) -> None:
    for _ in range(3 * histories):
        recorder.restart()
        source, target, body = given.player(), given.player(), given.grant_body()
        calls = GrantCalls(api, source, target, given.grant(source, body)["id"], body)
        reads: list[Action] = [partial(calls.read, who) for who in ("source", "target")]
        acks: list[Action] = [partial(calls.ack, who) for who in ("source", "target")]
        some = [rng.choices(reads, k=rng.randrange(3)) for _ in range(3)]
        merging, acking, again = [*some[0], calls.merge], [*some[1], *acks], [*some[2], acks[0]]

        history = run_concurrently([merging, acking, again, [calls.create] * 3], reads)

        expect_no_early_conflict(history)
        expect_order(changes_of(history), GrantState(), step_grant, of_grant)
        expect_order(history, GrantState(), step_grant, of_grant)

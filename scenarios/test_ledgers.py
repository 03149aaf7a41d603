"""LEDGER: the same rules for wallet and inventory, for increments and decrements."""

from collections.abc import Callable
from typing import Any

import pytest

from conformance.testkit import (
    ROUNDS,
    SIGN,
    SIMULTANEOUS,
    Answer,
    Api,
    Given,
    Ledger,
    Request,
    State,
    assume,
    expect_code,
    expect_equal,
    expect_fields,
    expect_none,
    expect_status,
    expect_that,
    expect_unchanged,
    expect_unknown,
    harmless,
    needed,
    requirement,
)

directions = pytest.mark.parametrize("direction", ["increment", "decrement"])

START = 100
EXACT = 2**53 - 1


@requirement("LEDGER-1")
def test_an_increment_answers_the_new_holding(ledger: Ledger) -> None:
    player = ledger.filled(7)

    answer = ledger.increment(player, 5)

    expect_status(answer, 200, because="the amount is valid")
    expect_fields(
        answer.data,
        **{ledger.words.key_field: ledger.key, ledger.words.holding_field: 12, "applied": True},
    )


@requirement("LEDGER-1")
def test_an_increment_creates_an_unknown_player(ledger: Ledger, api: Api, player: str) -> None:
    answer = ledger.increment(player, 5)

    expect_status(answer, 200, because="an unknown player is created on first contact")
    expect_equal(ledger.holding(answer), 5, "the holding")
    expect_status(api.get_player(player), 200, because="the increment created the player")


@requirement("LEDGER-2")
@pytest.mark.parametrize(("amount", "left"), [(5, 2), (7, 0), (1, 6)])
def test_a_decrement_answers_the_new_holding(amount: int, left: int, ledger: Ledger) -> None:
    player = ledger.filled(7)

    answer = ledger.decrement(player, amount)

    expect_status(answer, 200, because=f"{amount} of 7 can be taken")
    expect_equal(ledger.holding(answer), left, "the holding")
    expect_fields(answer.data, **{ledger.words.key_field: ledger.key, "applied": True})


def expect_refused(ledger: Ledger, request: Request, player: str, status: int, why: str) -> None:
    """The request gets this status and does not change the player."""
    before = ledger.given.state(player)

    answer = Answer(ledger.given.api.send(request))

    expect_status(answer, status, because=why)
    expect_unchanged(before, ledger.given.state(player), "the player")


@requirement("LEDGER-2")
@pytest.mark.parametrize("amount", [8, 1000, 2**31 - 1])
def test_more_than_is_held_is_refused(amount: int, ledger: Ledger) -> None:
    player = ledger.filled(7)
    request = ledger.request("decrement", player, amount)

    expect_refused(ledger, request, player, 409, f"only 7 are held, not {amount}")


@requirement("LEDGER-2")
def test_nothing_can_be_taken_twice(ledger: Ledger) -> None:
    player = ledger.filled(7)
    ledger.changed("decrement", player, 7)

    answer = ledger.decrement(player, 1)

    expect_status(answer, 409, because="nothing is left")
    expect_equal(ledger.held(player), 0, "the holding")


@harmless
@requirement("LEDGER-2")
def test_nothing_can_be_taken_from_a_stranger(ledger: Ledger, given: Given, player: str) -> None:
    answer = ledger.decrement(player, 1)

    expect_status(answer, 409, because="an unknown player holds nothing")
    expect_unknown(given.state(player), "the player after the refused decrement")


@requirement("LEDGER-3")
@directions
def test_a_replay_is_applied_once(direction: str, ledger: Ledger, given: Given) -> None:
    player, key = ledger.filled(START), given.names.key()
    first = ledger.changed(direction, player, 30, idempotencyKey=key)

    replay = ledger.change(direction, player, 30, idempotencyKey=key)

    expect_status(replay, 200, because="the same key came with the same body before")
    expect_equal(
        ledger.holding(replay), ledger.holding(first), "the holding in the answer to the replay"
    )
    expect_equal(ledger.held(player), ledger.holding(first), "the holding")


@requirement("LEDGER-3")
@directions
def test_a_replay_after_other_calls_tells_the_first_holding(
    direction: str, ledger: Ledger, given: Given
) -> None:
    player = ledger.filled(START)
    body = {"idempotencyKey": given.names.key(), "reason": "first", "sourceRefId": "order-5"}
    first = ledger.holding(ledger.changed(direction, player, 30, **body))
    ledger.fill(player, 500)

    replay = ledger.change(direction, player, 30, **body)

    expect_status(replay, 200, because="the same key came with the same body before")
    expect_equal(ledger.holding(replay), first, "the holding as after the first call")
    expect_equal(ledger.held(player), first + 500, "the holding")


@requirement("LEDGER-3")
@directions
def test_each_of_several_keys_is_remembered(direction: str, ledger: Ledger, given: Given) -> None:
    player, keys = ledger.filled(START), [given.names.key() for _ in range(3)]
    changes = [ledger.changed(direction, player, 3, idempotencyKey=key) for key in keys]
    firsts = [ledger.holding(change) for change in changes]

    replays = [ledger.change(direction, player, 3, idempotencyKey=key) for key in keys]

    for replay, first in zip(replays, firsts, strict=True):
        expect_status(replay, 200, because="the same key came with the same body before")
        expect_equal(ledger.holding(replay), first, "the holding as after the first call")
    expect_equal(ledger.held(player), firsts[-1], "the holding")


@requirement("LEDGER-3")
def test_a_decrement_is_replayed_when_nothing_is_left(ledger: Ledger, given: Given) -> None:
    player, key = ledger.filled(30), given.names.key()
    ledger.changed("decrement", player, 30, idempotencyKey=key)

    replay = ledger.decrement(player, 30, idempotencyKey=key)

    expect_status(replay, 200, because="a replay takes nothing, so the holding suffices")
    expect_equal(ledger.holding(replay), 0, "the holding as after the first call")


@requirement("LEDGER-3.applied")
@directions
def test_a_replay_says_that_it_was_not_applied(
    direction: str, ledger: Ledger, given: Given
) -> None:
    player, key = ledger.filled(START), given.names.key()
    ledger.change(direction, player, 30, idempotencyKey=key)

    replay = ledger.change(direction, player, 30, idempotencyKey=key)

    expect_fields(replay.data, applied=False)


OTHER: dict[str, dict[str, Any]] = {
    "amount": {"amount": 31},
    "reason": {"reason": "another"},
    "sourceRefId": {"sourceRefId": "order-7"},
}


@requirement("LEDGER-4")
@directions
@pytest.mark.parametrize("change", list(OTHER))
def test_a_key_with_another_body_is_refused(
    direction: str, change: str, ledger: Ledger, given: Given
) -> None:
    player = ledger.filled(START)
    body = {"idempotencyKey": given.names.key(), "reason": "one", "sourceRefId": "order-6"}
    first: dict[str, Any] = {"amount": 30, **body}
    ledger.changed(direction, player, **first)
    request = ledger.request(direction, player, **{**first, **OTHER[change]})

    expect_refused(ledger, request, player, 409, f"the key was used with another {change}")


@requirement("LEDGER-4")
@directions
@pytest.mark.parametrize("left_out", ["reason", "sourceRefId"])
def test_a_key_with_a_field_left_out_is_refused(
    direction: str, left_out: str, ledger: Ledger, given: Given
) -> None:
    player = ledger.filled(START)
    body = {"idempotencyKey": given.names.key(), "reason": "one", "sourceRefId": "order-6"}
    ledger.changed(direction, player, 30, **body)
    del body[left_out]
    request = ledger.request(direction, player, 30, **body)

    expect_refused(ledger, request, player, 409, f"the key was used with a {left_out}")


@requirement("LEDGER-4.code")
@directions
def test_a_reused_key_has_the_code_idempotency_conflict(
    direction: str, ledger: Ledger, given: Given
) -> None:
    player, key = ledger.filled(START), given.names.key()
    ledger.change(direction, player, 30, idempotencyKey=key)

    expect_code(ledger.change(direction, player, 31, idempotencyKey=key), "idempotency_conflict")


@requirement("LEDGER-5")
@directions
def test_without_a_key_each_call_applies(direction: str, ledger: Ledger) -> None:
    player = ledger.filled(START)

    for _ in range(3):
        ledger.change(direction, player, 5)

    after = START + 3 * 5 * SIGN[direction]
    expect_equal(ledger.held(player), after, "the holding after three calls")


@requirement("LEDGER-5")
@directions
def test_a_reference_is_no_key(direction: str, ledger: Ledger) -> None:
    player = ledger.filled(START)
    details = {"sourceRefId": "order-8", "reason": "bonus"}

    ledger.change(direction, player, 5, **details)
    ledger.change(direction, player, 5, **details)

    after = START + 2 * 5 * SIGN[direction]
    expect_equal(ledger.held(player), after, "the holding after two calls without a key")


@requirement("LEDGER-6")
def test_simultaneous_increments_all_count(ledger: Ledger, api: Api) -> None:
    for _ in range(ROUNDS):
        player = ledger.filled(1)

        answers = api.send_simultaneously([ledger.request("increment", player, 3)] * SIMULTANEOUS)

        expect_equal({a.status for a in answers}, {200}, "the statuses of the increments")
        reported = sorted(ledger.holding(answer) for answer in answers)
        expected = [1 + 3 * n for n in range(1, SIMULTANEOUS + 1)]
        expect_equal(reported, expected, "the holdings in the answers to the increments")
        expect_equal(ledger.held(player), expected[-1], "the holding")


@requirement("LEDGER-6")
def test_simultaneous_increments_create_one_player(ledger: Ledger, api: Api) -> None:
    for _ in range(ROUNDS):
        player = ledger.given.names.player()

        api.send_simultaneously([ledger.request("increment", player, 3)] * SIMULTANEOUS)

        expect_equal(ledger.held(player), 3 * SIMULTANEOUS, "the holding")


@requirement("LEDGER-6")
def test_simultaneous_decrements_stop_at_zero(ledger: Ledger, api: Api) -> None:
    for _ in range(ROUNDS):
        player = ledger.filled(22)

        answers = api.send_simultaneously([ledger.request("decrement", player, 4)] * SIMULTANEOUS)

        taken = [answer for answer in answers if answer.status == 200]
        refused = {answer.status for answer in answers} - {200}
        expect_equal(refused, {409}, "the statuses of the decrements that were refused")
        expect_equal(len(taken), 5, "the number of decrements of 4 that a holding of 22 allows")
        reported = sorted(ledger.holding(answer) for answer in taken)
        expect_equal(reported, [2, 6, 10, 14, 18], "the holdings in the answers to the decrements")
        expect_equal(ledger.held(player), 2, "the holding")


@requirement("LEDGER-6")
@directions
def test_simultaneous_replays_apply_once(
    direction: str, ledger: Ledger, given: Given, api: Api
) -> None:
    for _ in range(ROUNDS):
        player = ledger.filled(START)
        sent = ledger.request(direction, player, 30, idempotencyKey=given.names.key())

        answers = api.send_simultaneously([sent] * SIMULTANEOUS)

        after = START + 30 * SIGN[direction]
        # A replay that meets its first call in flight may get 409; nothing is applied twice.
        statuses = {answer.status for answer in answers}
        expect_that(
            {200} <= statuses <= {200, 409},
            "status 200, or 409 while the first call is in flight",
            statuses,
        )
        reported = {ledger.holding(answer) for answer in answers if answer.status == 200}
        expect_equal(reported, {after}, "the holdings in the answers")
        expect_equal(ledger.held(player), after, "the holding")


AMOUNTS: dict[str, Any] = {
    "zero": 0,
    "negative": -5,
    "fraction": 1.5,
    "small fraction": 0.1,
    "text": "5",
    "empty text": "",
    "true": True,
    "false": False,
    "null": None,
    "list": [5],
    "object": {"amount": 5},
}


@requirement("LEDGER-7")
@directions
@pytest.mark.parametrize("kind", list(AMOUNTS))
def test_a_bad_amount_gets_400(direction: str, kind: str, ledger: Ledger) -> None:
    player = ledger.filled(7)
    request = ledger.request(direction, player, AMOUNTS[kind])

    expect_refused(ledger, request, player, 400, f"the amount is not valid ({kind})")


@requirement("LEDGER-7")
@directions
def test_a_missing_amount_gets_400(direction: str, ledger: Ledger) -> None:
    player = ledger.filled(7)
    request = ledger.raw_request(direction, player, {"reason": "no amount"})

    expect_refused(ledger, request, player, 400, "the amount is missing")


@requirement("LEDGER-7")
def test_a_bad_amount_creates_nobody(ledger: Ledger, given: Given, player: str) -> None:
    expect_status(ledger.increment(player, -5), 400, because="the amount is negative")
    expect_unknown(given.state(player), "the player of the refused call")


@requirement("LEDGER-8")
def test_another_player_keeps_the_holding(ledger: Ledger) -> None:
    one, other = ledger.filled(7), ledger.filled(9)

    ledger.increment(one, 5)
    ledger.decrement(one, 1)

    expect_equal(ledger.held(other), 9, "the other player's holding")


@requirement("LEDGER-8")
def test_another_key_keeps_its_holding(ledger: Ledger) -> None:
    player = ledger.filled(7)
    ledger.fill(player, 9, ledger.other_key)

    ledger.increment(player, 5)
    ledger.decrement(player, 1)

    held = (ledger.held(player), ledger.held(player, ledger.other_key))
    expect_equal(held, (11, 9), "the two holdings")
    refused = ledger.decrement(player, 10, ledger.other_key)
    expect_status(refused, 409, because="9 are held of the other, not 10")


@requirement("LEDGER-8")
def test_the_other_ledger_keeps_its_holdings(ledger: Ledger) -> None:
    other, player = ledger.other, ledger.filled(7)
    other.fill(player, 9)

    ledger.increment(player, 5)
    ledger.decrement(player, 1)

    expect_equal((ledger.held(player), other.held(player)), (11, 9), "the two ledgers' holdings")


@requirement("LEDGER-9")
def test_a_key_refused_for_lack_is_free_later(ledger: Ledger, given: Given) -> None:
    player, key = ledger.filled(10), given.names.key()
    refused = ledger.decrement(player, 30, idempotencyKey=key)
    needed(refused, "LEDGER-2", "a refused decrement", status=409)
    ledger.fill(player, 90)

    answer = ledger.decrement(player, 30, idempotencyKey=key)

    expect_status(answer, 200, because="the refused call did not use the key")
    expect_equal(ledger.holding(answer), 70, "the holding")
    expect_equal(ledger.held(player), 70, "the holding in the export")


REFUSALS: dict[str, Callable[[Ledger, str, str], Answer]] = {
    "unknown item or currency": lambda ledger, player, key: ledger.increment(
        player, 5, "kc-no-such-key", idempotencyKey=key
    ),
    "unknown item or currency, taken": lambda ledger, player, key: ledger.decrement(
        player, 5, "kc-no-such-key", idempotencyKey=key
    ),
    "too much": lambda ledger, player, key: ledger.decrement(player, 10**6, idempotencyKey=key),
    "a sum beyond all bounds": lambda ledger, player, key: ledger.increment(
        player, EXACT, idempotencyKey=key
    ),
    "beyond all bounds": lambda ledger, player, key: ledger.increment(
        player, 10**30, idempotencyKey=key
    ),
    "negative": lambda ledger, player, key: ledger.increment(player, -5, idempotencyKey=key),
    "zero": lambda ledger, player, key: ledger.increment(player, 0, idempotencyKey=key),
    "no amount": lambda ledger, player, key: ledger.increment(player, None, idempotencyKey=key),
    "bad reason": lambda ledger, player, key: ledger.increment(
        player, 5, idempotencyKey=key, reason={"not": "a text"}
    ),
    "a stranger's": lambda ledger, _, key: ledger.decrement(
        ledger.given.names.player(), 5, idempotencyKey=key
    ),
}
"""Calls that a server refuses, each with an idempotency key."""


@requirement("LEDGER-9")
@pytest.mark.parametrize("direction", SIGN)
@pytest.mark.parametrize("refusal", list(REFUSALS))
def test_a_key_of_a_refused_call_is_free(
    refusal: str, direction: str, ledger: Ledger, given: Given
) -> None:
    player, key = ledger.filled(9), given.names.key()
    refused = REFUSALS[refusal](ledger, player, key)
    assume(refused.status >= 400, f"the server does not refuse this ({refusal})")

    answer = ledger.change(direction, player, 5, idempotencyKey=key)

    expect_status(answer, 200, because="only a refused call had the key")
    expect_equal(ledger.holding(answer), 9 + 5 * SIGN[direction], "the holding after the change")


@requirement("LEDGER-9")
def test_a_key_refused_for_another_body_still_names_the_first(ledger: Ledger, given: Given) -> None:
    player, key = ledger.filled(START), given.names.key()
    first = ledger.holding(ledger.increment(player, 30, idempotencyKey=key))
    ledger.increment(player, 31, idempotencyKey=key)

    replay = ledger.increment(player, 30, idempotencyKey=key)

    expect_status(replay, 200, because="the refused call did not take the key over")
    expect_equal(ledger.holding(replay), first, "the holding as after the first call")


@requirement("LEDGER-10")
def test_one_receipt_is_a_credit_an_item_and_a_grant(given: Given, api: Api, player: str) -> None:
    receipt = given.names.key()
    wallet, inventory = Ledger("wallet", given), Ledger("inventory", given)

    credited = wallet.increment(player, 50, idempotencyKey=receipt)
    added = inventory.increment(player, 2, idempotencyKey=receipt)
    granted = api.create_grant(player, given.grant_body(idempotencyKey=receipt))

    refused = [answer.status for answer in (credited, added, granted) if answer.status >= 300]
    expect_none(refused, "refusals of the receipt")
    expect_equal((wallet.held(player), inventory.held(player)), (50, 2), "the two holdings")
    expect_equal(len(given.export(player)["grants"]), 1, "the number of grants")


@requirement("LEDGER-10")
def test_one_receipt_is_an_import_and_a_credit(given: Given, api: Api, player: str) -> None:
    receipt, wallet = given.names.key(), Ledger("wallet", given)
    row = {"externalPlayerId": player, "economyKey": wallet.key, "amount": 40}
    imported = api.call("migrateWallet", {"rows": [{**row, "idempotencyKey": receipt}]})
    needed(imported, "MIG-7", "an imported balance")
    before, held = given.state(player), wallet.held(player)

    answer = wallet.increment(player, 5, idempotencyKey=receipt)

    expect_applied_or_refused(wallet, answer, player, before, held + 5, 409)


def expect_applied_or_refused(
    ledger: Ledger,
    answer: Answer,
    player: str,
    before: State,
    after: int,
    *refusals: int,
    because: str = "a second use of a key is independent, or conflicts",
    key: str | None = None,
) -> None:
    """The change reports and leads to the holding `after`, or it is refused and changes nothing.

    HTTP-1 decides whether a status of success is right. Without `refusals`, any refusal passes.
    """
    key = key or ledger.key
    if answer.status < 300:
        words = {ledger.words.key_field: key, ledger.words.holding_field: after}
        expect_fields(answer.data, **words)
        expect_equal(ledger.held(player, key), after, "the holding in the export")
        return
    if refusals:
        expect_status(answer, *refusals, because=because)
    expect_unchanged(before, ledger.given.state(player), "the player of a refused change")


@requirement("LEDGER-10")
def test_one_key_for_two_currencies_or_items_is_not_swallowed(ledger: Ledger, given: Given) -> None:
    player, key = ledger.filled(7), given.names.key()
    ledger.fill(player, 9, ledger.other_key)
    ledger.changed("increment", player, 5, idempotencyKey=key)
    before = given.state(player)

    answer = ledger.increment(player, 5, ledger.other_key, idempotencyKey=key)

    expect_applied_or_refused(ledger, answer, player, before, 14, 409, key=ledger.other_key)


@requirement("LEDGER-10")
def test_one_key_for_two_players_is_not_swallowed(ledger: Ledger, given: Given) -> None:
    one, other, key = ledger.filled(7), ledger.filled(9), given.names.key()
    ledger.changed("increment", one, 5, idempotencyKey=key)
    before = given.state(other)

    answer = ledger.increment(other, 5, idempotencyKey=key)

    expect_applied_or_refused(ledger, answer, other, before, 14, 409)
    expect_equal(ledger.held(one), 12, "the first player's holding")


@requirement("LEDGER-10")
@pytest.mark.parametrize(
    ("first", "second", "after"), [("increment", "decrement", 7), ("decrement", "increment", 7)]
)
def test_one_key_for_up_and_down_is_not_swallowed(
    first: str, second: str, after: int, ledger: Ledger, given: Given
) -> None:
    player, key = ledger.filled(7), given.names.key()
    ledger.changed(first, player, 5, idempotencyKey=key)
    before = given.state(player)

    answer = ledger.change(second, player, 5, idempotencyKey=key)

    expect_applied_or_refused(ledger, answer, player, before, after, 409)


@requirement("LEDGER-11")
def test_every_answer_agrees_with_the_export(ledger: Ledger) -> None:
    player = ledger.given.names.player()
    for direction, amount in (
        ("increment", 10),
        ("decrement", 3),
        ("increment", 1),
        ("decrement", 8),
        ("increment", 2),
    ):
        answer = ledger.change(direction, player, amount)

        expect_equal(ledger.held(player), ledger.holding(answer), "the holding in the export")


@requirement("LEDGER-11")
def test_an_unknown_key_is_no_crash(ledger: Ledger, player: str) -> None:
    answer = ledger.increment(player, 1, "kc-no-such-key")

    expect_status(
        answer, 200, 400, 404, because="an unknown item or currency is accepted or refused"
    )


@requirement("LEDGER-12")
@pytest.mark.parametrize("amount", [2**31 - 2, 2**31 - 1, 2**24 + 1, 999_999_999])
def test_large_amounts_are_exact(amount: int, ledger: Ledger, player: str) -> None:
    answers = [ledger.increment(player, amount) for _ in range(3)]

    refused = [answer.status for answer in answers if answer.status >= 300]
    expect_none(refused, "refusals of amounts up to 2^31-1")
    reported = [ledger.holding(answer) for answer in answers]
    expect_equal(reported, [amount, 2 * amount, 3 * amount], "the holdings after each increment")
    expect_equal(ledger.held(player), 3 * amount, "the holding in the export")
    expect_equal(ledger.holding(ledger.decrement(player, 1)), 3 * amount - 1, "the holding less 1")


@requirement("LEDGER-12")
@pytest.mark.parametrize("amount", [2**31, 2**32, 2**40 + 1, EXACT])
def test_larger_amounts_are_exact_or_refused(amount: int, ledger: Ledger, given: Given) -> None:
    player = ledger.filled(1)
    before = given.state(player)

    answer = ledger.increment(player, amount - 1)

    because = "an amount beyond 2^31-1 is exact, or refused"
    expect_applied_or_refused(ledger, answer, player, before, amount, 400, 409, because=because)


@requirement("LEDGER-12")
def test_a_holding_beyond_the_exact_is_never_wrong(ledger: Ledger, given: Given) -> None:
    player = given.names.player()
    filled = ledger.increment(player, EXACT)
    assume(filled.status == 200, "the server refuses an amount of 2^53-1")
    before = given.state(player)

    answer = ledger.increment(player, 2)

    because = "a sum beyond 2^53-1 is exact, or refused"
    expect_applied_or_refused(ledger, answer, player, before, EXACT + 2, because=because)

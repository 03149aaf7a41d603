"""Values: two texts that differ are two, wherever a caller chooses one."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from conformance.fuzzing.confusable import confusable
from conformance.fuzzing.model import LEDGERS
from conformance.fuzzing.oracle import Oracle
from conformance.fuzzing.player_plans import PLANS, expect_two_players
from conformance.fuzzing.variations import variations
from conformance.testkit import (
    Api,
    Given,
    Ledger,
    Recorder,
    Run,
    Share,
    assume,
    expect_equal,
    expect_status,
    expect_success_or_refusal,
    expect_unknown,
    long_text,
    requirement,
)

pytestmark = pytest.mark.usefixtures("trusted_export")

TEXTS = ("reason", "sourceRefId")
"""What a change of a holding says about itself."""
CHANGES = [(ledger, amount) for ledger in LEDGERS for amount in (2, -2)]
LONG = (201, 256, 300, 513, 1025, 4097, 2**14 + 1, 2**16 + 1)
"""Longer than usual columns. A server may refuse such a text, but it may not cut it."""


@requirement("HTTP-4")
@pytest.mark.parametrize("name", list(PLANS))
def test_players_whose_ids_look_alike_are_two(
    name: str, api: Api, given: Given, recorder: Recorder, share: Share
) -> None:
    plan, parts = PLANS[name]
    pairs = share(confusable(given.names.player()), parts)

    expect_two_players(plan, lambda: Oracle(api, given), pairs, recorder)


@requirement("GRANT-1", "GRANT-2", "GRANT-8")
def test_keys_of_grants_that_look_alike_are_two(oracle: Oracle, given: Given, share: Share) -> None:
    player, pairs = given.names.player(), confusable(given.names.key())
    bodies = {key: given.grant_body(idempotencyKey=key) for pair in pairs for key in pair}
    for body in bodies.values():
        oracle.create_grant(player, body)
    oracle.agree(player)
    for one, _ in share(pairs, 4):
        oracle.create_grant(player, bodies[one])

    oracle.agree(player)


@requirement("LEDGER-1", "LEDGER-3", "LEDGER-11")
def test_keys_of_changes_that_look_alike_are_two(
    oracle: Oracle, given: Given, share: Share
) -> None:
    player, pairs = given.names.player(), confusable(given.names.key())
    for ledger in LEDGERS:
        oracle.change(ledger, player, 1000)
    calls = {
        key: CHANGES[number % len(CHANGES)] for number, pair in enumerate(pairs) for key in pair
    }
    for key, (ledger, amount) in calls.items():
        oracle.change(ledger, player, amount, key)
    for one, _ in share(pairs, 6):
        ledger, amount = calls[one]
        oracle.change(ledger, player, amount, one)

    oracle.agree(player)


@requirement("MIG-1", "MIG-2", "MIG-6", "MIG-7")
@pytest.mark.parametrize("kind", ["players", *LEDGERS])
def test_keys_of_imports_that_look_alike_are_two(kind: str, oracle: Oracle, given: Given) -> None:
    stem, pairs = given.names.player(), confusable(given.names.key())
    keys = [key for pair in pairs for key in pair]
    rows = [(f"{stem}-{n % 2}", key, 1) for n, key in enumerate(keys)]

    oracle.migrate(kind, rows)
    oracle.migrate(kind, rows)

    oracle.agree(f"{stem}-0", f"{stem}-1")


@requirement("LOBBY-1", "LOBBY-3")
def test_keys_of_lobbies_that_look_alike_are_two(
    oracle: Oracle, given: Given, share: Share
) -> None:
    player = given.names.player()
    for pair in share(confusable(given.names.key()), 2):
        for key in pair:
            oracle.create_lobby(key, [player], 4)

    oracle.agree(player)


@requirement("GRANT-1", "GRANT-3")
def test_metadata_that_looks_alike_is_another_body(oracle: Oracle, given: Given) -> None:
    player, pairs = given.names.player(), dict(confusable("t"))
    values = {str(n): one for n, one in enumerate(pairs)}
    body = given.grant_body(metadata={"values": values})
    oracle.create_grant(player, body)
    for number, other in enumerate(pairs.values()):
        changed = {**values, str(number): other}
        oracle.create_grant(player, {**body, "metadata": {"values": changed}})

    oracle.agree(player)


@requirement("GRANT-1", "GRANT-3")
def test_references_that_look_alike_are_two(oracle: Oracle, given: Given, share: Share) -> None:
    player = given.names.player()
    for one, other in share(confusable("t"), 2):
        body = given.grant_body(sourceRefId=one, metadata={one: 1})
        oracle.create_grant(player, body)
        oracle.create_grant(player, {**body, "sourceRefId": other})
        oracle.create_grant(player, {**body, "metadata": {other: 1}})

    oracle.agree(player)


@requirement("LEDGER-1", "LEDGER-4")
def test_texts_of_changes_that_look_alike_are_two(oracle: Oracle, given: Given, run: Run) -> None:
    player = given.names.player()
    for number, pair in enumerate(confusable("t"), run.seed % 4):
        ledger, key = LEDGERS[number % 2], given.names.key()
        for text in pair:
            oracle.change(ledger, player, 2, key, **{TEXTS[number % 4 // 2]: text})

    oracle.agree(player)


NUMBERS = [
    *((10**6, 10**6 + 1), (2**24, 2**24 + 1), (2**31 - 2, 2**31 - 1), (123456789, 123456788)),
    *((1, 11), (10, 100), (7, 70)),
]
"""Amounts that are one in a short format, or one within the other."""
FRACTIONS = [
    *((2**53 - 2, 2**53 - 1), (0.1, 0.1000001), (1.5, 1.25), (-1, 1), (0, 0.5), (1e15, 1e15 + 1)),
    *((1, "1"), (1, True), (0, False), (0, "0"), (0, None), ("null", None), ([], {}), ([1], 1)),
]
"""Values of metadata that a sloppy comparison takes for one."""


@requirement("GRANT-1", "GRANT-3")
def test_numbers_that_look_alike_are_another_body(oracle: Oracle, given: Given) -> None:
    player, (entry,) = given.names.player(), given.entries()
    (amount,) = {"amount", "quantity"} & entry.keys()
    for one, other in NUMBERS:
        body = given.grant_body(entries=[{**entry, amount: one}])
        oracle.create_grant(player, body)
        oracle.create_grant(player, {**body, "entries": [{**entry, amount: other}]})
    for value, another in FRACTIONS:
        body = given.grant_body(metadata={"value": value})
        oracle.create_grant(player, body)
        oracle.create_grant(player, {**body, "metadata": {"value": another}})

    oracle.agree(player)


@requirement("LEDGER-1", "LEDGER-4", "LEDGER-12")
@pytest.mark.parametrize("name", LEDGERS)
def test_amounts_that_look_alike_are_another_body(name: str, oracle: Oracle, given: Given) -> None:
    player = given.names.player()
    for one, other in NUMBERS:
        key = given.names.key()
        oracle.change(name, player, one, key)
        oracle.change(name, player, other, key)

    oracle.agree(player)


SHARED: list[tuple[dict[str, str], dict[str, str]]] = [
    ({"reason": "ab", "sourceRefId": "c"}, {"reason": "a", "sourceRefId": "bc"}),
    ({"reason": "a", "sourceRefId": "b"}, {"reason": "b", "sourceRefId": "a"}),
    ({"reason": "a"}, {"sourceRefId": "a"}),
    *(
        ({"reason": f"a{mark}b", "sourceRefId": "c"}, {"reason": "a", "sourceRefId": f"b{mark}c"})
        for mark in ":|,;/ -_."
    ),
]
"""Texts of two fields that are one text once they are joined."""


@requirement("LEDGER-1", "LEDGER-4")
@pytest.mark.parametrize("name", LEDGERS)
def test_texts_that_change_places_are_another_body(name: str, oracle: Oracle, given: Given) -> None:
    player = given.names.player()
    for first, then in SHARED:
        key = given.names.key()
        oracle.change(name, player, 2, key, **first)
        oracle.change(name, player, 2, key, **then)

    oracle.agree(player)


@requirement("BAN-1", "BAN-2")
def test_reasons_of_bans_come_back_as_they_were_sent(
    oracle: Oracle, given: Given, share: Share
) -> None:
    player = given.names.player()
    oracle.migrate("players", [(player, given.names.key(), 1)])
    for one, other in share(confusable("because "), 2):
        oracle.ban(player, one)
        oracle.ban(player, other)


# Structure: whatever value of a body is changed, it is another body.


@requirement("GRANT-3", "GRANT-2")
def test_metadata_that_differs_anywhere_is_another_body(oracle: Oracle, given: Given) -> None:
    player = given.names.player()
    metadata = {
        "text": "quest 7",
        "number": 12,
        "fraction": 0.5,
        "flag": True,
        "list": [1, 2, {"deep": ["a", "b"]}],
        "object": {"inner": {"most": {"level": 3}}},
    }
    body = given.grant_body(metadata=metadata)
    oracle.create_grant(player, body)
    for another in variations(metadata):
        oracle.create_grant(player, {**body, "metadata": another})
    oracle.agree(player)
    oracle.create_grant(player, json.loads(json.dumps(body)))

    oracle.agree(player)


@requirement("GRANT-3", "GRANT-2")
def test_entries_that_differ_anywhere_are_another_body(oracle: Oracle, given: Given) -> None:
    player, (entry,) = given.names.player(), given.entries()
    (amount,) = {"amount", "quantity"} & entry.keys()
    body = given.grant_body(entries=[{**entry, amount: 5}, {**entry, amount: 7}])
    oracle.create_grant(player, body)
    for amounts in [(5, 8), (6, 7), (7, 5), (5, 70), (12, 7), (5,), (7,), (5, 7, 1)]:
        entries = [{**entry, amount: each} for each in amounts]
        oracle.create_grant(player, {**body, "entries": entries})
    oracle.agree(player)
    oracle.create_grant(player, body)

    oracle.agree(player)


def other_entries(entry: dict[str, Any], given: Given) -> Iterator[dict[str, Any]]:
    """Entries that differ from this one in one thing."""
    world = given.world
    yield from (
        {"type": "item", "itemKey": key, "quantity": 5, "parameters": {"level": 3, "tags": ["a"]}}
        for key in world.items[:2]
    )
    yield from ({"type": "currency", "currencyKey": k, "amount": 5} for k in world.currencies[:2])
    yield from ({"type": "crate", "crateItemKey": k, "quantity": 5} for k in world.crates[:2])
    for parameters in variations(entry.get("parameters", {})):
        if "parameters" in entry:
            yield {**entry, "parameters": parameters}


@requirement("GRANT-3")
def test_other_entries_are_another_body(oracle: Oracle, given: Given) -> None:
    player = given.names.player()
    kinds = {str(entry["type"]): entry for entry in other_entries({}, given)}
    sent = list(kinds.values())
    body = given.grant_body(entries=sent)
    oracle.create_grant(player, body)

    for place, entry in enumerate(sent):
        for other in [each for each in other_entries(entry, given) if each != entry]:
            entries = [*sent[:place], other, *sent[place + 1 :]]
            oracle.create_grant(player, {**body, "entries": entries})
    oracle.agree(player)
    oracle.create_grant(player, body)

    oracle.agree(player)


# Lengths: a text is kept whole or refused.


@requirement("BAN-1")
@pytest.mark.parametrize("length", LONG)
def test_a_long_reason_of_a_ban_is_never_cut(length: int, given: Given, api: Api) -> None:
    player, reason = given.player(), long_text(length)

    answer = api.ban_player(player, {"reason": reason})

    because = "a long text is kept or refused"
    expect_success_or_refusal(answer, 200, 400, 413, because=because, reason=reason)


@requirement("GRANT-3")
@pytest.mark.parametrize("length", LONG)
@pytest.mark.parametrize("field", ["sourceRefId", "metadata"])
def test_a_long_text_of_a_grant_is_compared_to_its_end(
    field: str, length: int, given: Given, api: Api, player: str
) -> None:
    first, second = (long_text(length) + end for end in "ab")
    texts = {"sourceRefId": (first, second), "metadata": ({"text": first}, {"text": second})}
    one, other = texts[field]
    body = given.grant_body(**{field: one})
    created = api.create_grant(player, body)
    assume(created.status == 201, f"the server takes no {field} of {length} characters")

    answer = api.create_grant(player, {**body, field: other})

    expect_status(answer, 409, because=f"the {field} differs in its last character")


@requirement("LEDGER-4")
@pytest.mark.parametrize("length", LONG)
@pytest.mark.parametrize("field", TEXTS)
def test_a_long_text_of_a_change_is_compared_to_its_end(
    field: str, length: int, ledger: Ledger, given: Given, player: str
) -> None:
    first, second = (long_text(length) + end for end in "ab")
    key = given.names.key()
    changed = ledger.increment(player, 2, idempotencyKey=key, **{field: first})
    assume(changed.status == 200, f"the server takes no {field} of {length} characters")

    answer = ledger.increment(player, 2, idempotencyKey=key, **{field: second})

    expect_status(answer, 409, because=f"the {field} differs in its last character")


# Keys of the catalogue and of events: one that looks alike is another, or none.


@requirement("LEDGER-8")
def test_a_key_that_looks_alike_is_no_key_of_a_holding(ledger: Ledger) -> None:
    player, key = ledger.filled(50), ledger.key

    for other in looking_like(key):
        ledger.increment(player, 7, other)
        ledger.decrement(player, 3, other)

    expect_equal(ledger.held(player), 50, f"the holding of {key}")


@requirement("LOBBY-4")
def test_an_event_that_looks_alike_is_unknown(given: Given, api: Api, player: str) -> None:
    for event in looking_like(given.world.event("lobby_event")):
        answer = api.create_lobby(event, given.lobby_body([player]), game=given.game())

        expect_status(answer, 404, because="there is no such event")
    expect_unknown(given.state(player), "the player of the refused lobbies")


@requirement("PLAYER-1", "EXP-2")
def test_an_id_of_another_kind_names_no_player(given: Given, api: Api, player: str) -> None:
    grant = given.grant(player)["id"]
    own = given.export(player)["player"]["id"]
    lobby = given.lobby([player])["id"]

    for id in (own, grant, lobby):
        expect_status(api.get_player(str(id)), 404, because=f"{id} is no external id")
        expect_status(api.export_player(str(id)), 404, because=f"{id} is no external id")


def looking_like(key: str) -> list[str]:
    """Keys that a sloppy store takes for this one."""
    return [
        other
        for other in (key.swapcase(), f"{key} ", f" {key}", f"{key}x", key[:-1], f"{key}\u200b")
        if other != key and other.strip()
    ]

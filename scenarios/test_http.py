"""HTTP: statuses, schemas, methods, ids in paths, and unknown fields."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from conformance.testkit import (
    Answer,
    Api,
    Given,
    Ledger,
    Request,
    Samples,
    State,
    assume,
    expect_equal,
    expect_fields,
    expect_status,
    expect_that,
    expect_unchanged,
    needed,
    requirement,
)

IDS = {
    "space": "a b",
    "trailing space": "a ",
    "slash": "a/b",
    "literal %2F": "a%2Fb",
    "percent": "100%",
    "plus": "a+b",
    "question mark": "a?b=c",
    "hash": "a#b",
    "dots": "/a/../b",
    "two dots": "..",
    "ampersand": "a&b=c;d",
    "quotes": "a'b\"c",
    "backslash": "a\\b",
    "brackets": "a{b}[c]<d>",
    "colon and at": "a:b@c",
    "accent": "caf\u00e9",
    "combining accent": "cafe\u0301",
    "mark at the beginning": "\u0301a",
    "other marks": "\u0928\u092e\u0938\u094d\u0924\u0947 \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35",
    "variation selector": "\u2764\ufe0f",
    "emoji": "\U0001f409\U0001f469\u200d\U0001f680",
    "right to left": "\u05e9\u05dc\u05d5\u05dd",
    "upper case": "ABC",
    "merge-into": "/merge-into/x",
    "grants": "/grants",
    "200 characters": "x" * 173,
}

DISTINCT = {
    "letters of another case": ("player-a", "player-A"),
    "composed and decomposed": ("caf\u00e9", "cafe\u0301"),
    "slash and literal %2F": ("a/b", "a%2Fb"),
    "plus and space": ("a+b", "a b"),
    "percent-encoded twice": ("a b", "a%20b"),
    "trailing space": ("ab", "ab "),
    "full-width": ("a1", "a\uff11"),
    "sharp s": ("stra\u00dfe", "strasse"),
    "dots": ("/a/../b", "/b"),
    "long ids": ("x" * 150 + "1", "x" * 150 + "2"),
}


@requirement("HTTP-1", "HTTP-2")
def test_a_valid_request_succeeds_as_documented(operation: str, samples: Samples, api: Api) -> None:
    sample = samples.of(operation)

    answer = sample.call(api)

    expect_success(answer, operation, api, "the request is valid and what it names exists")


HEADERS: dict[str, tuple[tuple[str, str], ...]] = {
    "a charset, and no Accept": (("Content-Type", "application/json; charset=utf-8"),),
    "any Accept": (("Content-Type", "application/json"), ("Accept", "*/*")),
    "a choice": (
        ("Content-Type", 'application/json;charset="UTF-8"'),
        ("Accept", "text/html, application/json;q=0.9, */*;q=0.1"),
        ("Accept-Language", "de, en;q=0.5"),
    ),
}
"""Headers that say in other words that a body is JSON, and that JSON may come back."""


@requirement("HTTP-1")
@pytest.mark.parametrize("kind", list(HEADERS))
def test_a_media_type_may_be_spelled_otherwise(
    operation: str, kind: str, samples: Samples, api: Api
) -> None:
    usual = samples.of(operation).request(api)
    replaced = {"accept", "content-type"}
    kept = [pair for pair in usual.headers if pair[0].lower() not in replaced]
    sent = [pair for pair in HEADERS[kind] if usual.body or pair[0] != "Content-Type"]

    answer = Answer(api.send(replace(usual, headers=(*kept, *sent))))

    expect_success(answer, operation, api, "the request is valid, whatever the words")


def expect_success(answer: Answer, operation: str, api: Api, because: str) -> None:
    """The answer has a documented status below 300."""
    documented = sorted(api.channel.spec.operations[operation].statuses)
    expect_status(answer, *(status for status in documented if status < 300), because=because)


@requirement("HTTP-3")
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_method_that_a_path_lacks_gets_405(
    operation: str, method: str, samples: Samples, api: Api
) -> None:
    known = samples.minimal(operation).request(api)

    answer = Answer(api.send(Request("", method, known.target, known.headers, b"")))

    assume(answer.status >= 300, f"the path of {operation} has a {method} on this server")
    expect_status(answer, 405, because=f"the path has no {method}")
    expect_that(bool(answer.header("Allow")), "an Allow header on the 405", "none")


@requirement("HTTP-4")
@pytest.mark.parametrize("kind", list(IDS))
def test_an_id_comes_back_as_it_was_sent(kind: str, given: Given, api: Api) -> None:
    player = imported(given, IDS[kind])

    answer = api.export_player(player)

    expect_status(answer, 200, because="the player was imported with this id")
    expect_equal(answer.data["player"]["externalPlayerId"], player, "the id in the export")
    expect_status(api.get_player(player), 200, because="the player was imported")
    expect_fields(api.ban_player(player, {"reason": "x"}).data, externalPlayerId=player)
    expect_fields(api.unban_player(player).data, externalPlayerId=player)
    expect_fields(api.delete_player(player).data, externalPlayerId=player, status="erased")


@requirement("HTTP-4")
@pytest.mark.parametrize("kind", list(IDS))
def test_an_id_names_one_player_on_every_path(kind: str, given: Given, api: Api) -> None:
    player = imported(given, IDS[kind])
    grant = api.create_grant(player, given.grant_body())
    expect_status(grant, 201, because="the key is new")
    acked = api.ack_grant(player, grant.data["id"])

    expect_status(acked, 200, because="the grant is the player's")
    for ledger in (Ledger("wallet", given), Ledger("inventory", given)):
        ledger.changed("increment", player, 5)
        left = ledger.holding(ledger.changed("decrement", player, 1))
        expect_equal(ledger.held(player), left, f"the {ledger.name} that the export shows")


def imported(given: Given, suffix: str) -> str:
    """A player whose id ends in `suffix`. An import creates them: it has the id in its body."""
    player = given.names.player(suffix)
    row = {"externalPlayerId": player, "idempotencyKey": given.names.key()}
    needed(given.api.migrate_players({"rows": [row]}), "MIG-6", "an imported player")
    return player


@requirement("HTTP-4")
@pytest.mark.parametrize("kind", list(IDS))
def test_both_ids_of_a_merge_come_back_as_they_were_sent(kind: str, given: Given, api: Api) -> None:
    source, target = imported(given, IDS[kind]), imported(given, IDS[kind])

    answer = api.merge_player(source, target)

    expect_status(answer, 200, because="both players were imported")
    expect_fields(answer.data, fromExternalPlayerId=source, toExternalPlayerId=target)


@requirement("HTTP-4")
@pytest.mark.parametrize("kind", list(DISTINCT))
def test_ids_that_differ_are_different_players(kind: str, given: Given, api: Api) -> None:
    stem = given.names.player("-")
    one, other = (stem + ending for ending in DISTINCT[kind])
    rows = [
        {"externalPlayerId": player, "idempotencyKey": given.names.key()} for player in (one, other)
    ]
    needed(api.migrate_players({"rows": rows}), "MIG-6", "two imported players")

    ids = [api.export_player(player).data["player"]["id"] for player in (one, other)]

    expect_that(ids[0] != ids[1], "two players", f"one player {ids[0]} for both ids")


def with_unknown_fields(body: Mapping[str, Any] | None, key: str) -> dict[str, Any]:
    """The body with an idempotency key, which clients add to any body, and with unknown fields."""
    extra: dict[str, Any] = {"kcUnknown": {"nested": [1, None, "x"]}, "x-kc": None}
    widened = {"idempotencyKey": key, **(body or {}), **extra}
    for field in ("entries", "rows"):
        if field in widened:
            widened[field] = [{**item, **extra} for item in widened[field]]
    return widened


@requirement("HTTP-5")
def test_unknown_fields_are_ignored(
    operation: str, samples: Samples, given: Given, api: Api
) -> None:
    sample = samples.of(operation)
    method = api.channel.spec.operations[operation].method
    assume(method == "POST", f"{operation} is a {method}: it has no body")

    answer = sample.call(api, with_unknown_fields(sample.body, given.names.key()))

    expect_success(answer, operation, api, "unknown fields of a body are ignored")


@requirement("HTTP-5")
def test_fields_of_other_operations_are_ignored(
    operation: str, samples: Samples, given: Given, api: Api
) -> None:
    assume(api.channel.spec.operations[operation].method == "POST", "a read has no body")
    stranger, used = given.player(), given.grant_body(metadata={"n": 1})
    given.grant(stranger, used)
    before = given.state(stranger)
    named = {"externalPlayerId": stranger, "externalId": stranger}
    foreign = {**FOREIGN, **named, "idempotencyKey": used["idempotencyKey"]}
    usual = [outline(given.state(player)) for player in samples.called(operation).players]

    for _ in range(2):
        sample = samples.of(operation)
        answer = sample.call(api, {**foreign, **(sample.body or {})})
        sample.judge_first(answer, "unknown fields of a body are ignored")
        found = [outline(given.state(player)) for player in sample.players]
        expect_equal(found, usual, "what the players have, with unknown fields")

    expect_unchanged(before, given.state(stranger), "a player whom only an unknown field names")


FOREIGN: dict[str, Any] = {
    "id": "kc-another",
    "amount": 77,
    "quantity": 77,
    "balance": 77,
    "applied": False,
    "status": "claimed",
    "playerId": "kc-another",
    "studioId": "kc-another",
    "createdAt": "2001-01-01T00:00:00Z",
    "deletedAt": "2001-01-01T00:00:00Z",
    "bannedAt": "2001-01-01T00:00:00Z",
}
"""Names of members of other bodies, of answers and, it may be, of columns."""


def outline(state: State) -> dict[str, Any] | None:
    """What two players have in common to whom the same was done; None for an unknown player."""
    if state is None:
        return None
    return {
        "wallet": state["wallet"],
        "inventory": state["inventory"],
        "grants": [(grant["kind"], grant["status"]) for grant in state["grants"]],
        "lobbies": len(state["lobbies"]),
    }


@requirement("HTTP-5")
def test_unknown_fields_of_imported_rows_are_ignored(
    importing: str, samples: Samples, given: Given, api: Api
) -> None:
    sample = samples.of(importing)

    answer = sample.call(api, with_unknown_fields(sample.body, given.names.key()))

    expect_fields(answer.data, applied=1, failed=0)

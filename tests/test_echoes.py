"""What answers repeat of requests, and of each other: each rule both passes and accuses."""

import json
from dataclasses import replace
from typing import Any

import pytest

from conformance import resources
from conformance.contract.breach import Breach
from conformance.contract.consistency import Remarks
from conformance.contract.echo_rules import echoes
from conformance.contract.openapi import load_spec
from conformance.http.exchange import Exchange, Request, Response

SPEC = load_spec(resources.spec_file())
JSON = (("Content-Type", "application/json"), ("Authorization", "Bearer kc_one.secret"))
ADA = {"externalId": "ada/1"}
GRANT = {
    "id": "g1",
    "kind": "reward",
    "status": "pending",
    "sourceRefId": "r1",
    "contents": {"entries": [{"type": "item", "parameters": {"level": 3}}]},
    "claimedAt": None,
    "expiresAt": "2030-01-01T12:00:00Z",
}
CLAIMED = {**GRANT, "status": "claimed", "claimedAt": "2026-01-01T00:00:00Z"}
LOBBY = {"id": "l1", "eventId": "e1", "status": "forming", "capacity": 4, "participantCount": 2}
ROWS = {"rows": [{"externalPlayerId": "ada", "idempotencyKey": str(n)} for n in range(3)]}
BODY = {"idempotencyKey": "k", "entries": [{"type": "item", "itemKey": "a", "quantity": 1}]}


def failing(*failures: dict[str, Any]) -> dict[str, Any]:
    counts = {"applied": 3 - len(failures), "skipped": 0, "failed": len(failures)}
    return {**counts, "failures": list(failures)}


def sent(operation: str, path: dict[str, str], body: Any = None, query: str = "") -> Request:
    known = SPEC.operations[operation]
    raw = b"" if body is None else json.dumps(body).encode()
    return Request(operation, known.method, known.target(path, query), JSON, raw)


def received(data: Any, status: int = 200) -> Response:
    return Response(status, JSON, json.dumps({"data": data}).encode())


WALLET = {**ADA, "economyKey": "gold"}
PAIR = {"fromExternalId": "ada", "toExternalId": "bob"}
ECHOES: dict[str, tuple[Request, Any, list[str]]] = {
    "a grant": (sent("createGrant", ADA, BODY), GRANT, []),
    "another kind": (sent("createGrant", ADA, {**BODY, "kind": "crate"}), GRANT, ["GRANT-1"]),
    "no reference": (
        sent("createGrant", ADA, {**BODY, "sourceRefId": "r1"}),
        {**GRANT, "sourceRefId": None},
        ["GRANT-1"],
    ),
    "an expiry in another time zone": (
        sent("createGrant", ADA, {**BODY, "expiresAt": "2030-01-01T13:00:00.5+01:00"}),
        GRANT,
        [],
    ),
    "an expiry at another hour": (
        sent("createGrant", ADA, {**BODY, "expiresAt": "2030-01-01T12:00:00+01:00"}),
        GRANT,
        ["GRANT-1"],
    ),
    "an ack": (sent("ackGrant", {**ADA, "grantId": "g1"}), CLAIMED, []),
    "the ack of another": (sent("ackGrant", {**ADA, "grantId": "g2"}), CLAIMED, ["ACK-1"]),
    "an ack that claims nothing": (
        sent("ackGrant", {**ADA, "grantId": "g1"}),
        GRANT,
        ["ACK-1", "ACK-1"],
    ),
    "a credit": (sent("creditWallet", WALLET, {"amount": 5}), {"economyKey": "gold"}, []),
    "another currency": (
        sent("creditWallet", WALLET, {"amount": 5}),
        {"economyKey": "gems"},
        ["LEDGER-1"],
    ),
    "another item": (
        sent("revokeItem", {**ADA, "itemKey": "a"}, {"quantity": 5}),
        {"itemKey": "b"},
        ["LEDGER-2"],
    ),
    "a ban": (
        sent("banPlayer", ADA, {"reason": "x"}),
        {"reason": "x", "externalPlayerId": "ada/1", "applied": True},
        [],
    ),
    "a reason cut": (
        sent("banPlayer", ADA, {"reason": "x" * 200}),
        {"reason": "x" * 190, "applied": True},
        ["BAN-1"],
    ),
    "an old reason": (
        sent("banPlayer", ADA, {"reason": "x"}),
        {"reason": "y", "applied": False},
        ["BAN-2"],
    ),
    "an id decoded twice": (
        sent("unbanPlayer", {"externalId": "a%20b"}),
        {"externalPlayerId": "a b"},
        ["HTTP-4"],
    ),
    "a merge": (sent("mergePlayer", PAIR), {"status": "merged", "toExternalPlayerId": "bob"}, []),
    "a merge into another": (
        sent("mergePlayer", PAIR),
        {"status": "merged", "toExternalPlayerId": "ada"},
        ["MERGE-1"],
    ),
    "a replayed merge into another": (
        sent("mergePlayer", PAIR),
        {"status": "no_op_already_merged", "toExternalPlayerId": "eve"},
        ["MERGE-6"],
    ),
    "an erasure": (
        sent("deletePlayer", ADA, {"reason": "test"}),
        {"status": "erased", "externalPlayerId": "ada/1"},
        [],
    ),
    "an erasure of another": (
        sent("deletePlayer", ADA, {"reason": "test"}),
        {"status": "erased", "externalPlayerId": "bob"},
        ["DEL-1"],
    ),
    "an erasure of nobody": (
        sent("deletePlayer", ADA, {"reason": "test"}),
        {"status": "no_op_never_existed", "externalPlayerId": None},
        ["HTTP-4"],
    ),
    "an export": (
        sent("exportPlayer", ADA),
        {"player": {"externalPlayerId": "ada/1"}, "grants": [GRANT] * 1000},
        [],
    ),
    "an export without end": (
        sent("exportPlayer", ADA),
        {"player": {"externalPlayerId": "ada/1"}, "grants": [GRANT] * 1001},
        ["EXP-3"],
    ),
    "an export of another": (
        sent("exportPlayer", ADA),
        {"player": {"externalPlayerId": "ada/2"}},
        ["HTTP-4"],
    ),
    "a profile": (sent("getPlayer", ADA, None, "limit=2"), {"grants": [1, 2], "more": [0] * 9}, []),
    "a profile beyond the limit": (
        sent("getPlayer", ADA, None, "limit=2"),
        {"grants": [1, 2, 3]},
        ["PLAYER-3"],
    ),
    "an import": (sent("migratePlayers", {}, ROWS), failing(), []),
    "an import of more": (
        sent("migratePlayers", {}, ROWS),
        {**failing(), "applied": 4},
        ["MIG-1"],
    ),
    "failures left out": (
        sent("migratePlayers", {}, ROWS),
        {**failing(), "applied": 2, "failed": 1},
        ["MIG-1"],
    ),
    "a failure": (
        sent("migratePlayers", {}, ROWS),
        failing({"rowIndex": 2, "externalPlayerId": "ada"}),
        [],
    ),
    "an index that begins at 1": (
        sent("migratePlayers", {}, ROWS),
        failing({"rowIndex": 3}),
        ["MIG-1"],
    ),
    "one index twice": (
        sent("migratePlayers", {}, ROWS),
        failing({"rowIndex": 1}, {"rowIndex": 1}),
        ["MIG-1"],
    ),
    "a failure of another player": (
        sent("migratePlayers", {}, ROWS),
        failing({"rowIndex": 1, "externalPlayerId": "bob"}),
        ["MIG-1"],
    ),
}


@pytest.mark.parametrize("name", list(ECHOES))
def test_an_answer_repeats_what_was_asked(name: str) -> None:
    request, data, expected = ECHOES[name]

    found = echoes(SPEC.operations[request.operation], request, received(data))

    assert [breach.requirement for breach in found] == expected


def test_ping_describes_the_key_that_asks() -> None:
    request = sent("ping", {})
    for prefix, expected in (("kc_one", []), ("kc_two", ["PING-1"])):
        answer = Response(200, JSON, json.dumps({"apiKey": {"prefix": prefix}}).encode())

        found = echoes(SPEC.operations["ping"], request, answer)

        assert [breach.requirement for breach in found] == expected


def test_only_requests_that_the_contract_defines_are_repeated() -> None:
    for text in ("", "x" * 300, "a\x00b"):
        request = sent("banPlayer", {"externalId": "ada"}, {"reason": text})
        answer = received({"reason": "another", "applied": True})

        assert not list(echoes(SPEC.operations["banPlayer"], request, answer))


VIEWS: dict[str, tuple[tuple[str, Any], tuple[str, Any], list[str]]] = {
    "a replay": (("createGrant", GRANT), ("createGrant", GRANT), []),
    "a replay with another reference": (
        ("createGrant", GRANT),
        ("createGrant", {**GRANT, "sourceRefId": None}),
        ["GRANT-2"],
    ),
    "an ack": (("createGrant", GRANT), ("ackGrant", CLAIMED), []),
    "an ack of another kind": (
        ("createGrant", GRANT),
        ("ackGrant", {**CLAIMED, "kind": "crate"}),
        ["ACK-1"],
    ),
    "a claimed crate that shows what was in it": (
        ("createGrant", GRANT),
        ("ackGrant", {**CLAIMED, "contents": {"rolled": []}}),
        [],
    ),
    "a second ack at another time": (
        ("ackGrant", CLAIMED),
        ("ackGrant", {**CLAIMED, "claimedAt": "2026-01-01T00:00:09Z"}),
        ["ACK-2"],
    ),
    "a create replayed after the ack": (
        ("createGrant", GRANT),
        ("createGrant", {**CLAIMED, "expiresAt": None}),
        ["ACK-5"],
    ),
    "an export": (("createGrant", GRANT), ("exportPlayer", {"grants": [GRANT]}), []),
    "an export that spells an instant otherwise": (
        ("createGrant", GRANT),
        ("exportPlayer", {"grants": [{**GRANT, "expiresAt": "2030-01-01T13:00:00.000+01:00"}]}),
        [],
    ),
    "an export with fewer members": (
        ("createGrant", GRANT),
        ("exportPlayer", {"grants": [{"id": "g1", "status": "pending"}]}),
        [],
    ),
    "an export without an expiry": (
        ("createGrant", GRANT),
        ("exportPlayer", {"grants": [{**GRANT, "expiresAt": None}]}),
        ["EXP-1"],
    ),
    "an export with other contents": (
        ("createGrant", GRANT),
        ("exportPlayer", {"grants": [{**GRANT, "contents": {"entries": [{"type": "item"}]}}]}),
        ["EXP-1"],
    ),
    "a profile with another kind": (
        ("createGrant", GRANT),
        ("getPlayer", {"deep": {"rewards": [{**GRANT, "kind": "crate"}]}}),
        ["PLAYER-2"],
    ),
    "an unknown grant": (
        ("createGrant", GRANT),
        ("getPlayer", {"grants": [{**GRANT, "id": "g2", "kind": "crate"}]}),
        [],
    ),
    "a lobby that began": (
        ("createLobby", LOBBY),
        ("getLobby", {**LOBBY, "status": "active"}),
        [],
    ),
    "a lobby read with another capacity": (
        ("createLobby", LOBBY),
        ("getLobby", {**LOBBY, "capacity": 5}),
        ["LOBBY-8"],
    ),
    "a lobby read with fewer players": (
        ("createLobby", LOBBY),
        ("getLobby", {**LOBBY, "participantCount": 1}),
        ["LOBBY-8"],
    ),
    "a replayed lobby without players": (
        ("createLobby", LOBBY),
        ("createLobby", {**LOBBY, "participantCount": 0}),
        ["LOBBY-2"],
    ),
    "a lobby of another event in an export": (
        ("createLobby", LOBBY),
        ("exportPlayer", {"lobbies": [{"id": "l1", "eventId": "e2", "createdAt": "x"}]}),
        ["EXP-1"],
    ),
}


def shown(remarks: Remarks, operation: str, data: Any) -> list[Breach]:
    exchange = Exchange(sent("ping", {}), received(data), None, 0, 1)
    return list(remarks.judge(SPEC.operations[operation], exchange))


@pytest.mark.parametrize("name", list(VIEWS))
def test_what_was_shown_once_is_shown_so_always(name: str) -> None:
    first, second, expected = VIEWS[name]
    remarks = Remarks()

    found = [
        breach.requirement
        for operation, data in (first, second)
        for breach in shown(remarks, operation, data)
    ]

    assert found == expected


def test_a_merge_may_change_who_sits_in_a_lobby() -> None:
    remarks = Remarks()
    assert not shown(remarks, "createLobby", LOBBY)
    remarks.note(sent("mergePlayer", PAIR))

    assert not shown(remarks, "getLobby", {**LOBBY, "participantCount": 1})


ERASED = {"status": "erased", "externalPlayerId": "ada/1"}
SHOWING_ADA = {"deep": [{"name": "ada/1"}]}


@pytest.mark.parametrize(
    ("operation", "path", "started", "expected"),
    [
        ("exportPlayer", {"externalId": "bob"}, 9, ["DEL-7"]),
        ("exportPlayer", {"externalId": "bob"}, 0, []),  # on its way when the erasure was
        ("deletePlayer", ADA, 9, []),  # about the erased player
    ],
)
def test_an_erased_id_shows_in_no_answer_about_others(
    operation: str, path: dict[str, str], started: int, expected: list[str]
) -> None:
    remarks = Remarks()
    shown(remarks, "deletePlayer", ERASED)
    request = sent(operation, path)
    remarks.note(request)
    exchange = Exchange(request, received(SHOWING_ADA), None, started, 1)

    found = remarks.judge(SPEC.operations[operation], exchange)

    assert [breach.requirement for breach in found] == expected


def test_what_another_key_is_told_is_another_matter() -> None:
    remarks = Remarks()
    shown(remarks, "createGrant", GRANT)
    request = replace(sent("ping", {}), headers=(("Authorization", "Bearer kc_two.secret"),))
    exchange = Exchange(request, received({**GRANT, "kind": "crate"}), None, 0, 1)

    assert not list(remarks.judge(SPEC.operations["ackGrant"], exchange))


def test_an_erased_id_may_show_once_it_has_a_new_player() -> None:
    remarks = Remarks()
    shown(remarks, "deletePlayer", ERASED)
    remarks.note(sent("createGrant", ADA, BODY))
    exchange = Exchange(
        sent("exportPlayer", {"externalId": "bob"}), received(SHOWING_ADA), None, 9, 1
    )

    assert not list(remarks.judge(SPEC.operations["exportPlayer"], exchange))

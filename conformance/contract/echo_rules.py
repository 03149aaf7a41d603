"""What an answer repeats of its request, and what it counts: it must be what was asked.

`echoes` is a pure function of one exchange. It looks at successes of requests that the contract
defines, whatever test sent them.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote

from conformance.contract.breach import Breach, shown
from conformance.contract.instants import is_same_instant
from conformance.contract.openapi import BASE_PATH, Operation
from conformance.contract.request_validity import Validity, classify, unambiguous
from conformance.http.exchange import Request, Response, header

MOST_ROWS = 1000
"""The most rows that a list of an export has (EXP-3)."""
EXPORTED = ("attempts", "grants", "inventory", "wallet", "lobbies")
LIMITED = ("attempts", "grants", "lobbies")
"""The lists of a profile that `limit` bounds (PLAYER-3); another list is the server's own."""


@dataclass(frozen=True)
class Asked:
    """A request, read: `path` holds the decoded parameters, `body` the JSON or nothing."""

    request: Request
    path: Mapping[str, str]
    body: Any


Rule = Callable[[Asked, Any], Iterator[Breach]]


def echoes(operation: Operation, request: Request, response: Response) -> Iterator[Breach]:
    """Breaches in what a success repeats of its request."""
    rule = RULES.get(operation.id)
    if rule is None or not 200 <= response.status < 300:
        return
    validity = classify(operation, request)
    if validity is Validity.VALID or (operation.id in IMPORTS and validity is Validity.FREE):
        asked = Asked(request, _path_of(operation, request), unambiguous(request.body))
        try:
            document = response.json
        except ValueError:
            return  # HTTP-2 says so
        yield from rule(asked, document)


def _path_of(operation: Operation, request: Request) -> Mapping[str, str]:
    sent = request.target.partition("?")[0].removeprefix(BASE_PATH).split("/")
    pairs = zip(operation.path.split("/"), sent, strict=False)
    return {name[1:-1]: unquote(value) for name, value in pairs if name.startswith("{")}


def _data(document: Any) -> Mapping[str, Any]:
    data = document.get("data") if isinstance(document, dict) else None
    return data if isinstance(data, dict) else {}


def _repeats(requirement: str, name: str, sent: Any, data: Mapping[str, Any]) -> Iterator[Breach]:
    if isinstance(sent, str) and data.get(name, sent) != sent:
        expected = f"{name} {shown(sent)}, as the request has it"
        yield Breach(requirement, expected, f"{name} {shown(data[name])}")


def _grant(asked: Asked, document: Any) -> Iterator[Breach]:
    data = _data(document)
    requirement = "GRANT-1" if data.get("status") == "pending" else "GRANT-2"
    for name in ("kind", "sourceRefId"):
        yield from _repeats(requirement, name, asked.body.get(name), data)
    sent, told = asked.body.get("expiresAt"), data.get("expiresAt")
    if sent is not None and "expiresAt" in data and not is_same_instant(sent, told):
        yield Breach(requirement, f"expiresAt to be the instant {sent}", shown(told))


def _ack(asked: Asked, document: Any) -> Iterator[Breach]:
    data = _data(document)
    yield from _repeats("ACK-1", "id", asked.path["grantId"], data)
    yield from _repeats("ACK-1", "status", "claimed", data)
    if "claimedAt" in data and data["claimedAt"] is None:
        yield Breach("ACK-1", "claimedAt of a claimed grant", "null")


def _holding(requirement: str, name: str) -> Rule:
    def rule(asked: Asked, document: Any) -> Iterator[Breach]:
        yield from _repeats(requirement, name, asked.path[name], _data(document))

    return rule


def _ban(asked: Asked, document: Any) -> Iterator[Breach]:
    data = _data(document)
    requirement = "BAN-1" if data.get("applied") else "BAN-2"
    yield from _repeats(requirement, "reason", asked.body["reason"], data)
    yield from _player(asked, data)


def _unban(asked: Asked, document: Any) -> Iterator[Breach]:
    yield from _player(asked, _data(document))


def _player(asked: Asked, data: Mapping[str, Any]) -> Iterator[Breach]:
    yield from _repeats("HTTP-4", "externalPlayerId", asked.path["externalId"], data)


def _merge(asked: Asked, document: Any) -> Iterator[Breach]:
    data = _data(document)
    requirement = "MERGE-1" if data.get("status") == "merged" else "MERGE-6"
    for name in ("from", "to"):
        sent = asked.path[f"{name}ExternalId"]
        yield from _repeats(requirement, f"{name}ExternalPlayerId", sent, data)


def _erasure(asked: Asked, document: Any) -> Iterator[Breach]:
    data = _data(document)
    ended = {"erased": "DEL-1", "no_op_already_erased": "DEL-3"}.get(data.get("status", ""))
    yield from _repeats(ended or "HTTP-4", "externalPlayerId", asked.path["externalId"], data)


def _export(asked: Asked, document: Any) -> Iterator[Breach]:
    data = _data(document)
    player = data.get("player")
    yield from _player(asked, player if isinstance(player, dict) else {})
    yield from _bounded("EXP-3", EXPORTED, MOST_ROWS, data)


def _profile(asked: Asked, document: Any) -> Iterator[Breach]:
    data = _data(document)
    player = data.get("player")
    yield from _player(asked, player if isinstance(player, dict) else {})
    limits = parse_qs(asked.request.target.partition("?")[2]).get("limit", [])
    for limit in limits:
        yield from _bounded("PLAYER-3", LIMITED, int(limit), data)


def _bounded(
    requirement: str, names: tuple[str, ...], most: int, data: Mapping[str, Any]
) -> Iterator[Breach]:
    for name in names:
        rows = data.get(name)
        if isinstance(rows, list) and len(rows) > most:
            yield Breach(requirement, f"at most {most} rows in {name}", f"{len(rows)} rows")


def _import(asked: Asked, document: Any) -> Iterator[Breach]:
    rows = asked.body.get("rows") if isinstance(asked.body, dict) else None
    data = _data(document)
    failures = data.get("failures")
    counts = [data[name] for name in COUNTS if isinstance(data.get(name), int)]
    if not isinstance(rows, list) or not isinstance(failures, list) or len(counts) < len(COUNTS):
        return  # HTTP-2 says so
    if sum(counts) != len(rows):
        expected = f"applied + skipped + failed to be the {len(rows)} rows sent"
        yield Breach("MIG-1", expected, str(sum(counts)))
    if len(failures) != data["failed"]:
        expected = f"{data['failed']} failures, as `failed` says"
        yield Breach("MIG-1", expected, f"{len(failures)} in the list")
    named = [failure.get("rowIndex") for failure in failures if isinstance(failure, dict)]
    odd = [index for index in named if not isinstance(index, int) or not 0 <= index < len(rows)]
    if odd or len(set(named)) < len(named):
        expected = f"the rowIndex of each failed row, from 0 to {len(rows) - 1}"
        yield Breach("MIG-1", expected, shown(named))
        return
    for failure in failures:
        row = rows[failure["rowIndex"]]
        if isinstance(row, dict):
            sent = row.get("externalPlayerId")
            yield from _repeats("MIG-1", "externalPlayerId", sent, failure)


def _ping(asked: Asked, document: Any) -> Iterator[Breach]:
    key = document.get("apiKey") if isinstance(document, dict) else None
    if isinstance(document, dict) and document.get("ok", True) is not True:
        yield Breach("PING-1", "ok true", f"ok {shown(document['ok'])}")
    token = (header(asked.request.headers, "authorization") or "").partition(" ")[2]
    prefix, dot, _ = token.partition(".")
    described = key.get("prefix") if isinstance(key, dict) else None
    if dot and isinstance(described, str) and described.casefold() != prefix.casefold():
        yield Breach("PING-1", f"the prefix {prefix} of the key that asks", shown(described))


COUNTS = ("applied", "skipped", "failed")
IMPORTS = ("migratePlayers", "migrateWallet", "migrateInventory")
RULES: dict[str, Rule] = {
    "ping": _ping,
    "createGrant": _grant,
    "ackGrant": _ack,
    "creditWallet": _holding("LEDGER-1", "economyKey"),
    "debitWallet": _holding("LEDGER-2", "economyKey"),
    "grantItem": _holding("LEDGER-1", "itemKey"),
    "revokeItem": _holding("LEDGER-2", "itemKey"),
    "banPlayer": _ban,
    "unbanPlayer": _unban,
    "mergePlayer": _merge,
    "deletePlayer": _erasure,
    "exportPlayer": _export,
    "getPlayer": _profile,
    **dict.fromkeys(IMPORTS, _import),
}
"""What the success of each operation must repeat; a lobby repeats nothing of its request."""

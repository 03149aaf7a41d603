"""What a server said of a grant, a lobby or a player, it says always, whichever answer shows it.

A replay, an ack, a profile, an export and the read of a lobby are views of one thing. Where two of
them show a member of the same name, its value is the same (GRANT-2, ACK-1, ACK-2, LOBBY-2, LOBBY-8,
PLAYER-2, EXP-1), also after a merge. The id of an erased player shows nowhere any more (DEL-7).
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from conformance.contract.breach import Breach, shown
from conformance.contract.instants import is_same_instant
from conformance.contract.openapi import Operation
from conformance.http.exchange import Exchange, Request, Response, header

GRANT = ("kind", "sourceKind", "sourceRefId", "parentGrantId", "createdAt", "expiresAt")
ENTRIES = "entries"
"""What the contents of a pending grant may list. Once it is claimed, a crate may show others."""
CLAIMED_AT = "claimedAt"
LOBBY = ("eventId", "eventWindowId", "mode", "capacity")
SEATS = ("participantCount", "botSlots")
"""What a merge or an erasure may change in a lobby."""
VIEWS = {"getPlayer": "PLAYER-2", "exportPlayer": "EXP-1"}
"""The operations whose answers list grants and lobbies."""
ERASING = "deletePlayer"
MOVING = ("mergePlayer", ERASING)

Row = Mapping[str, Any]


class Remarks:
    """What the answers of one test said. `note` what is sent before, `judge` what comes back.

    Each key is told its own: another one may be of another game, which has ids of its own (AUTH-7).
    """

    def __init__(self) -> None:
        self._told: dict[str | None, _Told] = defaultdict(_Told)

    def note(self, request: Request) -> None:
        """A request that is about to be sent."""
        self._told[header(request.headers, "authorization")].note(request)

    def judge(self, operation: Operation, exchange: Exchange) -> Iterator[Breach]:
        """Breaches by what a success shows of what was shown before."""
        told = self._told[header(exchange.request.headers, "authorization")]
        yield from told.judge(operation, exchange)


class _Told:
    """What the answers to one key said."""

    def __init__(self) -> None:
        self._grants: dict[str, dict[str, Any]] = {}
        self._contents: dict[str, Row] = {}
        self._lobbies: dict[str, dict[str, Any]] = {}
        self._have_seats_changed = False
        self._erased: dict[str, float] = {}

    def note(self, request: Request) -> None:
        """One that may create an erased player anew makes them live."""
        self._have_seats_changed = self._have_seats_changed or request.operation in MOVING
        if self._erased and request.method != "GET" and request.operation != ERASING:
            for player in _mentioned(request, self._erased):
                del self._erased[player]

    def judge(self, operation: Operation, exchange: Exchange) -> Iterator[Breach]:
        """Breaches by a success."""
        response = exchange.response
        if response is None:
            return
        if self._erased:
            yield from self._shown_again(exchange, response)
        if not 200 <= response.status < 300:
            return
        try:
            document = response.json
        except ValueError:
            return  # HTTP-2 says so
        data = document.get("data") if isinstance(document, dict) else None
        if operation.id == ERASING and isinstance(data, dict) and data.get("status") == "erased":
            self._erased[str(data.get("externalPlayerId"))] = exchange.started + exchange.seconds
        elif operation.id in SHOWING:
            yield from self._views(operation, data)

    def _shown_again(self, exchange: Exchange, response: Response) -> Iterator[Breach]:
        """DEL-7, by an answer, if only a refusal, to a request after the erasure, about others."""
        late = [player for player, when in self._erased.items() if exchange.started > when]
        own = _mentioned(exchange.request, late)
        for player in set(late) - own:
            if _shows(response, player):
                yield Breach("DEL-7", "no id of a player who was erased", shown(player))

    def _views(self, operation: Operation, data: Any) -> Iterator[Breach]:
        if operation.id in VIEWS:
            for row in _values(data):
                if isinstance(row, dict) and isinstance(row.get("id"), str):
                    yield from self._row(VIEWS[operation.id], row)
        elif isinstance(data, dict) and isinstance(data.get("id"), str):
            if operation.id in ("createGrant", "ackGrant"):
                yield from self._grant(_grant_requirement(operation, data), data, is_first=True)
            else:
                requirement = "LOBBY-8" if operation.id == "getLobby" else "LOBBY-2"
                yield from self._lobby(requirement, data)

    def _row(self, requirement: str, row: Row) -> Iterator[Breach]:
        """A row of a view, if it is about a grant or a lobby that is known."""
        if row["id"] in self._grants and "kind" in row:  # not another thing with the same number
            yield from self._grant(requirement, row)
        elif row["id"] in self._lobbies and "eventId" in row:
            known = self._lobbies[row["id"]]
            yield from _differences(requirement, f"lobby {row['id']}", known, row, ("eventId",))

    def _grant(self, requirement: str, row: Row, *, is_first: bool = False) -> Iterator[Breach]:
        name = f"grant {row['id']}"
        if is_first:
            self._grants.setdefault(row["id"], dict(row))
        known = self._grants[row["id"]]
        yield from _differences(requirement, name, known, row, GRANT)
        if row.get("status") == "claimed" and row.get(CLAIMED_AT, "") is None:
            yield Breach(requirement, f"claimedAt of {name}, which is claimed", "null")
        if row.get(CLAIMED_AT) is not None:
            if known.get(CLAIMED_AT) is None:
                known[CLAIMED_AT] = row[CLAIMED_AT]
            claimed = "ACK-2" if requirement == "ACK-1" else requirement
            yield from _differences(claimed, name, known, row, (CLAIMED_AT,))
        contents = row.get("contents")
        if isinstance(contents, dict) and row.get("status") == "pending":
            first = self._contents.setdefault(row["id"], contents)
            yield from _differences(requirement, name, first, contents, (ENTRIES,))

    def _lobby(self, requirement: str, row: Row) -> Iterator[Breach]:
        known = self._lobbies.setdefault(row["id"], dict(row))
        lasting = LOBBY if self._have_seats_changed else (*LOBBY, *SEATS)
        yield from _differences(requirement, f"lobby {row['id']}", known, row, lasting)


SHOWING = (*VIEWS, "createGrant", "ackGrant", "createLobby", "getLobby")
"""The operations whose answers show grants or lobbies."""


def _mentioned(request: Request, players: Iterable[str]) -> set[str]:
    """Those of the players whose id is in the path or the body."""
    text = unquote(request.target)
    if request.body:
        try:
            text += json.dumps(json.loads(request.body), ensure_ascii=False)
        except (ValueError, RecursionError):
            text += request.body.decode("utf-8", "replace")
    return {player for player in players if player in text or json.dumps(player)[1:-1] in text}


def _shows(response: Response, player: str) -> bool:
    """Whether an id is a value of a success, or anywhere in a refusal."""
    if response.status >= 300:
        return player in response.body.decode("utf-8", "replace")
    try:
        return player in [value for value in _values(response.json) if isinstance(value, str)]
    except ValueError:
        return False  # HTTP-2 says so


def _values(document: Any) -> Iterator[Any]:
    """Every value in a document, however deep it is nested."""
    left = [document]
    while left:
        value = left.pop()
        yield value
        if isinstance(value, dict):
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)


def _grant_requirement(operation: Operation, row: Row) -> str:
    if operation.id == "ackGrant":
        return "ACK-1"
    return "GRANT-2" if row.get("status") == "pending" else "ACK-5"


def _differences(
    requirement: str, what: str, known: Row, row: Row, names: tuple[str, ...]
) -> Iterator[Breach]:
    for name in names:
        if name not in known or name not in row or known[name] == row[name]:
            continue
        if not is_same_instant(known[name], row[name]):
            expected = f"{name} of {what} to be {shown(known[name])}, as it was shown before"
            yield Breach(requirement, expected, shown(row[name]))

"""What a server said of a grant or a lobby, it says of it always, whichever answer shows it.

A replay, an ack, a profile, an export and the read of a lobby are views of one thing. Where two of
them show a member of the same name, its value is the same (GRANT-2, ACK-1, ACK-2, LOBBY-2, LOBBY-8,
PLAYER-2, EXP-1), also after a merge.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from conformance.contract.breach import Breach, spelled
from conformance.contract.openapi import Operation
from conformance.http.exchange import Request, Response

INSTANT = timedelta(seconds=1)
"""By how much views may round an instant."""
GRANT = ("kind", "sourceKind", "sourceRefId", "parentGrantId", "createdAt", "expiresAt")
CONTENTS = "contents"
"""What a grant contains; a crate may show other contents once it is claimed."""
CLAIMED_AT = "claimedAt"
LOBBY = ("eventId", "eventWindowId", "mode", "capacity")
SEATS = ("participantCount", "botSlots")
"""What a merge or an erasure may change in a lobby."""
VIEWS = {"getPlayer": "PLAYER-2", "exportPlayer": "EXP-1"}
"""The operations whose answers list grants and lobbies."""
MOVING = ("mergePlayer", "deletePlayer")

Row = Mapping[str, Any]


class Remarks:
    """What the answers of one test said. `note` what is sent before, `judge` what comes back."""

    def __init__(self) -> None:
        self._grants: dict[str, dict[str, Any]] = {}
        self._contents: dict[tuple[str, Any], Any] = {}
        self._lobbies: dict[str, dict[str, Any]] = {}
        self._have_seats_changed = False

    def note(self, request: Request) -> None:
        """A request that is about to be sent."""
        self._have_seats_changed = self._have_seats_changed or request.operation in MOVING

    def judge(self, operation: Operation, response: Response) -> Iterator[Breach]:
        """Breaches by what a success shows of grants and lobbies that were shown before."""
        if not 200 <= response.status < 300 or operation.id not in SHOWING:
            return
        try:
            document = response.json
        except ValueError:
            return  # HTTP-2 says so
        data = document.get("data") if isinstance(document, dict) else None
        if operation.id in VIEWS:
            for row in _rows(data):
                yield from self._row(VIEWS[operation.id], row)
        elif isinstance(data, dict) and isinstance(data.get("id"), str):
            if operation.id in ("createGrant", "ackGrant"):
                yield from self._grant(_grant_requirement(operation, data), data, is_first=True)
            else:
                requirement = "LOBBY-8" if operation.id == "getLobby" else "LOBBY-2"
                yield from self._lobby(requirement, data)

    def _row(self, requirement: str, row: Row) -> Iterator[Breach]:
        """A row of a view, if it is about a grant or a lobby that is known."""
        if row["id"] in self._grants:
            yield from self._grant(requirement, row)
        elif row["id"] in self._lobbies:
            known = self._lobbies[row["id"]]
            yield from _differences(requirement, f"lobby {row['id']}", known, row, ("eventId",))

    def _grant(self, requirement: str, row: Row, *, is_first: bool = False) -> Iterator[Breach]:
        name = f"grant {row['id']}"
        if is_first:
            self._grants.setdefault(row["id"], dict(row))
        known = self._grants[row["id"]]
        yield from _differences(requirement, name, known, row, GRANT)
        if row.get(CLAIMED_AT) is not None:
            if known.get(CLAIMED_AT) is None:
                known[CLAIMED_AT] = row[CLAIMED_AT]
            claimed = "ACK-2" if requirement == "ACK-1" else requirement
            yield from _differences(claimed, name, known, row, (CLAIMED_AT,))
        if row.get(CONTENTS) is not None and "status" in row:
            first = self._contents.setdefault((row["id"], row["status"]), row[CONTENTS])
            yield from _differences(requirement, name, {CONTENTS: first}, row, (CONTENTS,))

    def _lobby(self, requirement: str, row: Row) -> Iterator[Breach]:
        known = self._lobbies.setdefault(row["id"], dict(row))
        lasting = LOBBY if self._have_seats_changed else (*LOBBY, *SEATS)
        yield from _differences(requirement, f"lobby {row['id']}", known, row, lasting)


SHOWING = (*VIEWS, "createGrant", "ackGrant", "createLobby", "getLobby")
"""The operations whose answers show grants or lobbies."""


def _grant_requirement(operation: Operation, row: Row) -> str:
    if operation.id == "ackGrant":
        return "ACK-1"
    return "GRANT-2" if row.get("status") == "pending" else "ACK-5"


def _differences(
    requirement: str, what: str, known: Row, row: Row, names: tuple[str, ...]
) -> Iterator[Breach]:
    for name in names:
        if name in known and name in row and not _same(known[name], row[name]):
            expected = f"{name} of {what} to be {spelled(known[name])}, as it was shown before"
            yield Breach(requirement, expected, spelled(row[name]))


def _same(one: Any, other: Any) -> bool:
    """Whether two values are equal; two spellings of one instant are."""
    if one == other:
        return True
    try:
        instants = [datetime.fromisoformat(text.upper()) for text in (one, other)]
        return abs(instants[0] - instants[1]) <= INSTANT
    except (AttributeError, TypeError, ValueError):
        return False


def _rows(value: Any) -> Iterator[Row]:
    """Every object with an id in a document."""
    if isinstance(value, dict):
        if isinstance(value.get("id"), str):
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            if isinstance(each, dict | list):
                yield from _rows(each)

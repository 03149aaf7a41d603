"""The players that a run creates, written to disk before they can exist.

Each process of a run appends to its own file. A line is a mark and, as JSON, the role of a key and
the external id of a player. The mark is `+` before the first request that may create the player,
then `=` once a request about the player was not refused, and `-` once one was.
"""

import json
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import unquote

from conformance.contract.openapi import BASE_PATH, Operation
from conformance.http.exchange import Exchange, Request, header

PATTERN = "players-*.txt"
UNKNOWN = "server"
"""The role that counts for a key that the run does not know."""
SAME_GAME = {"throttled": UNKNOWN}
"""Roles whose players another role cleans up, since their own budget is too small for it."""
NOT_IMPLEMENTED = 501
"""The one 5xx status which says that nothing was done."""
Player = tuple[str, str]
"""The role of a key of the player's game, and the player's external id."""
ANY_PATH = "/players/{externalId}"
"""How the path of a request about a player begins if it belongs to no operation."""
NO_PLAYERS = {"{gameId}", "{eventKey}", "{lobbyId}", "{grantId}", "{itemKey}", "{economyKey}"}
_SIGNS = (b"externalPlayerId", b"\\", b"\0")
"""A body without any of these names no player: escapes and UTF-16 contain a backslash or a NUL."""
_PLACEHOLDER = re.compile("__(deleted|merged)_")
"""How the placeholder of an erased or merged player begins."""


def players_named(operation: Operation | None, request: Request) -> set[str]:
    """The external ids that a request names, in its path and in a JSON body."""
    named = set(_in_path(operation, request))
    if not any(sign in request.body for sign in _SIGNS):
        return named
    try:
        return named | set(_in_body(json.loads(request.body)))
    except (ValueError, RecursionError):
        return named


def _in_path(operation: Operation | None, request: Request) -> Iterator[str]:
    """Each part of the path that may be a player's id."""
    path = operation.path if operation is not None else ANY_PATH
    if operation is None and not request.target.startswith(f"{BASE_PATH}/players/"):
        return
    for name, value in zip(
        (BASE_PATH + path).split("/"), request.target.partition("?")[0].split("/"), strict=False
    ):
        if name.startswith("{") and name not in NO_PLAYERS:
            try:
                yield unquote(value, errors="surrogatepass")
            except UnicodeDecodeError:
                continue  # not the encoding of any id


def _in_body(body: Any) -> Iterator[str]:
    """Ids in the body itself and in its `rows`; the API names players nowhere else."""
    rows = body.get("rows") if isinstance(body, dict) else None
    for row in [body, *(rows if isinstance(rows, list) else [])]:
        if not isinstance(row, dict):
            continue
        one, several = row.get("externalPlayerId"), row.get("externalPlayerIds")
        ids = list(one) if isinstance(one, list) else [one]
        ids += several if isinstance(several, list) else []
        yield from (id for id in ids if isinstance(id, str) and id)


def is_own(id: str, prefix: str) -> bool:
    """Whether an id is the run's own, even if a gateway resolves `..` in the decoded path."""
    return all(form.casefold().startswith(prefix) for form in (id, posixpath.normpath(id)))


class ForeignPlayerError(Exception):
    """A request was not sent because it would change a player who is not the run's own."""


class Players:
    """Writes down the players of one process of a run, and protects all other players.

    Without a `file`, it only protects. `keys` are the run's tokens by role: the same id is another
    player for a key of another game (AUTH-7).
    """

    def __init__(self, prefix: str, keys: Mapping[str, str], file: Path | None = None) -> None:
        self.prefix = prefix
        self._roles = {f"Bearer {token}": SAME_GAME.get(role, role) for role, token in keys.items()}
        self._path = file
        self._file: TextIO | None = None
        self._marks: dict[Player, str] = {}

    @property
    def count(self) -> int:
        """How many players requests have named so far."""
        return len(self._marks)

    def sending(self, operation: Operation | None, request: Request) -> frozenset[Player]:
        """Write down the players that a request may change. ForeignPlayerError if not the run's."""
        if request.method == "GET":
            return frozenset()
        role = self._roles.get(header(request.headers, "authorization") or "", UNKNOWN)
        named = frozenset((role, id) for id in players_named(operation, request))
        for player in named:
            if not is_own(player[1], self.prefix) and not _PLACEHOLDER.match(player[1]):
                raise ForeignPlayerError(
                    f"{player[1]!r} is not this run's player ({self.prefix}-…): request not sent"
                )
            self._mark("+", player)
        return named

    def answered(self, players: Iterable[Player], exchange: Exchange) -> None:
        """Write down whether a request about these players was refused."""
        status = exchange.response.status if exchange.response is not None else 0
        refused = 400 <= status < 500 or status == NOT_IMPLEMENTED
        for player in players:
            self._mark("-" if refused else "=", player)

    def _mark(self, mark: str, player: Player) -> None:
        known = self._marks.get(player, "")
        if mark in known or "=" in known:
            return
        self._marks[player] = known + mark
        if self._path is not None:
            self._file = self._file or self._path.open("a", encoding="utf-8")
            self._file.write(f"{mark}{json.dumps(player)}\n")
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def created_in(directory: Path) -> list[Player]:
    """The players that a run may have created, read from the files in its directory.

    A line that a crash cut short is left out: its request had not been sent.
    """
    marks: dict[Player, str] = {}
    for file in sorted(directory.glob(PATTERN)):
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                role, id = json.loads(line[1:])
            except (ValueError, TypeError):
                continue
            marks[str(role), str(id)] = marks.get((str(role), str(id)), "") + line[0]
    return [player for player, mark in marks.items() if "=" in mark or "-" not in mark]


def keep_only(directory: Path, left: Iterable[Player]) -> None:
    """Replace the files of a run by one that names only these players; by none if there are none.

    OSError if the disk is full; the files are then unchanged.
    """
    lines = "".join(f"={json.dumps(player)}\n" for player in left)
    rest = directory / PATTERN.replace("*", "left")
    part = directory / "players.part"
    part.write_text(lines, encoding="utf-8")
    for file in directory.glob(PATTERN):
        file.unlink()
    part.rename(rest)
    if not lines:
        rest.unlink()

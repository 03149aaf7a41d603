"""Servers with ids of other shapes. Ids are opaque strings."""

import base64
import os
from collections.abc import Callable
from datetime import datetime

from conformance.faults.building_blocks import scratch
from conformance.faults.variants.registration import variant
from conformance.reference.bodies import GrantBody, LobbyBody
from conformance.reference.grants import Grants
from conformance.reference.lobbies import Lobbies
from conformance.reference.state import GameState, Grant, Lobby, Player
from conformance.reference.world import Event

NewId = Callable[[GameState, str], str]
"""Makes the id of a new row of a table."""


def with_ids(new_id: NewId) -> tuple[type[GameState], type[Grants], type[Lobbies]]:
    """The parts of a server that takes its ids from the function."""

    class OtherPlayers(GameState):
        def ensure(self, external_id: str) -> Player:
            is_new = external_id not in self.players
            player = super().ensure(external_id)
            if is_new:
                player.id = new_id(self, "players")
            return player

    class OtherGrants(Grants):
        def issue(self, player: Player, body: GrantBody, expires_at: datetime | None) -> Grant:
            grant = super().issue(player, body, expires_at)
            del self.state.grants[grant.id]
            grant.id = new_id(self.state, "grants")
            self.state.grants[grant.id] = grant
            return grant

    class OtherLobbies(Lobbies):
        def open(self, event: Event, body: LobbyBody) -> Lobby:
            lobby = super().open(event, body)
            del self.state.lobbies[lobby.id]
            lobby.id = lobby.leaderboard_id = new_id(self.state, "lobbies")
            self.state.lobbies[lobby.id] = lobby
            return lobby

    return OtherPlayers, OtherGrants, OtherLobbies


def numbered(state: GameState, table: str) -> str:
    """The next number of a table, as databases count rows."""
    counts = scratch(state, "rows")
    counts[table] = counts.get(table, 0) + 1
    return str(counts[table])


def symbols(state: GameState, table: str) -> str:
    """Sixty characters of base64, with the slashes and plus signs that it has."""
    del state, table
    return base64.b64encode(b"\xff\xef" + os.urandom(41)).decode()


NUMBERED, SYMBOLS = with_ids(numbered), with_ids(symbols)


@variant("numbered-rows", parts=NUMBERED[1:])
class NumberedRows(NUMBERED[0]):  # type: ignore[misc,valid-type]
    """The shape of ids: are numbers as text, which each table counts by itself."""


@variant("base64-ids", parts=SYMBOLS[1:])
class Base64Ids(SYMBOLS[0]):  # type: ignore[misc,valid-type]
    """The characters of ids: are sixty of base64, with + and / and =."""

"""Faults of lobbies."""

from typing import Any

from conformance.faults import building_blocks as kit
from conformance.reference.bodies import LobbyBody
from conformance.reference.lobbies import Lobbies
from conformance.reference.replies import Reply
from conformance.reference.state import Lobby
from conformance.reference.world import Event


@kit.subtle("lobby-counts-twice", "LOBBY-1")
class CountsTwice(Lobbies):
    """A player twice in the roster takes two seats."""

    def open(self, event: Event, body: LobbyBody) -> Lobby:
        lobby = super().open(event, body)
        lobby.members = [self.state.ensure(player) for player in body.externalPlayerIds]
        return lobby


@kit.subtle("lobby-race", "LOBBY-2", racing=("createLobby",))
class Race(Lobbies):
    """The server looks the key up, then stores: two simultaneous requests open two lobbies."""

    def open(self, event: Event, body: LobbyBody) -> Lobby:
        kit.gap()
        return super().open(event, body)


@kit.subtle("lobby-key-with-roster", "LOBBY-3")
class KeyWithRoster(Lobbies):
    """The roster is part of the key: another roster opens another lobby."""

    def create(self, game_id: str, event_key: str, body: LobbyBody) -> Reply:
        body.key = repr([body.key, sorted(set(body.externalPlayerIds))])
        return super().create(game_id, event_key, body)


@kit.subtle("lobby-joins-newcomers", "LOBBY-3 MERGE-5 DEL-6")
class JoinsNewcomers(Lobbies):
    """Another roster for a used key opens a second lobby for the new players."""

    def create(self, game_id: str, event_key: str, body: LobbyBody) -> Reply:
        reply = super().create(game_id, event_key, body)
        seated = {player.external_id for player in self.state.lobby_keys[body.key].members}
        late = [player for player in body.externalPlayerIds if player not in seated]
        if late:
            self.open(self.event(event_key), LobbyBody(body.key, late, capacity=len(late)))
        return reply


@kit.subtle("lobby-players-before-event", "LOBBY-4")
class PlayersBeforeEvent(Lobbies):
    """The server creates the players before it looks the event up."""

    def create(self, game_id: str, event_key: str, body: LobbyBody) -> Reply:
        self.check_game(game_id)
        for player in body.externalPlayerIds:
            self.state.ensure(player)
        return super().create(game_id, event_key, body)


@kit.subtle("lobby-mode-checked-late", "LOBBY-5")
class ModeCheckedLate(Lobbies):
    """The server checks the mode of the event after it has opened the lobby."""

    def event(self, event_key: str) -> Event:
        return self.state.game.event(event_key) or super().event(event_key)

    def open(self, event: Event, body: LobbyBody) -> Lobby:
        lobby = super().open(event, body)
        super().event(event.key)
        return lobby


@kit.medium("lobby-last-player-only", "LOBBY-6")
class LastPlayerOnly(Lobbies):
    """The lobby is in the profile of one of its players only."""

    def open(self, event: Event, body: LobbyBody) -> Lobby:
        lobby = super().open(event, body)
        for player in lobby.members[:-1]:
            player.lobbies.remove(lobby)
        return lobby


@kit.subtle("lobby-bots-beyond", "LOBBY-7")
class BotsBeyond(Lobbies):
    """Bots fill the whole capacity, in addition to the players."""

    def open(self, event: Event, body: LobbyBody) -> Lobby:
        lobby = super().open(event, body)
        lobby.bots = lobby.capacity if lobby.bots else 0
        return lobby


@kit.subtle("lobby-one-too-many", "LOBBY-7")
class OneTooMany(Lobbies):
    """The server accepts one player more than there are seats."""

    def open(self, event: Event, body: LobbyBody) -> Lobby:
        if body.capacity is None or len(set(body.externalPlayerIds)) != body.capacity + 1:
            return super().open(event, body)
        seats, body.capacity, body.fillBots = body.capacity, body.capacity + 1, False
        lobby = super().open(event, body)
        lobby.capacity = seats
        return lobby


@kit.subtle("lobby-read-counts-bots", "LOBBY-8")
@kit.change_data("getLobby")
def read_counts_bots(data: kit.Data, *_: Any) -> kit.Data:
    """The read of a lobby counts bots as participants."""
    return {"participantCount": data["participantCount"] + data["botSlots"]}


@kit.subtle("lobby-nearest", "LOBBY-9")
class Nearest(Lobbies):
    """The server finds lobbies by the first 32 characters of their id."""

    def read(self, game_id: str, lobby_id: str) -> Reply:
        same = (known for known in self.state.lobbies if known[:32] == lobby_id[:32])
        return super().read(game_id, next(same, lobby_id))


@kit.subtle("lobby-capacity-zero", "LOBBY-10 ERR-4")
@kit.change_body("createLobby")
def capacity_zero(body: kit.Data) -> kit.Data:
    """A capacity of zero counts as none."""
    return body if body.get("capacity") else {**body, "capacity": None}

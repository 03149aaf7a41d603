"""Faults of lobbies."""

from dataclasses import replace
from typing import Any

from conformance.faults.tools import MEDIUM, OBVIOUS, SUBTLE, Rewriting, fault, gap
from conformance.reference import operations
from conformance.reference.bodies import LobbyBody
from conformance.reference.errors import ApiError, conflict
from conformance.reference.gdpr import Gdpr
from conformance.reference.lobbies import Lobbies
from conformance.reference.operations import Operation
from conformance.reference.players import Players
from conformance.reference.replies import Reply
from conformance.reference.state import Lobby
from conformance.reference.world import Event


@fault("lobby-new-200", "LOBBY-1", "HTTP-1", "LOBBY-2", difficulty=OBVIOUS)
class New200(Lobbies):
    """A new lobby is answered with 200."""

    def create(self, game_id: str, event_key: str, body: LobbyBody) -> Reply:
        return replace(super().create(game_id, event_key, body), status=200)


@fault("lobby-counts-twice", "LOBBY-1", difficulty=SUBTLE)
class CountsTwice(Lobbies):
    """A player who is named twice takes two seats."""

    def open(self, event: Event, body: LobbyBody) -> Lobby:
        lobby = super().open(event, body)
        lobby.members = [self.state.ensure(player) for player in body.externalPlayerIds]
        return lobby


@fault("lobby-capacity-ignored", "LOBBY-1", difficulty=MEDIUM)
class CapacityIgnored(Lobbies):
    """The capacity is always the event's."""

    def open(self, event: Event, body: LobbyBody) -> Lobby:
        lobby = super().open(event, body)
        lobby.capacity = event.capacity
        return lobby


@fault("lobby-capacity-of-roster", "LOBBY-1", difficulty=SUBTLE)
class CapacityOfRoster(Lobbies):
    """Without a capacity a lobby has as many seats as players were sent."""

    def open(self, event: Event, body: LobbyBody) -> Lobby:
        if body.capacity is None:
            body.capacity = max(1, len(set(body.externalPlayerIds)))
        return super().open(event, body)


@fault("lobby-bots-are-participants", "LOBBY-1", "LOBBY-7", "LOBBY-8", difficulty=SUBTLE)
class BotsAreParticipants(Lobbies):
    """`participantCount` counts the bots of a new lobby too."""

    def create(self, game_id: str, event_key: str, body: LobbyBody) -> Reply:
        data = super().create(game_id, event_key, body).data
        return Reply(201, {**data, "participantCount": data["participantCount"] + data["botSlots"]})


@fault("lobby-key-ignored", "LOBBY-2", "LOBBY-3", difficulty=MEDIUM)
class KeyIgnored(Lobbies):
    """Every call opens a lobby."""

    def create(self, game_id: str, event_key: str, body: LobbyBody) -> Reply:
        self.state.lobby_keys.pop(body.key, None)
        return super().create(game_id, event_key, body)


@fault("lobby-race", "LOBBY-2", difficulty=SUBTLE, racing=(operations.create_lobby,))
class Race(Lobbies):
    """The key is looked up, then the lobby is written: two requests at once open two."""

    def open(self, event: Event, body: LobbyBody) -> Lobby:
        gap()
        return super().open(event, body)


@fault("lobby-in-flight-409", "LOBBY-2", difficulty=SUBTLE, racing=(operations.create_lobby,))
class InFlight409(Lobbies):
    """A second request meets the unique index of the key and gets 409."""

    def create(self, game_id: str, event_key: str, body: LobbyBody) -> Reply:
        new = body.key not in self.state.lobby_keys
        gap()
        with self.state.lock:
            if new and body.key in self.state.lobby_keys:
                raise conflict("the key is taken")
            return super().create(game_id, event_key, body)


@fault("lobby-replay-200", "LOBBY-2", "HTTP-1", "LOBBY-3", difficulty=OBVIOUS)
class Replay200(Lobbies):
    """A used key answers 200."""

    def create(self, game_id: str, event_key: str, body: LobbyBody) -> Reply:
        known = body.key in self.state.lobby_keys
        return replace(super().create(game_id, event_key, body), status=200 if known else 201)


@fault("lobby-key-with-roster", "LOBBY-3", difficulty=SUBTLE)
class KeyWithRoster(Lobbies):
    """The key counts together with the roster: another roster opens another lobby."""

    def create(self, game_id: str, event_key: str, body: LobbyBody) -> Reply:
        body.key = repr([body.key, sorted(set(body.externalPlayerIds))])
        return super().create(game_id, event_key, body)


@fault("lobby-joins-newcomers", "LOBBY-3", difficulty=SUBTLE)
class JoinsNewcomers(Lobbies):
    """Another roster for a used key opens a second lobby for those who are new."""

    def create(self, game_id: str, event_key: str, body: LobbyBody) -> Reply:
        reply = super().create(game_id, event_key, body)
        seated = {player.external_id for player in self.state.lobby_keys[body.key].members}
        late = [player for player in body.externalPlayerIds if player not in seated]
        if late:
            self.open(self.event(event_key), LobbyBody(body.key, late, capacity=len(late)))
        return reply


@fault("lobby-players-before-event", "LOBBY-4", difficulty=SUBTLE)
class PlayersBeforeEvent(Lobbies):
    """The players are made before the event is looked up."""

    def create(self, game_id: str, event_key: str, body: LobbyBody) -> Reply:
        self.check_game(game_id)
        for player in body.externalPlayerIds:
            self.state.ensure(player)
        return super().create(game_id, event_key, body)


@fault("lobby-unknown-event-409", "LOBBY-4", "ERR-2", difficulty=OBVIOUS)
class UnknownEvent409(Lobbies):
    """An unknown event gets 409."""

    def event(self, event_key: str) -> Event:
        if self.state.game.event(event_key) is None:
            raise conflict("no such event")
        return super().event(event_key)


@fault("lobby-game-unchecked-on-read", "LOBBY-4", difficulty=SUBTLE)
class GameUncheckedOnRead(Lobbies):
    """A lobby is read under any game id."""

    def read(self, game_id: str, lobby_id: str) -> Reply:
        return super().read(self.state.game.id, lobby_id)


@fault("lobby-any-mode", "LOBBY-5", difficulty=MEDIUM)
class AnyMode(Lobbies):
    """An event of any mode takes lobbies."""

    def event(self, event_key: str) -> Event:
        return self.state.game.event(event_key) or super().event(event_key)


@fault("lobby-mode-checked-late", "LOBBY-5", difficulty=SUBTLE)
class ModeCheckedLate(Lobbies):
    """The mode of the event is looked at when the lobby is already open."""

    def event(self, event_key: str) -> Event:
        return self.state.game.event(event_key) or super().event(event_key)

    def open(self, event: Event, body: LobbyBody) -> Lobby:
        lobby = super().open(event, body)
        super().event(event.key)
        return lobby


@fault("lobby-last-player-only", "LOBBY-6", difficulty=MEDIUM)
class LastPlayerOnly(Lobbies):
    """The lobby shows with one of its players only."""

    def open(self, event: Event, body: LobbyBody) -> Lobby:
        lobby = super().open(event, body)
        for player in lobby.members[:-1]:
            player.lobbies.remove(lobby)
        return lobby


@fault("lobby-known-players-only", "LOBBY-6", "LOBBY-1", "LOBBY-7", difficulty=MEDIUM)
class KnownPlayersOnly(Lobbies):
    """Unknown players are left out of a lobby."""

    def open(self, event: Event, body: LobbyBody) -> Lobby:
        known = [player for player in body.externalPlayerIds if player in self.state.players]
        body.externalPlayerIds = known
        return super().open(event, body)


@fault("lobby-not-in-profile", "LOBBY-6", "PLAYER-2", "PLAYER-3", difficulty=MEDIUM)
class NotInProfile(Players):
    """The profile has no lobbies."""

    def profile(self, external_id: str, limit: str | None) -> Reply:
        return Reply(200, {**super().profile(external_id, limit).data, "lobbies": []})


@fault("lobby-forming-only-in-export", "LOBBY-6", "EXP-1", difficulty=SUBTLE)
class FormingOnlyInExport(Gdpr):
    """The export lists lobbies that wait for players, and none that began."""

    def export(self, external_id: str) -> Reply:
        data = super().export(external_id).data
        kept = [lobby for lobby in data["lobbies"] if lobby["status"] == "forming"]
        return Reply(200, {**data, "lobbies": kept})


@fault("lobby-bots-beyond", "LOBBY-7", difficulty=SUBTLE)
class BotsBeyond(Lobbies):
    """Bots fill the whole capacity, whoever sits there already."""

    def open(self, event: Event, body: LobbyBody) -> Lobby:
        lobby = super().open(event, body)
        lobby.bots = lobby.capacity if lobby.bots else 0
        return lobby


@fault("lobby-bots-always", "LOBBY-7", difficulty=MEDIUM)
class BotsAlways(Lobbies):
    """`fillBots` false is read as not given."""

    def open(self, event: Event, body: LobbyBody) -> Lobby:
        body.fillBots = body.fillBots or None
        return super().open(event, body)


@fault("lobby-one-too-many", "LOBBY-7", difficulty=SUBTLE)
class OneTooMany(Lobbies):
    """One player more than there are seats is let in."""

    def open(self, event: Event, body: LobbyBody) -> Lobby:
        if body.capacity is None or len(set(body.externalPlayerIds)) != body.capacity + 1:
            return super().open(event, body)
        seats, body.capacity, body.fillBots = body.capacity, body.capacity + 1, False
        lobby = super().open(event, body)
        lobby.capacity = seats
        return lobby


@fault("lobby-refused-and-seated", "LOBBY-7", difficulty=SUBTLE)
class RefusedAndSeated(Lobbies):
    """Players are seated one by one until the seats run out, and stay seated after the 409."""

    def open(self, event: Event, body: LobbyBody) -> Lobby:
        try:
            return super().open(event, body)
        except ApiError:
            roster = body.externalPlayerIds[: body.capacity]
            super().open(event, LobbyBody(body.key, roster, capacity=body.capacity))
            raise


@fault("lobby-read-counts-bots", "LOBBY-8", difficulty=SUBTLE)
class ReadCountsBots(Lobbies):
    """Reading a lobby counts its bots as participants."""

    def read(self, game_id: str, lobby_id: str) -> Reply:
        data = super().read(game_id, lobby_id).data
        return Reply(200, {**data, "participantCount": data["participantCount"] + data["botSlots"]})


@fault("lobby-read-event-key", "LOBBY-8", difficulty=MEDIUM)
class ReadEventKey(Lobbies):
    """Reading a lobby tells the key of the event in place of its id."""

    def read(self, game_id: str, lobby_id: str) -> Reply:
        data = super().read(game_id, lobby_id).data
        return Reply(200, {**data, "eventId": data["eventId"].removeprefix("event_")})


@fault("lobby-nearest", "LOBBY-9", difficulty=SUBTLE)
class Nearest(Lobbies):
    """Lobbies are found by the first 32 characters of their id."""

    def read(self, game_id: str, lobby_id: str) -> Reply:
        same = (known for known in self.state.lobbies if known[:32] == lobby_id[:32])
        return super().read(game_id, next(same, lobby_id))


@fault("lobby-unknown-empty", "LOBBY-9", "HTTP-2", "ERR-2", "AUTH-7", difficulty=OBVIOUS)
class UnknownEmpty(Lobbies):
    """An unknown lobby is 200 with nothing in it."""

    def read(self, game_id: str, lobby_id: str) -> Reply:
        self.check_game(game_id)
        return super().read(game_id, lobby_id) if lobby_id in self.state.lobbies else Reply(200, {})


class Coercing(Rewriting):
    """Changes the body of a lobby before it is validated."""

    def rewrite(self, operation: Operation, body: dict[str, Any]) -> dict[str, Any]:
        return self.coerced(body) if operation.handler is operations.create_lobby else body

    def coerced(self, body: dict[str, Any]) -> dict[str, Any]:
        """The body as it is validated."""
        raise NotImplementedError


@fault("lobby-capacity-cut", "LOBBY-10", "ERR-4", difficulty=SUBTLE)
class CapacityCut(Coercing):
    """A fractional capacity is cut to a whole one."""

    def coerced(self, body: dict[str, Any]) -> dict[str, Any]:
        seats = body.get("capacity")
        whole = isinstance(seats, float) and 1 <= seats < 2**53
        return {**body, "capacity": int(seats)} if whole else body  # type: ignore[arg-type]


@fault("lobby-capacity-zero", "LOBBY-10", "ERR-4", difficulty=SUBTLE)
class CapacityZero(Coercing):
    """A capacity of zero counts as none."""

    def coerced(self, body: dict[str, Any]) -> dict[str, Any]:
        return body if body.get("capacity") else {**body, "capacity": None}


@fault("lobby-players-as-text", "LOBBY-10", "ERR-4", difficulty=SUBTLE)
class PlayersAsText(Coercing):
    """Players that are numbers are turned into texts."""

    def coerced(self, body: dict[str, Any]) -> dict[str, Any]:
        players = body.get("externalPlayerIds")
        if not isinstance(players, list):
            return body
        texts = [str(player) if isinstance(player, int) else player for player in players]
        return {**body, "externalPlayerIds": texts}


@fault("lobby-key-made-up", "LOBBY-10", "ERR-4", difficulty=MEDIUM)
class KeyMadeUp(Coercing):
    """A lobby without a key gets one."""

    def coerced(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"key": repr(sorted(body.items(), key=str)), **body}

"""LOBBY: lobbies pushed by the studio's matchmaker."""

from .bodies import LobbyBody
from .errors import ApiError, conflict, not_found
from .replies import Reply
from .state import GameState, Lobby
from .world import Event


class Lobbies:
    """The lobbies of one game."""

    def __init__(self, state: GameState) -> None:
        self.state = state

    def create(self, game_id: str, event_key: str, body: LobbyBody) -> Reply:
        """201 with a new lobby, or with the one that the key has already (LOBBY-2)."""
        self.check_game(game_id)
        event = self.event(event_key)
        lobby = self.state.lobby_keys.get(body.key)
        if lobby is None:
            lobby = self.state.lobby_keys[body.key] = self.open(event, body)
        return Reply(201, lobby.view())

    def read(self, game_id: str, lobby_id: str) -> Reply:
        """The lobby as it stands (LOBBY-8, LOBBY-9)."""
        self.check_game(game_id)
        lobby = self.state.lobbies.get(lobby_id)
        if lobby is None:
            raise not_found("lobby")
        return Reply(200, lobby.view())

    def check_game(self, game_id: str) -> None:
        """Refuse the game of another key, and an unknown game."""
        if game_id in self.state.other_games:
            raise ApiError(403, "tenant_mismatch", "The key belongs to another game")
        if game_id != self.state.game.id:
            raise not_found("game")

    def event(self, event_key: str) -> Event:
        """The event that takes the lobby (LOBBY-4, LOBBY-5)."""
        event = self.state.game.event(event_key)
        if event is None:
            raise not_found("event")
        if event.mode != "lobby_matched":
            raise conflict("the event is not lobby_matched")
        if not event.enabled:
            raise ApiError(409, "event_disabled", "The event is disabled")
        return event

    def open(self, event: Event, body: LobbyBody) -> Lobby:
        """Seat the distinct players and fill up with bots (LOBBY-1, LOBBY-7)."""
        roster = list(dict.fromkeys(body.externalPlayerIds))
        capacity = event.capacity if body.capacity is None else body.capacity
        if len(roster) > capacity:
            raise conflict("more players than seats")
        bots = 0 if body.fillBots is False else capacity - len(roster)
        members = [self.state.ensure(external_id) for external_id in roster]
        lobby = Lobby(event=event, capacity=capacity, bots=bots, members=members)
        for player in members:
            player.lobbies.append(lobby)
        self.state.lobbies[lobby.id] = lobby
        return lobby

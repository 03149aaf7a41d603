"""The world of the reference server before the first call: games, catalogues, events, keys."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

DEFAULT_BUDGET = 1_000_000


class Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An event of a game; only `lobby_matched` events take lobbies."""

    key: str
    mode: str
    capacity: int = 8
    enabled: bool = True

    @property
    def id(self) -> str:
        """The opaque id under which responses name the event."""
        return f"event_{self.key}"


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An API key `prefix.secret` with its permission set and its budget of requests a window."""

    role: str
    token: str
    permission_set: str = "server_integration"
    revoked: bool = False
    budget: int = DEFAULT_BUDGET

    @property
    def prefix(self) -> str:
        """The public part of the token, before the dot."""
        return self.token.partition(".")[0]


class Game(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One (studio, game) pair: the scope of players, grants, lobbies and idempotency keys."""

    studio: str
    id: str
    environment: str
    items: list[str]
    currencies: list[str]
    crates: list[str]
    events: list[Event]
    keys: list[Key]

    def event(self, key: str) -> Event | None:
        """The event with this key, or None."""
        return next((event for event in self.events if event.key == key), None)


@dataclass(frozen=True)
class World:
    """All games of the server, and its keys by token."""

    games: tuple[Game, ...]
    tokens: dict[str, tuple[Game, Key]] = field(init=False)

    def __post_init__(self) -> None:
        tokens = {key.token: (game, key) for game in self.games for key in game.keys}
        prefixes = {key.prefix for _, key in tokens.values()}
        ids = {game.id for game in self.games}
        if len(ids) < len(self.games) or len(prefixes) < sum(len(g.keys) for g in self.games):
            raise ValueError("games and key prefixes must differ from each other")
        object.__setattr__(self, "tokens", tokens)

    def key(self, role: str) -> Key:
        """The key with this role; KeyError if there is none."""
        for _, key in self.tokens.values():
            if key.role == role:
                return key
        raise KeyError(role)


def load_world(path: Path) -> World:
    """Read a world file (see `fixtures/world.toml`).

    Raises OSError, tomllib.TOMLDecodeError or msgspec.ValidationError for any other file.
    """
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    return World(tuple(msgspec.convert(document["games"], type=list[Game])))

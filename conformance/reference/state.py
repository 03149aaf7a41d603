"""The state of one game: data only, the families have the rules."""

import threading
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from .errors import not_found, reused_key
from .world import Event, Game

EXPORT_LIMIT = 1000
"""The maximum length of an exported list (EXP-3)."""


def now() -> datetime:
    """The server's clock, UTC."""
    return datetime.now(UTC)


def stamp(moment: datetime | None) -> str | None:
    """A moment as an RFC 3339 date-time, or None."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z") if moment else None


def new_id(kind: str) -> str:
    """A fresh opaque id."""
    return f"{kind}_{uuid.uuid4().hex}"


@dataclass(eq=False)
class Holdings:
    """The holdings of one player in one ledger by key, and the number of ledger rows."""

    amounts: dict[str, int] = field(default_factory=dict)
    rows: int = 0

    def add(self, key: str, amount: int) -> int:
        """Change a holding by `amount` (negative to take) and return it."""
        self.amounts[key] = self.amounts.get(key, 0) + amount
        self.rows += 1
        return self.amounts[key]


@dataclass(eq=False)
class Player:
    """A player row; `external_id` becomes a placeholder after a merge or an erasure."""

    external_id: str
    id: str = field(default_factory=lambda: new_id("player"))
    first_seen: datetime = field(default_factory=now)
    last_seen: datetime = field(default_factory=now)
    context_snapshot: dict[str, Any] | None = None
    registered_at: datetime | None = None
    deleted_at: datetime | None = None
    banned_at: datetime | None = None
    ban_reason: str | None = None
    inventory: Holdings = field(default_factory=Holdings)
    wallet: Holdings = field(default_factory=Holdings)
    grants: list["Grant"] = field(default_factory=list)
    lobbies: list["Lobby"] = field(default_factory=list)


@dataclass(eq=False)
class Grant:
    """A promise of entries to a player."""

    player: Player
    kind: str
    entries: list[Any]
    source_kind: str
    source_ref_id: str | None
    expires_at: datetime | None
    id: str = field(default_factory=lambda: new_id("grant"))
    created_at: datetime = field(default_factory=now)
    claimed_at: datetime | None = None
    acked_by: str | None = None

    def status(self) -> str:
        """`claimed`, `expired` or `pending`."""
        if self.claimed_at:
            return "claimed"
        if self.expires_at and self.expires_at <= now():
            return "expired"
        return "pending"

    def view(self) -> dict[str, Any]:
        """The grant as responses show it."""
        shown: dict[str, Any] = {
            "id": self.id,
            "kind": self.kind,
            "contents": {"entries": self.entries},
            "sourceKind": self.source_kind,
            "sourceRefId": self.source_ref_id,
            "parentGrantId": None,
            "status": self.status(),
            "rolledAt": None,
            "claimedAt": stamp(self.claimed_at),
            "expiresAt": stamp(self.expires_at),
            "createdAt": stamp(self.created_at),
        }
        if self.acked_by:
            shown["ackedBy"] = self.acked_by
        return shown


@dataclass(eq=False)
class Lobby:
    """A lobby pushed by the studio's matchmaker; `members` are its humans."""

    event: Event
    capacity: int
    bots: int
    members: list[Player]
    id: str = field(default_factory=lambda: new_id("lobby"))
    leaderboard_id: str = field(default_factory=lambda: new_id("leaderboard"))
    created_at: datetime = field(default_factory=now)
    started_at: datetime | None = None

    def __post_init__(self) -> None:
        if len(self.members) + self.bots >= self.capacity:
            self.started_at = self.created_at

    def status(self) -> str:
        """`active` once every seat was taken, even if a merge frees a seat later."""
        return "active" if self.started_at else "forming"

    def view(self) -> dict[str, Any]:
        """The lobby as lobby responses show it."""
        return {
            "id": self.id,
            "eventId": self.event.id,
            "eventWindowId": f"window_{self.event.key}",
            "leaderboardId": self.leaderboard_id,
            "mode": self.event.mode,
            "status": self.status(),
            "capacity": self.capacity,
            "fillBy": None,
            "participantCount": len(self.members),
            "botSlots": self.bots,
            "startedAt": stamp(self.started_at),
            "endsAt": None,
        }

    def summary(self) -> dict[str, Any]:
        """The lobby as profiles and exports list it."""
        return {
            "id": self.id,
            "eventId": self.event.id,
            "status": self.status(),
            "createdAt": stamp(self.created_at),
        }


@dataclass(frozen=True)
class Remembered:
    """The first use of an idempotency key: the request and the answer."""

    fingerprint: str
    player: Player | None
    answer: dict[str, Any]

    def matches(self, fingerprint: str, player: Player | None) -> bool:
        """Whether a request repeats the first; a new player under a freed id is another player."""
        return self.fingerprint == fingerprint and self.player is player


@dataclass
class GameState:
    """Everything of one game. `lock` is held for the whole of each operation."""

    game: Game
    other_games: frozenset[str] = frozenset()
    lock: threading.RLock = field(default_factory=threading.RLock)
    players: dict[str, Player] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)
    lobbies: dict[str, Lobby] = field(default_factory=dict)
    merges: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    erasures: dict[str, dict[str, Any]] = field(default_factory=dict)
    keys: dict[str, dict[str, Remembered]] = field(default_factory=dict)
    lobby_keys: dict[str, Lobby] = field(default_factory=dict)

    def known(self, external_id: str) -> Player:
        """The player with this id; ApiError 404 if there is none."""
        player = self.players.get(external_id)
        if player is None:
            raise not_found("player")
        return player

    def ensure(self, external_id: str) -> Player:
        """The player with this id, created on first contact."""
        # One step, which is correct even without the lock of the game.
        player = self.players.get(external_id)
        if player is None:
            player = self.players.setdefault(external_id, Player(external_id))
        player.last_seen = now()
        return player

    def first_use(
        self, scope: str, key: str, fingerprint: str, external_id: str
    ) -> Remembered | None:
        """The first use of a key that this request repeats, or None for a new key.

        ApiError 409 if the key was used for another request (GRANT-3, LEDGER-4).
        """
        first = self.remembered(scope).get(key)
        if first is not None and not first.matches(fingerprint, self.players.get(external_id)):
            raise reused_key()
        return first

    def remembered(self, ledger: str) -> dict[str, Remembered]:
        """The used idempotency keys of one scope; each ledger has its own."""
        return self.keys.setdefault(ledger, {})

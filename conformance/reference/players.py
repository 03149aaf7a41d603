"""PLAYER and BAN: profiles and bans."""

from typing import Any

from .bodies import BanBody
from .replies import Reply
from .state import GameState, Player, now, stamp

DEFAULT_LIMIT = 20
MAX_LIMIT = 100


class Players:
    """Profiles and bans of one game."""

    def __init__(self, state: GameState) -> None:
        self.state = state

    def profile(self, external_id: str, limit: str | None) -> Reply:
        """The player with at most `limit` entries a list, newest first (PLAYER-2, PLAYER-3)."""
        player = self.state.known(external_id)
        most = self.limit(limit)
        data = {
            "player": self.view(player),
            "attempts": [],
            "grants": [grant.view() for grant in newest(player.grants, most)],
            "lobbies": [lobby.summary() for lobby in newest(player.lobbies, most)],
            "summary": self.summary(player),
        }
        return Reply(200, data)

    def limit(self, asked: str | None) -> int:
        """The default for a bad limit, the maximum for a large one."""
        if asked is None or not asked.isascii() or not asked.isdigit():
            return DEFAULT_LIMIT
        digits = asked.lstrip("0")
        wanted = MAX_LIMIT if len(digits) > len(str(MAX_LIMIT)) else int(digits or 0)
        return min(wanted, MAX_LIMIT) or DEFAULT_LIMIT

    def view(self, player: Player) -> dict[str, Any]:
        """The player row as the profile shows it."""
        return {
            "id": player.id,
            "externalPlayerId": player.external_id,
            "firstSeenAt": stamp(player.first_seen),
            "lastSeenAt": stamp(player.last_seen),
            "bannedAt": stamp(player.banned_at),
            "banReason": player.ban_reason,
        }

    def summary(self, player: Player) -> dict[str, int]:
        """Counters over all rows, independent of the limit (PLAYER-5)."""
        claimed = sum(grant.claimed_at is not None for grant in player.grants)
        return {
            "attempts": 0,
            "grants": len(player.grants),
            "claimedGrants": claimed,
            "lobbies": len(player.lobbies),
        }

    def ban(self, external_id: str, body: BanBody) -> Reply:
        """Ban, or renew the reason of a ban (BAN-1, BAN-2)."""
        player = self.state.known(external_id)
        applied = player.banned_at is None
        if player.banned_at is None:
            player.banned_at = now()
        player.ban_reason = body.reason
        data = {
            "playerId": player.id,
            "externalPlayerId": player.external_id,
            "bannedAt": stamp(player.banned_at),
            "reason": player.ban_reason,
            "applied": applied,
        }
        return Reply(200, data)

    def unban(self, external_id: str) -> Reply:
        """Lift the ban if there is one (BAN-3)."""
        player = self.state.known(external_id)
        applied = player.banned_at is not None
        player.banned_at = None
        player.ban_reason = None
        data = {
            "playerId": player.id,
            "externalPlayerId": player.external_id,
            "unbannedAt": stamp(now()),
            "applied": applied,
        }
        return Reply(200, data)


def newest(rows: list[Any], most: int) -> list[Any]:
    """The last `most` rows, newest first."""
    return rows[: -most - 1 : -1]

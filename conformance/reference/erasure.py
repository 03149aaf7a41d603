"""DEL and EXP: erasure and export."""

import uuid
from typing import Any

from .bodies import DeleteBody
from .ledger import Inventory, Wallet
from .replies import Reply
from .state import EXPORT_LIMIT, GameState, Player, now, stamp


class Gdpr:
    """Erasure and export of the players of one game."""

    def __init__(self, state: GameState, inventory: Inventory, wallet: Wallet) -> None:
        self.state = state
        self.inventory = inventory
        self.wallet = wallet

    def delete(self, external_id: str, body: DeleteBody) -> Reply:
        """Anonymise the player and free the id; always 200 (DEL-1, DEL-3, DEL-4).

        The reason is for an audit row, which this server does not keep.
        """
        del body
        player = self.state.players.get(external_id)
        if player is not None:
            return Reply(200, self.erase(player, external_id))
        done = self.state.erasures.get(external_id)
        if done is not None:
            return Reply(200, {**done, "status": "no_op_already_erased"})
        return Reply(200, self.outcome(None, external_id, None, 0, "no_op_never_existed"))

    def erase(self, player: Player, external_id: str) -> dict[str, Any]:
        """Put a placeholder in the row; the financial ledger stays on it (DEL-9)."""
        player.external_id = f"__deleted_{uuid.uuid4()}__"
        player.deleted_at = now()
        player.context_snapshot = None
        player.ban_reason = None
        del self.state.players[external_id]
        lobbies = len(player.lobbies)
        answer = self.outcome(player.id, external_id, player.external_id, lobbies, "erased")
        self.state.erasures[external_id] = answer
        return answer

    def outcome(
        self,
        player_id: str | None,
        external_id: str,
        placeholder: str | None,
        lobbies: int,
        status: str,
    ) -> dict[str, Any]:
        """The answer to an erasure."""
        return {
            "playerId": player_id,
            "externalPlayerId": external_id,
            "anonymizedExternalId": placeholder,
            "deletedAt": stamp(now()),
            "attemptsAnonymized": 0,
            "lobbiesAnonymized": lobbies,
            "leaderboardsScrubbed": lobbies,
            "status": status,
        }

    def export(self, external_id: str) -> Reply:
        """Everything known about the player, at most 1,000 rows a list (EXP-1, EXP-3)."""
        player = self.state.known(external_id)
        data = {
            "schemaVersion": 1,
            "exportedAt": stamp(now()),
            "player": self.view(player),
            "attempts": [],
            "grants": [grant.view() for grant in player.grants[-EXPORT_LIMIT:]],
            "inventory": self.inventory.listing(player)[:EXPORT_LIMIT],
            "wallet": self.wallet.listing(player)[:EXPORT_LIMIT],
            "lobbies": [lobby.summary() for lobby in player.lobbies[-EXPORT_LIMIT:]],
        }
        return Reply(200, data)

    def view(self, player: Player) -> dict[str, Any]:
        """The player row as the export shows it."""
        return {
            "id": player.id,
            "externalPlayerId": player.external_id,
            "studioId": self.state.game.studio,
            "gameId": self.state.game.id,
            "firstSeenAt": stamp(player.first_seen),
            "lastSeenAt": stamp(player.last_seen),
            "lastContextSnapshot": player.context_snapshot,
            "registeredAt": stamp(player.registered_at),
            "secretRotatedAt": None,
            "deletedAt": stamp(player.deleted_at),
        }

"""MERGE: one player is folded into another."""

import uuid
from typing import Any

from .errors import unprocessable
from .replies import Reply
from .state import GameState, Holdings, Merge, Player, now, stamp


class Merging:
    """Merges within one game."""

    def __init__(self, state: GameState) -> None:
        self.state = state

    def merge(self, source_id: str, target_id: str) -> Reply:
        """Move everything, or say that it was moved already (MERGE-1, MERGE-6, MERGE-7)."""
        done = self.earlier(source_id, target_id)
        if done is not None:
            return Reply(200, {**done.answer, "status": "no_op_already_merged"})
        source, target = self.state.known(source_id), self.state.known(target_id)
        self.check(source, target)
        counts = self.move(source, target)
        placeholder = f"__merged_{uuid.uuid4()}__"
        source.external_id = placeholder
        self.free(source_id)
        answer = {
            "fromPlayerId": source.id,
            "fromExternalPlayerId": source_id,
            "toPlayerId": target.id,
            "toExternalPlayerId": target_id,
            "anonymizedExternalPlayerId": placeholder,
            "counts": counts,
            "mergedAt": stamp(now()),
            "status": "merged",
        }
        self.state.merges[source_id] = Merge(target, answer)
        return Reply(200, answer)

    def earlier(self, source_id: str, target_id: str) -> Merge | None:
        """The merge that this call repeats: the source is gone and went to this very target."""
        done = self.state.merges.get(source_id)
        if done is None or source_id in self.state.players:
            return None
        return done if self.state.players.get(target_id) is done.target else None

    def check(self, source: Player, target: Player) -> None:
        """Refuse merges that make no sense, before anything moves (MERGE-7)."""
        if source is target:
            raise unprocessable("a player cannot be merged into itself")
        if target.banned_at is not None:
            raise unprocessable("the target is banned")

    def free(self, source_id: str) -> None:
        """Give the source's id back: the next contact makes a new player (MERGE-5)."""
        del self.state.players[source_id]

    def move(self, source: Player, target: Player) -> dict[str, int]:
        """Hand everything to the target and count it (MERGE-2 to MERGE-4)."""
        counts: dict[str, Any] = {
            "attemptsReassigned": 0,
            "grantsReassigned": self.move_grants(source, target),
            "itemsMerged": len(source.inventory.amounts),
            "itemLedgerRowsMoved": self.move_holdings(source.inventory, target.inventory),
            "walletsMerged": len(source.wallet.amounts),
            "walletLedgerRowsMoved": self.move_holdings(source.wallet, target.wallet),
        }
        touched = self.move_lobbies(source, target)
        source.grants, source.lobbies = [], []
        source.inventory, source.wallet = Holdings(), Holdings()
        return {**counts, "lobbiesTouched": touched, "leaderboardsScrubbed": touched}

    def move_grants(self, source: Player, target: Player) -> int:
        """The target owns the source's grants (MERGE-3)."""
        for grant in source.grants:
            grant.player = target
        target.grants = sorted(target.grants + source.grants, key=lambda grant: grant.created_at)
        return len(source.grants)

    def move_holdings(self, source: Holdings, target: Holdings) -> int:
        """Sum on shared keys, move the others (MERGE-2)."""
        for key, amount in source.amounts.items():
            target.amounts[key] = target.amounts.get(key, 0) + amount
        target.rows += source.rows
        return source.rows

    def move_lobbies(self, source: Player, target: Player) -> int:
        """The target takes the source's seats, one in each lobby (MERGE-4)."""
        for lobby in source.lobbies:
            seats = [target if member is source else member for member in lobby.members]
            lobby.members = list(dict.fromkeys(seats))
            if lobby not in target.lobbies:
                target.lobbies.append(lobby)
        target.lobbies.sort(key=lambda lobby: lobby.created_at)
        return len(source.lobbies)

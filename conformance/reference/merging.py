"""MERGE: merges one player into another."""

import uuid
from typing import Any

from .bodies import MAX_AMOUNT
from .errors import unprocessable
from .replies import Reply
from .state import GameState, Holdings, Player, now, stamp


class Merging:
    """Merges within one game."""

    def __init__(self, state: GameState) -> None:
        self.state = state

    def merge(self, source_id: str, target_id: str) -> Reply:
        """Move everything, or answer a replay (MERGE-1, MERGE-6, MERGE-7)."""
        done = self.earlier(source_id, target_id)
        if done is not None:
            return Reply(200, {**done, "status": "no_op_already_merged"})
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
        self.state.merges[source_id, target.id] = answer
        return Reply(200, answer)

    def earlier(self, source_id: str, target_id: str) -> dict[str, Any] | None:
        """The answer to the merge that this call repeats, or None."""
        target = self.state.players.get(target_id)
        if target is None or source_id in self.state.players:
            return None
        return self.state.merges.get((source_id, target.id))

    def check(self, source: Player, target: Player) -> None:
        """Refuse merges that make no sense, before anything moves (MERGE-7)."""
        if source is target:
            raise unprocessable("a player cannot be merged into itself")
        if target.banned_at is not None:
            raise unprocessable("the target is banned")
        for ours, theirs in (
            (source.wallet.amounts, target.wallet.amounts),
            (source.inventory.amounts, target.inventory.amounts),
        ):
            if any(ours[key] + theirs[key] > MAX_AMOUNT for key in ours.keys() & theirs.keys()):
                raise unprocessable("a sum would exceed the largest exact number")

    def free(self, source_id: str) -> None:
        """Give the source's id back: the next contact makes a new player (MERGE-5)."""
        del self.state.players[source_id]

    def move(self, source: Player, target: Player) -> dict[str, int]:
        """Move everything to the target and count it (MERGE-2 to MERGE-4)."""
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
        target.first_seen = min(target.first_seen, source.first_seen)
        target.registered_at = target.registered_at or source.registered_at
        target.context_snapshot = target.context_snapshot or source.context_snapshot
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

"""Faults of merges."""

from typing import Any

from conformance.faults import building_blocks as kit
from conformance.reference.grants import SCOPE
from conformance.reference.merging import Merging
from conformance.reference.operations import Call
from conformance.reference.replies import Reply
from conformance.reference.services import Services
from conformance.reference.state import GameState, Holdings, Player


@kit.medium("merge-ids-swapped", "MERGE-1 MERGE-6 HTTP-4")
@kit.change_data("mergePlayer")
def ids_swapped(_: kit.Data, call: Call, __: Services) -> kit.Data:
    """The answer swaps the external ids of source and target."""
    source_id, target_id = call.path.values()
    return {"fromExternalPlayerId": target_id, "toExternalPlayerId": source_id}


@kit.subtle("merge-keeps-larger", "MERGE-2 MERGE-6 MERGE-8")
class KeepsLarger(Merging):
    """Of two holdings with one key the larger remains."""

    def move_holdings(self, source: Holdings, target: Holdings) -> int:
        for key, amount in source.amounts.items():
            target.amounts[key] = max(amount, target.amounts.get(key, 0))
        return source.rows


@kit.subtle("merge-wraps-at-31-bits", "MERGE-2")
class Wraps(Merging):
    """The server stores sums in 32 bits."""

    def move_holdings(self, source: Holdings, target: Holdings) -> int:
        rows = super().move_holdings(source, target)
        for key, amount in target.amounts.items():
            if key in source.amounts:
                target.amounts[key] = amount % 2**31
        return rows


@kit.subtle("merge-leaves-source", "MERGE-5 MERGE-2 MERGE-6")
class LeavesHoldings(GameState):
    """The merge copies the holdings, which return with the source's id."""

    def ensure(self, external_id: str) -> Player:
        new = external_id not in self.players
        player = super().ensure(external_id)
        if new and any(gone == external_id for gone, _ in self.merges):
            target = next(to for (gone, to) in self.merges if gone == external_id)
            rows = [known for known in self.players.values() if known.id == target]
            player.wallet.amounts.update(rows[0].wallet.amounts if rows else {})
        return player


@kit.subtle("merge-forgets-acks", "MERGE-3 ACK-4")
class ForgetsAcks(Merging):
    """Moved grants are pending again."""

    def move_grants(self, source: Player, target: Player) -> int:
        for grant in source.grants:
            grant.claimed_at = grant.acked_by = None
        return super().move_grants(source, target)


@kit.subtle("merge-lobbies-twice", "MERGE-4")
class LobbiesTwice(Merging):
    """A lobby of both players is listed twice."""

    def move_lobbies(self, source: Player, target: Player) -> int:
        both = [lobby for lobby in source.lobbies if lobby in target.lobbies]
        moved = super().move_lobbies(source, target)
        target.lobbies += both
        return moved


@kit.subtle("merge-source-is-alias", "MERGE-5 MERGE-6 MERGE-9 ACK-3 MERGE-2 MERGE-3 HTTP-4")
class SourceIsAlias(Merging):
    """The source's id becomes another id of the target."""

    def merge(self, source_id: str, target_id: str) -> Reply:
        target = self.state.players.get(target_id)
        reply = super().merge(source_id, target_id)
        if target is not None and reply.data["status"] == "merged":
            self.state.players[source_id] = target
        return reply


@kit.subtle("merge-no-op-forever", "MERGE-6 MERGE-1")
class NoOpForever(Merging):
    """A second merge of two ids is always a no-op, even if a new player has the id."""

    def earlier(self, source_id: str, target_id: str) -> dict[str, Any] | None:
        target = self.state.players.get(target_id)
        return self.state.merges.get((source_id, target.id)) if target else None


@kit.subtle("merge-replay-adds-again", "MERGE-6 MERGE-8")
class ReplayAddsAgain(Merging):
    """A replay reports a no-op and adds the source's balances again."""

    def check(self, source: Player, target: Player) -> None:
        super().check(source, target)
        kit.scratch(self.state, "moved")[target.id] = dict(source.wallet.amounts)

    def merge(self, source_id: str, target_id: str) -> Reply:
        reply = super().merge(source_id, target_id)
        if reply.data["status"] == "no_op_already_merged":
            target = self.state.known(target_id)
            moved = kit.scratch(self.state, "moved").get(target.id, {})
            for key, amount in moved.items():
                target.wallet.add(key, amount)
        return reply


@kit.medium("merge-into-banned", "MERGE-7")
class IntoBanned(Merging):
    """The server merges into a banned target."""

    def check(self, source: Player, target: Player) -> None:
        banned, target.banned_at = target.banned_at, None
        super().check(source, target)
        target.banned_at = banned


@kit.subtle("merge-checks-late", "MERGE-7")
class ChecksLate(Merging):
    """The server checks the target's ban after it has moved the wallet."""

    def check(self, source: Player, target: Player) -> None:
        if source is not target:
            self.move_holdings(source.wallet, target.wallet)
            source.wallet = Holdings()
        super().check(source, target)


@kit.subtle("merge-race", "MERGE-8 MERGE-2 MERGE-3", racing=("mergePlayer",))
class Race(Merging):
    """The server reads holdings, then adds: two simultaneous merges add them twice."""

    def move_holdings(self, source: Holdings, target: Holdings) -> int:
        amounts = dict(source.amounts)
        kit.gap()
        for key, amount in amounts.items():
            target.add(key, amount)
        return len(amounts)

    def free(self, source_id: str) -> None:
        self.state.players.pop(source_id, None)


@kit.subtle("merge-frees-grant-keys", "MERGE-9 GRANT-5 DEL-9")
class FreesGrantKeys(Merging):
    """The idempotency keys of the source's grants are free after the merge."""

    def move(self, source: Player, target: Player) -> dict[str, int]:
        used = self.state.remembered(SCOPE)
        for key in [key for key, first in used.items() if first.player is source]:
            del used[key]
        return super().move(source, target)

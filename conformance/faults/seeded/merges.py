"""Faults of merges."""

from dataclasses import replace
from typing import Any

from conformance.faults.tools import MEDIUM, OBVIOUS, SUBTLE, fault, gap, notes
from conformance.reference import operations
from conformance.reference.errors import conflict, not_found, unprocessable
from conformance.reference.grants import SCOPE
from conformance.reference.merging import Merging
from conformance.reference.replies import Reply
from conformance.reference.state import GameState, Holdings, Player


class Retold(Merging):
    """Answers a merge otherwise."""

    def merge(self, source_id: str, target_id: str) -> Reply:
        reply = super().merge(source_id, target_id)
        return replace(reply, data={**reply.data, **self.told(reply.data)})

    def told(self, data: dict[str, Any]) -> dict[str, Any]:
        """The members of the answer that differ."""
        raise NotImplementedError


@fault("merge-ids-swapped", "MERGE-1", "MERGE-6", "HTTP-4", difficulty=MEDIUM)
class IdsSwapped(Retold):
    """The answer names the source as target and the other way round."""

    def told(self, data: dict[str, Any]) -> dict[str, Any]:
        return {
            "fromExternalPlayerId": data["toExternalPlayerId"],
            "toExternalPlayerId": data["fromExternalPlayerId"],
        }


@fault("merge-short-placeholder", "MERGE-1", difficulty=SUBTLE)
class ShortPlaceholder(Retold):
    """The placeholder holds half a uuid."""

    def told(self, data: dict[str, Any]) -> dict[str, Any]:
        placeholder = str(data["anonymizedExternalPlayerId"])
        return {"anonymizedExternalPlayerId": f"{placeholder[:17]}__"}


@fault("merge-always-merged", "MERGE-6", "MERGE-8", difficulty=MEDIUM)
class AlwaysMerged(Retold):
    """A replay says `merged`."""

    def told(self, data: dict[str, Any]) -> dict[str, Any]:
        return {"status": "merged"}


@fault("merge-banned-source", "MERGE-1", difficulty=SUBTLE)
class BannedSource(Merging):
    """A banned source cannot be merged away."""

    def check(self, source: Player, target: Player) -> None:
        super().check(source, target)
        if source.banned_at is not None:
            raise unprocessable("the source is banned")


@fault("merge-overwrites", "MERGE-2", "MERGE-6", "MERGE-8", difficulty=MEDIUM)
class Overwrites(Merging):
    """The source's holdings replace the target's."""

    def move_holdings(self, source: Holdings, target: Holdings) -> int:
        target.amounts.update(source.amounts)
        return source.rows


@fault("merge-keeps-larger", "MERGE-2", "MERGE-6", "MERGE-8", difficulty=SUBTLE)
class KeepsLarger(Merging):
    """Of a shared key the larger holding stays."""

    def move_holdings(self, source: Holdings, target: Holdings) -> int:
        for key, amount in source.amounts.items():
            target.amounts[key] = max(amount, target.amounts.get(key, 0))
        return source.rows


@fault("merge-shared-only", "MERGE-2", difficulty=SUBTLE)
class SharedOnly(Merging):
    """Holdings of keys that the target lacks are lost."""

    def move_holdings(self, source: Holdings, target: Holdings) -> int:
        for key in source.amounts.keys() & target.amounts.keys():
            target.amounts[key] += source.amounts[key]
        return source.rows


@fault("merge-wallet-only", "MERGE-2", "MERGE-5", "MERGE-6", "MERGE-8", difficulty=MEDIUM)
class WalletOnly(Merging):
    """The inventory is forgotten."""

    def move(self, source: Player, target: Player) -> dict[str, int]:
        source.inventory = Holdings()
        return super().move(source, target)


@fault("merge-wraps-at-31-bits", "MERGE-2", difficulty=SUBTLE)
class Wraps(Merging):
    """Sums are kept in 32 bits."""

    def move_holdings(self, source: Holdings, target: Holdings) -> int:
        rows = super().move_holdings(source, target)
        for key, amount in target.amounts.items():
            if key in source.amounts:
                target.amounts[key] = amount % 2**31
        return rows


@fault("merge-leaves-source", "MERGE-5", difficulty=SUBTLE)
class LeavesHoldings(GameState):
    """The holdings of a merged-away row are copied, and come back with the id."""

    def ensure(self, external_id: str) -> Player:
        new = external_id not in self.players
        player = super().ensure(external_id)
        if new and any(gone == external_id for gone, _ in self.merges):
            target = next(to for (gone, to) in self.merges if gone == external_id)
            rows = [known for known in self.players.values() if known.id == target]
            player.wallet.amounts.update(rows[0].wallet.amounts if rows else {})
        return player


@fault("merge-grants-left", "MERGE-3", "MERGE-8", "MERGE-9", difficulty=MEDIUM)
class GrantsLeft(Merging):
    """Grants stay with the row that was merged away."""

    def move_grants(self, source: Player, target: Player) -> int:
        return len(source.grants)


@fault("merge-pending-grants-only", "MERGE-3", difficulty=SUBTLE)
class PendingOnly(Merging):
    """Claimed grants are not moved."""

    def move_grants(self, source: Player, target: Player) -> int:
        source.grants = [grant for grant in source.grants if grant.claimed_at is None]
        return super().move_grants(source, target)


@fault("merge-forgets-acks", "MERGE-3", difficulty=SUBTLE)
class ForgetsAcks(Merging):
    """Moved grants are pending again."""

    def move_grants(self, source: Player, target: Player) -> int:
        for grant in source.grants:
            grant.claimed_at = grant.acked_by = None
        return super().move_grants(source, target)


@fault("merge-grants-listed-only", "MERGE-3", difficulty=SUBTLE)
class ListedOnly(Merging):
    """Moved grants are listed with the target and still belong to the source."""

    def move_grants(self, source: Player, target: Player) -> int:
        target.grants = target.grants + source.grants
        return len(source.grants)


@fault("merge-counts-all-grants", "MERGE-3", difficulty=SUBTLE)
class CountsAll(Merging):
    """`grantsReassigned` counts the target's own grants too."""

    def move_grants(self, source: Player, target: Player) -> int:
        super().move_grants(source, target)
        return len(target.grants)


@fault("merge-lobbies-twice", "MERGE-4", difficulty=SUBTLE)
class LobbiesTwice(Merging):
    """A lobby in which both were is listed twice."""

    def move_lobbies(self, source: Player, target: Player) -> int:
        both = [lobby for lobby in source.lobbies if lobby in target.lobbies]
        moved = super().move_lobbies(source, target)
        target.lobbies += both
        return moved


@fault("merge-lobbies-left", "MERGE-4", difficulty=MEDIUM)
class LobbiesLeft(Merging):
    """Lobbies stay with the row that was merged away."""

    def move_lobbies(self, source: Player, target: Player) -> int:
        return len(source.lobbies)


@fault("merge-source-stays", "MERGE-5", "MERGE-6", "MERGE-8", "MERGE-9", difficulty=MEDIUM)
class SourceStays(Merging):
    """The source stays, emptied."""

    def free(self, source_id: str) -> None:
        self.state.players[source_id].external_id = source_id


@fault("merge-source-is-alias", "MERGE-5", "MERGE-6", "MERGE-9", difficulty=SUBTLE)
class SourceIsAlias(Merging):
    """The source's id leads to the target from then on."""

    def merge(self, source_id: str, target_id: str) -> Reply:
        target = self.state.players.get(target_id)
        reply = super().merge(source_id, target_id)
        if target is not None and reply.data["status"] == "merged":
            self.state.players[source_id] = target
        return reply


@fault("merge-id-locked", "MERGE-5", "MERGE-6", "MERGE-9", difficulty=SUBTLE)
class IdLocked(GameState):
    """An id that was merged away can never be used again."""

    def ensure(self, external_id: str) -> Player:
        if external_id not in self.players and any(gone == external_id for gone, _ in self.merges):
            raise conflict("the player was merged")
        return super().ensure(external_id)


@fault("merge-replay-404", "MERGE-6", "MERGE-8", difficulty=MEDIUM)
class Replay404(Merging):
    """A replay does not find the source any more."""

    def earlier(self, source_id: str, target_id: str) -> dict[str, Any] | None:
        return None


@fault("merge-replay-other-target", "MERGE-6", "MERGE-7", difficulty=SUBTLE)
class ReplayOtherTarget(Merging):
    """A merge of an id that was merged away is a no-op whatever the target."""

    def earlier(self, source_id: str, target_id: str) -> dict[str, Any] | None:
        found = [done for (gone, _), done in self.state.merges.items() if gone == source_id]
        known = source_id in self.state.players or target_id not in self.state.players
        return found[-1] if found and not known else None


@fault("merge-no-op-forever", "MERGE-6", difficulty=SUBTLE)
class NoOpForever(Merging):
    """A pair that was merged once is a no-op forever, also when a new player has the id."""

    def earlier(self, source_id: str, target_id: str) -> dict[str, Any] | None:
        target = self.state.players.get(target_id)
        return self.state.merges.get((source_id, target.id)) if target else None


@fault("merge-replay-adds-again", "MERGE-6", difficulty=SUBTLE)
class ReplayAddsAgain(Merging):
    """A replay answers the no-op and adds the source's balances once more."""

    def check(self, source: Player, target: Player) -> None:
        super().check(source, target)
        notes(self.state, "moved")[target.id] = dict(source.wallet.amounts)

    def merge(self, source_id: str, target_id: str) -> Reply:
        reply = super().merge(source_id, target_id)
        if reply.data["status"] == "no_op_already_merged":
            target = self.state.known(target_id)
            moved = notes(self.state, "moved").get(target.id, {})
            for key, amount in moved.items():
                target.wallet.add(key, amount)
        return reply


@fault("merge-with-itself", "MERGE-7", "ERR-1", "ERR-2", difficulty=MEDIUM)
class WithItself(Merging):
    """A merge of a player with itself is a success that changes nothing."""

    def merge(self, source_id: str, target_id: str) -> Reply:
        if source_id != target_id:
            return super().merge(source_id, target_id)
        player = self.state.known(source_id)
        counts = {
            **dict.fromkeys(("attemptsReassigned", "grantsReassigned", "itemsMerged"), 0),
            **dict.fromkeys(("itemLedgerRowsMoved", "walletsMerged", "walletLedgerRowsMoved"), 0),
            **dict.fromkeys(("lobbiesTouched", "leaderboardsScrubbed"), 0),
        }
        return Reply(
            200,
            {
                "fromPlayerId": player.id,
                "fromExternalPlayerId": source_id,
                "toPlayerId": player.id,
                "toExternalPlayerId": target_id,
                "anonymizedExternalPlayerId": None,
                "counts": counts,
                "mergedAt": "2026-01-01T00:00:00Z",
                "status": "merged",
            },
        )


@fault("merge-into-banned", "MERGE-7", difficulty=MEDIUM)
class IntoBanned(Merging):
    """A banned target takes the merge."""

    def check(self, source: Player, target: Player) -> None:
        banned, target.banned_at = target.banned_at, None
        super().check(source, target)
        target.banned_at = banned


@fault("merge-checks-late", "MERGE-7", difficulty=SUBTLE)
class ChecksLate(Merging):
    """The target's ban is looked at when the wallet has already moved."""

    def check(self, source: Player, target: Player) -> None:
        if source is not target:
            self.move_holdings(source.wallet, target.wallet)
            source.wallet = Holdings()
        super().check(source, target)


@fault("merge-makes-target", "MERGE-7", difficulty=SUBTLE)
class MakesTarget(Merging):
    """A missing target is made before the source is looked up."""

    def merge(self, source_id: str, target_id: str) -> Reply:
        if target_id not in self.state.players:
            self.state.ensure(target_id)
            raise not_found("player")
        return super().merge(source_id, target_id)


@fault("merge-missing-422", "MERGE-7", "ERR-2", difficulty=OBVIOUS)
class Missing422(Merging):
    """A missing source gets 422."""

    def merge(self, source_id: str, target_id: str) -> Reply:
        known = source_id in self.state.players or self.earlier(source_id, target_id)
        if not known:
            raise unprocessable("the source is unknown")
        return super().merge(source_id, target_id)


@fault("merge-race", "MERGE-8", difficulty=SUBTLE, racing=(operations.merge_player,))
class Race(Merging):
    """Holdings are read, then added: two merges at once add them twice."""

    def move_holdings(self, source: Holdings, target: Holdings) -> int:
        amounts = dict(source.amounts)
        gap()
        for key, amount in amounts.items():
            target.add(key, amount)
        return len(amounts)

    def free(self, source_id: str) -> None:
        self.state.players.pop(source_id, None)


@fault("merge-race-500", "MERGE-8", "ERR-3", difficulty=SUBTLE, racing=(operations.merge_player,))
class Race500(Merging):
    """The second of two merges at once finds the source's row gone: 500."""

    def merge(self, source_id: str, target_id: str) -> Reply:
        known = source_id in self.state.players
        gap()
        with self.state.lock:
            if known and source_id not in self.state.players:
                raise KeyError(source_id)
            return super().merge(source_id, target_id)


@fault("merge-frees-grant-keys", "MERGE-9", difficulty=SUBTLE)
class FreesGrantKeys(Merging):
    """The idempotency keys of the source's grants are free after the merge."""

    def move(self, source: Player, target: Player) -> dict[str, int]:
        used = self.state.remembered(SCOPE)
        for key in [key for key, first in used.items() if first.player is source]:
            del used[key]
        return super().move(source, target)

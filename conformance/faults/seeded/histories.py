"""Faults that show only where different calls about one player run at the same time."""

import threading
from concurrent.futures import Future
from contextlib import AbstractContextManager
from threading import RLock
from typing import Any

from conformance.faults import building_blocks as kit
from conformance.reference.bodies import Adjustment, InventoryRow, WalletRow
from conformance.reference.erasure import Gdpr
from conformance.reference.errors import ApiError, conflict
from conformance.reference.imports import Imports
from conformance.reference.ledger import Ledger
from conformance.reference.merging import Merging
from conformance.reference.replies import Reply
from conformance.reference.state import GameState, Holdings, Player


def lock_of(state: GameState, name: str) -> AbstractContextManager[object]:
    """The lock of this name; it serialises one kind of calls."""
    lock: AbstractContextManager[object] = kit.scratch(state, "locks").setdefault(name, RLock())
    return lock


@kit.subtle("mixed-up-and-down", "LEDGER-6 LEDGER-11 MERGE-2 MIG-7", racing=(*kit.UP, *kit.DOWN))
class UpAndDown(Ledger):
    """Increments and decrements have separate locks, and overwrite each other."""

    def once(self, change: str, *rest: Any) -> Reply:
        with lock_of(self.state, change):
            return super().once(change, *rest)

    def add(self, external_id: str, key: str, amount: int) -> int:
        return kit.slowly(self.holdings(self.state.ensure(external_id)), key, amount)

    def take(self, external_id: str, key: str, amount: int) -> int:
        player = self.state.players.get(external_id)
        if player is None or self.holdings(player).amounts.get(key, 0) < amount:
            raise conflict("more than is held")
        return kit.slowly(self.holdings(player), key, -amount)


class LockedLedger(Ledger):
    """Changes of holdings share one lock, and are slow."""

    def once(self, *arguments: Any) -> Reply:
        with lock_of(self.state, "changes"):
            return super().once(*arguments)

    def add(self, external_id: str, key: str, amount: int) -> int:
        return kit.slowly(self.holdings(self.state.ensure(external_id)), key, amount)


@kit.subtle(
    "mixed-import-and-change",
    "MIG-7 LEDGER-6 LEDGER-11 MERGE-2",
    parts=(LockedLedger,),
    racing=(*kit.UP, *kit.DOWN, "migrateWallet", "migrateInventory"),
)
class ImportAndChange(Imports):
    """Imports and other changes have separate locks, and overwrite each other."""

    def batch(self, *arguments: Any) -> Reply:
        with lock_of(self.state, "imports"):
            return super().batch(*arguments)

    def holding(self, ledger: Ledger, row: WalletRow | InventoryRow) -> None:
        ledger.check_key(row.key)
        player = self.state.ensure(row.externalPlayerId)
        kit.slowly(ledger.holdings(player), row.key, row.amount)


@kit.subtle("mixed-replay-tells-now", "LEDGER-3", racing=kit.UP)
class ReplayTellsNow(Ledger):
    """A replay waits for its first call in flight, then answers the current holding."""

    def once(self, change: str, external_id: str, key: str, amount: int, body: Adjustment) -> Reply:
        if body.idempotencyKey is None:
            with self.state.lock:
                return super().once(change, external_id, key, amount, body)
        flying: dict[str, threading.Event] = kit.scratch(self.state, f"flying {self.name}")
        first = flying.get(body.idempotencyKey)
        if first is not None:
            first.wait()
            held = self.holdings(self.state.players[external_id]).amounts[key]
            return Reply(200, {self.key_field: key, self.holding_field: held, "applied": False})
        flying[body.idempotencyKey] = threading.Event()
        try:
            with self.state.lock:
                reply = super().once(change, external_id, key, amount, body)
            kit.gap()
            return reply
        finally:
            flying.pop(body.idempotencyKey).set()


class LockedMerging(Merging):
    """Merges share one lock, which excludes no other operation."""

    def merge(self, source_id: str, target_id: str) -> Reply:
        with lock_of(self.state, "merges"):
            return super().merge(source_id, target_id)


@kit.subtle("mixed-merge-loses-credit", "MERGE-2 MERGE-3", racing=("mergePlayer",))
class MergeLosesCredit(LockedMerging):
    """The merge loses an increment of the source after its read."""

    def move_holdings(self, source: Holdings, target: Holdings) -> int:
        read = dict(source.amounts)
        kit.gap()
        for key, amount in read.items():
            target.add(key, amount)
        return len(read)


@kit.subtle("mixed-merge-overwrites-target", "MERGE-2 MERGE-3", racing=("mergePlayer",))
class MergeOverwritesTarget(LockedMerging):
    """The merge loses an increment of the target before its write."""

    def move_holdings(self, source: Holdings, target: Holdings) -> int:
        sums = {k: target.amounts.get(k, 0) + amount for k, amount in source.amounts.items()}
        kit.gap()
        target.amounts.update(sums)
        return source.rows


@kit.subtle("mixed-merge-loses-ack", "MERGE-3 ACK-4 MERGE-2", racing=("mergePlayer",))
class MergeLosesAck(LockedMerging):
    """An ack during the merge is lost: the grant is pending again."""

    def move_grants(self, source: Player, target: Player) -> int:
        read = [(grant, grant.claimed_at, grant.acked_by) for grant in source.grants]
        kit.gap()
        moved = super().move_grants(source, target)
        for grant, claimed_at, acked_by in read:
            grant.claimed_at, grant.acked_by = claimed_at, acked_by
        return moved


@kit.subtle("mixed-merge-torn", "MERGE-2 MERGE-3", racing=("mergePlayer",))
class MergeTorn(LockedMerging):
    """The source disappears some milliseconds before the target has its holdings."""

    def move(self, source: Player, target: Player) -> dict[str, int]:
        del self.state.players[source.external_id]
        kit.gap(4)
        return super().move(source, target)

    def free(self, source_id: str) -> None:
        """Does nothing: the id is free already."""


@kit.subtle("mixed-exports-shared", "LEDGER-11 MERGE-2 ACK-4 MERGE-3", racing=("exportPlayer",))
class ExportsShared(Gdpr):
    """An export returns the older answer of another export in flight."""

    def export(self, external_id: str) -> Reply:
        flying: dict[str, Future[Reply]] = kit.scratch(self.state, "exports")
        shared = flying.get(external_id)
        if shared is not None:
            return shared.result()
        mine = flying[external_id] = Future()
        try:
            with self.state.lock:
                mine.set_result(super().export(external_id))
            kit.gap(4)
        except ApiError as error:
            mine.set_exception(error)
        finally:
            flying.pop(external_id, None)
        return mine.result()


@kit.subtle("mixed-export-of-oldest-write", "LEDGER-11", racing=(*kit.UP, *kit.DOWN))
class ExportOfOldestWrite(Ledger):
    """During a decrement, exports show the holdings before it."""

    def once(self, change: str, external_id: str, *rest: Any) -> Reply:
        player = self.state.players.get(external_id)
        if change == "increment" or player is None:
            with self.state.lock:
                return super().once(change, external_id, *rest)
        flying: list[list[tuple[str, int]]] = kit.scratch(self.state, self.name).setdefault(
            player, []
        )
        before = list(self.holdings(player).amounts.items())
        flying.append(before)
        try:
            kit.gap(4)
            with self.state.lock:
                return super().once(change, external_id, *rest)
        finally:
            flying.remove(before)

    def listing(self, player: Player) -> list[dict[str, Any]]:
        flying = kit.scratch(self.state, self.name).get(player)
        rows = next(iter(flying)) if flying else self.holdings(player).amounts.items()
        return [{self.key_field: key, self.holding_field: held} for key, held in rows if held]

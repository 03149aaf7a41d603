"""Faults of the imports."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

from conformance.faults import building_blocks as kit
from conformance.reference.app import Server
from conformance.reference.bodies import ImportBody, InventoryRow, PlayerRow, WalletRow, fingerprint
from conformance.reference.errors import ApiError, invalid, not_found
from conformance.reference.imports import Imports
from conformance.reference.ledger import Ledger
from conformance.reference.operations import Call, Operation
from conformance.reference.replies import Reply
from conformance.reference.services import Services
from conformance.reference.state import Remembered

COUNTS = ("applied", "skipped", "failed")
Apply = Callable[[Any], None]


@kit.medium("import-index-from-1", "MIG-1 MIG-3")
@kit.change_data(*kit.IMPORTS)
def index_from_1(data: kit.Data, *_: Any) -> kit.Data:
    """`rowIndex` begins at 1."""
    return {"failures": [{**row, "rowIndex": row["rowIndex"] + 1} for row in data["failures"]]}


@kit.subtle("import-failures-of-players", "MIG-1 MIG-3")
@kit.change_data(*kit.IMPORTS)
def failures_of_players(data: kit.Data, *_: Any) -> kit.Data:
    """`failures` names each player once, however many of its rows failed."""
    named = {row.get("externalPlayerId"): row for row in data["failures"]}
    return {"failures": list(named.values())}


@kit.subtle("import-key-of-batch", "MIG-2 MIG-1 MIG-5")
class KeyOfBatch(Imports):
    """The server recognises whole batches only: a row applies again in another batch."""

    def batch(self, scope: str, body: ImportBody, shape: type[Any], apply: Apply) -> Reply:
        seen = kit.scratch(self.state, scope)
        whole = fingerprint([bytes(row).decode() for row in body.rows])
        if whole in seen:
            skipped: Reply = seen[whole]
            count = skipped.data["applied"] + skipped.data["skipped"]
            return Reply(200, {**skipped.data, "applied": 0, "skipped": count})
        self.state.remembered(scope).clear()
        seen[whole] = super().batch(scope, body, shape, apply)
        reply: Reply = seen[whole]
        return reply


@kit.subtle("import-key-with-content", "MIG-2")
class KeyWithContent(Imports):
    """A row with a used key and another amount is applied."""

    def row(self, scope: str, row: Any, apply: Apply) -> bool:
        content = msgspec.structs.replace(row, idempotencyKey=fingerprint(row))
        return super().row(scope, content, apply)


@kit.subtle("import-negative-subtracts", "MIG-3 MIG-1")
@kit.change_body("migrateWallet")
def negative_subtracts(body: kit.Data) -> kit.Data:
    """The sign of a negative amount in a wallet row is lost."""
    rows = body.get("rows")
    for row in rows if isinstance(rows, list) else ():
        amount = row.get("amount") if isinstance(row, dict) else None
        if type(amount) is int and amount < 0:
            row["amount"] = -amount
    return body


@kit.subtle("import-bad-row-burns-key", "MIG-3")
class BadRowBurnsKey(Imports):
    """A failed row uses up its key: the corrected row is skipped."""

    def failure(self, index: int, raw: msgspec.Raw, error: ApiError) -> dict[str, Any]:
        try:
            row = msgspec.json.decode(raw)
            kit.scratch(self.state, "burnt")[row["idempotencyKey"]] = True
        except (msgspec.DecodeError, UnicodeDecodeError, TypeError, KeyError, LookupError):
            pass
        return super().failure(index, raw, error)

    def row(self, scope: str, row: Any, apply: Apply) -> bool:
        if row.idempotencyKey in kit.scratch(self.state, "burnt"):
            return False
        return super().row(scope, row, apply)


@kit.subtle("import-999-rows", "MIG-4")
class Rows999(Imports):
    """A batch of 1000 rows is one too many."""

    def batch(self, scope: str, body: ImportBody, shape: type[Any], apply: Apply) -> Reply:
        if len(body.rows) >= 1000:
            raise invalid("$.rows", "too many")
        return super().batch(scope, body, shape, apply)


@kit.subtle("import-too-many-and-done", "MIG-4")
class TooManyAndDone(Server):
    """The server applies each row at once; the 1001st gets 400 and the others remain."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        body = kit.document(call)
        rows = body.get("rows") if isinstance(body, dict) else None
        if operation.id not in kit.IMPORTS or not isinstance(rows, list) or len(rows) <= 1000:
            return super().alone(operation, services, call)
        first = msgspec.json.encode({"rows": rows[:1000]})
        super().alone(operation, services, replace(call, raw=first))
        raise invalid("$.rows", "too many")


@kit.subtle("import-keys-after-batch", "MIG-5")
class KeysAfterBatch(Imports):
    """The server stores keys after the batch: a key that occurs twice in it applies twice."""

    def batch(self, scope: str, body: ImportBody, shape: type[Any], apply: Apply) -> Reply:
        used = self.state.remembered(scope)
        replies = []
        fresh: dict[str, Remembered] = {}
        for raw in body.rows:
            known = set(used)
            replies.append(super().batch(scope, ImportBody(rows=[raw]), shape, apply).data)
            fresh |= {key: used.pop(key) for key in set(used) - known}
        used |= fresh
        failures = [
            {**row, "rowIndex": n} for n, reply in enumerate(replies) for row in reply["failures"]
        ]
        counts = {name: sum(reply[name] for reply in replies) for name in COUNTS}
        return Reply(200, {**counts, "failures": failures})


@kit.medium("import-wallet-needs-player", "MIG-6 MIG-1 MIG-3")
class WalletNeedsPlayer(Imports):
    """A wallet row fails for a player that no other request has created."""

    def holding(self, ledger: Ledger, row: WalletRow | InventoryRow) -> None:
        if isinstance(row, WalletRow) and row.externalPlayerId not in self.state.players:
            raise not_found("player")
        super().holding(ledger, row)


@kit.subtle("import-players-last-fails", "MIG-6")
class PlayersLastFails(Imports):
    """A players row fails if another import has created the player."""

    def player(self, row: PlayerRow) -> None:
        player = self.state.players.get(row.externalPlayerId)
        if player is not None and player.wallet.amounts:
            raise invalid("externalPlayerId", "exists")
        super().player(row)


@kit.subtle("import-sets-within-batch", "MIG-7 MIG-4")
class SetsWithinBatch(Imports):
    """Of several rows for one item in a batch, only the last counts."""

    def batch(self, scope: str, body: ImportBody, shape: type[Any], apply: Apply) -> Reply:
        before: dict[tuple[str, str], int] = {}

        def put(row: Any) -> None:
            if not isinstance(row, InventoryRow):
                return apply(row)
            held = self.state.ensure(row.externalPlayerId).inventory.amounts
            start = before.setdefault((row.externalPlayerId, row.key), held.get(row.key, 0))
            apply(row)
            held[row.key] = start + row.amount
            return None

        return super().batch(scope, body, shape, put)


@kit.medium("import-rows-missing", "MIG-8 ERR-4")
@kit.change_body(*kit.IMPORTS)
def rows_missing(body: kit.Data) -> kit.Data:
    """A batch without rows is an empty one."""
    return {**body, "rows": []} if body.get("rows") is None else body


@kit.medium("import-snapshot-lost", "MIG-9")
class SnapshotLost(Imports):
    """The server does not store the snapshot."""

    def player(self, row: PlayerRow) -> None:
        row.contextSnapshot = None
        super().player(row)


@kit.subtle("import-race", "MIG-10", racing=kit.IMPORTS)
class Race(Imports):
    """The server looks the key up, then applies: two simultaneous batches apply a row twice."""

    def row(self, scope: str, row: Any, apply: Apply) -> bool:
        def slowly(given: Any) -> None:
            kit.gap()
            apply(given)

        return super().row(scope, row, slowly)

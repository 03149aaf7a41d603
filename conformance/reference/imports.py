"""MIG: bulk imports, row by row."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import msgspec

from .bodies import ImportBody, ImportRow, InventoryRow, PlayerRow, WalletRow, fingerprint, read
from .errors import ApiError, reused_key
from .ledger import Inventory, Ledger, Wallet
from .replies import Reply
from .state import GameState, Remembered

Row = TypeVar("Row", bound=ImportRow)


class Imports:
    """The three imports of one game: each row alone, once for each key (MIG-2, MIG-3)."""

    def __init__(self, state: GameState, inventory: Inventory, wallet: Wallet) -> None:
        self.state = state
        self.ledgers: tuple[Ledger, Ledger] = (wallet, inventory)

    def players(self, body: ImportBody) -> Reply:
        """Create players, with the snapshot of their context (MIG-9)."""
        return self.batch("import_players", body, PlayerRow, self.player)

    def wallet(self, body: ImportBody) -> Reply:
        """Add balances (MIG-7)."""
        return self.batch("import_wallet", body, WalletRow, partial(self.holding, self.ledgers[0]))

    def inventory(self, body: ImportBody) -> Reply:
        """Add item holdings (MIG-7)."""
        return self.batch(
            "import_inventory", body, InventoryRow, partial(self.holding, self.ledgers[1])
        )

    def player(self, row: PlayerRow) -> None:
        """Apply one row of the players import."""
        player = self.state.ensure(row.externalPlayerId)
        player.registered_at = player.registered_at or player.last_seen
        if row.contextSnapshot is not None:
            player.context_snapshot = row.contextSnapshot

    def holding(self, ledger: Ledger, row: WalletRow | InventoryRow) -> None:
        """Apply one row of the wallet or the inventory import."""
        ledger.check_key(row.key)
        ledger.add(row.externalPlayerId, row.key, row.amount)

    def batch(
        self, scope: str, body: ImportBody, shape: type[Row], apply: Callable[[Row], None]
    ) -> Reply:
        """Apply each row by itself and count the outcomes (MIG-1)."""
        applied = skipped = 0
        failures: list[dict[str, Any]] = []
        for index, raw in enumerate(body.rows):
            try:
                if self.row(scope, read(raw, shape), apply):
                    applied += 1
                else:
                    skipped += 1
            except ApiError as error:
                failures.append(self.failure(index, raw, error))
        counts = {"applied": applied, "skipped": skipped, "failed": len(failures)}
        return Reply(200, {**counts, "failures": failures})

    def row(self, scope: str, row: Row, apply: Callable[[Row], None]) -> bool:
        """Apply a row whose key is new; False for a replay; ApiError for a used key."""
        used = self.state.remembered(scope)
        asked = fingerprint(row)
        first = used.get(row.idempotencyKey)
        if first is not None:
            if first.fingerprint != asked:
                raise reused_key()
            return False
        apply(row)
        used[row.idempotencyKey] = Remembered(asked, None, {})
        return True

    def failure(self, index: int, raw: msgspec.Raw, error: ApiError) -> dict[str, Any]:
        """One entry of `failures`, with the player if the row has one."""
        problem = {"code": error.code, "message": error.message}
        shown: dict[str, Any] = {"rowIndex": index, "error": problem}
        try:
            row = msgspec.json.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return shown
        player = row.get("externalPlayerId") if isinstance(row, dict) else None
        return {**shown, "externalPlayerId": player} if isinstance(player, str) else shown

"""MIG: bulk imports, row by row."""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from .bodies import ImportBody, ImportRow, InventoryRow, PlayerRow, WalletRow, fingerprint, read
from .errors import ApiError, reused_key
from .ledger import Inventory, Wallet
from .replies import Reply
from .state import GameState, Remembered

Row = TypeVar("Row", bound=ImportRow)


class Imports:
    """The three imports of one game. A row goes in alone, once for each key (MIG-2, MIG-3)."""

    def __init__(self, state: GameState, inventory: Inventory, wallet: Wallet) -> None:
        self.state = state
        self.ledger_of_items = inventory
        self.ledger_of_currencies = wallet

    def players(self, body: ImportBody) -> Reply:
        """Create players, with the snapshot of where they were (MIG-9)."""
        return self.batch("import_players", body, PlayerRow, self.player)

    def wallet(self, body: ImportBody) -> Reply:
        """Add balances (MIG-7)."""
        return self.batch("import_wallet", body, WalletRow, self.balance)

    def inventory(self, body: ImportBody) -> Reply:
        """Add item holdings (MIG-7)."""
        return self.batch("import_inventory", body, InventoryRow, self.item)

    def player(self, row: PlayerRow) -> None:
        """Apply one row of the players import."""
        player = self.state.ensure(row.externalPlayerId)
        player.registered_at = player.registered_at or player.last_seen
        if row.contextSnapshot is not None:
            player.context_snapshot = row.contextSnapshot

    def balance(self, row: WalletRow) -> None:
        """Apply one row of the wallet import."""
        self.ledger_of_currencies.check_key(row.economyKey)
        self.ledger_of_currencies.add(row.externalPlayerId, row.economyKey, row.amount)

    def item(self, row: InventoryRow) -> None:
        """Apply one row of the inventory import."""
        self.ledger_of_items.check_key(row.itemKey)
        self.ledger_of_items.add(row.externalPlayerId, row.itemKey, row.quantity)

    def batch(
        self, scope: str, body: ImportBody, shape: type[Row], apply: Callable[[Row], None]
    ) -> Reply:
        """Take each row by itself and count what became of it (MIG-1)."""
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
        return Reply(
            200,
            {
                "applied": applied,
                "skipped": skipped,
                "failed": len(failures),
                "failures": failures,
            },
        )

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
        """One entry of `failures`; the player is named where the row names one."""
        shown: dict[str, Any] = {
            "rowIndex": index,
            "error": {"code": error.code, "message": error.message},
        }
        try:
            row = msgspec.json.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return shown
        player = row.get("externalPlayerId") if isinstance(row, dict) else None
        return {**shown, "externalPlayerId": player} if isinstance(player, str) else shown

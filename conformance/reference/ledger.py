"""INV and WALLET: one set of rules on two ledgers (LEDGER-1 to LEDGER-12)."""

from typing import Any

from .bodies import MAX_AMOUNT, Adjustment, ItemBody, WalletBody, fingerprint
from .errors import conflict, unknown_key
from .replies import Reply
from .state import GameState, Holdings, Player, Remembered


class Ledger:
    """The rules that wallet and inventory share; a subclass names its fields.

    `name` is the player's column, `catalogue` the game's list of keys.
    """

    name: str
    catalogue: str
    kind: str
    key_field: str
    holding_field: str

    def __init__(self, state: GameState) -> None:
        self.state = state
        self.keys: list[str] = getattr(state.game, self.catalogue)

    def holdings(self, player: Player) -> Holdings:
        """The player's column of this ledger."""
        column: Holdings = getattr(player, self.name)
        return column

    def held(self, external_id: str, key: str) -> int:
        """How much the player holds; an unknown player holds nothing."""
        player = self.state.players.get(external_id)
        return self.holdings(player).amounts.get(key, 0) if player else 0

    def increment(self, external_id: str, key: str, body: ItemBody | WalletBody) -> Reply:
        """Add to a holding (LEDGER-1); the first contact creates the player."""
        return self.once("increment", external_id, key, body.amount, body)

    def decrement(self, external_id: str, key: str, body: ItemBody | WalletBody) -> Reply:
        """Take from a holding, never below zero (LEDGER-2)."""
        return self.once("decrement", external_id, key, body.amount, body)

    def once(self, change: str, external_id: str, key: str, amount: int, body: Adjustment) -> Reply:
        """Apply the change, once for each idempotency key (LEDGER-3 to LEDGER-5)."""
        self.check_key(key)
        if body.idempotencyKey is None:
            return Reply(200, self.apply(change, external_id, key, amount))
        asked = self.fingerprint(change, key, body)
        first = self.state.first_use(self.name, body.idempotencyKey, asked, external_id)
        if first is not None:
            return self.replay(first)
        answer = self.apply(change, external_id, key, amount)
        player = self.state.known(external_id)
        self.state.remembered(self.name)[body.idempotencyKey] = Remembered(asked, player, answer)
        return Reply(200, answer)

    def replay(self, first: Remembered) -> Reply:
        """The holding as the first call left it, marked as not applied again (LEDGER-3)."""
        return Reply(200, {**first.answer, "applied": False})

    def fingerprint(self, change: str, key: str, body: Adjustment) -> str:
        """Identifies the request by value (LEDGER-4)."""
        return fingerprint(change, key, body)

    def apply(self, change: str, external_id: str, key: str, amount: int) -> dict[str, Any]:
        """Change the holding and answer it."""
        move = self.take if change == "decrement" else self.add
        holding = move(external_id, key, amount)
        return {self.key_field: key, self.holding_field: holding, "applied": True}

    def add(self, external_id: str, key: str, amount: int) -> int:
        """Add and return the new holding; refuse one beyond the exact numbers (LEDGER-12)."""
        if self.held(external_id, key) + amount > MAX_AMOUNT:
            raise conflict("the holding would exceed the largest exact number")
        return self.holdings(self.state.ensure(external_id)).add(key, amount)

    def take(self, external_id: str, key: str, amount: int) -> int:
        """Take and return the new holding; refuse more than the player holds."""
        player = self.state.players.get(external_id)
        if player is None or self.holdings(player).amounts.get(key, 0) < amount:
            raise conflict("more than is held")
        return self.holdings(player).add(key, -amount)

    def check_key(self, key: str) -> None:
        """Refuse a key that the catalogue does not have (LEDGER-11)."""
        if key not in self.keys:
            raise unknown_key(self.kind, key)

    def listing(self, player: Player) -> list[dict[str, Any]]:
        """The player's holdings as the export lists them; zero is left out."""
        amounts = self.holdings(player).amounts
        return [
            {self.key_field: k, self.holding_field: held} for k, held in amounts.items() if held
        ]


class Inventory(Ledger):
    """Item holdings."""

    name, catalogue, kind = "inventory", "items", "item"
    key_field, holding_field = "itemKey", "quantity"


class Wallet(Ledger):
    """Balances."""

    name, catalogue, kind = "wallet", "currencies", "currency"
    key_field, holding_field = "economyKey", "balance"

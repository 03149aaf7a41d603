"""The three imports, through one interface."""

from collections.abc import Sequence
from typing import Any

from conformance.client.api import Answer
from conformance.testkit.given import Given
from conformance.testkit.ledgers import WORDS, Words, held_in

OPERATIONS = {
    "players": "migratePlayers",
    "wallet": "migrateWallet",
    "inventory": "migrateInventory",
}


class ImportBatch:
    """One of the three imports: `name` is `players`, `wallet` or `inventory`.

    A valid row of the last two adds `amount` to the first declared currency or item.
    """

    amount = 4

    def __init__(self, name: str, given: Given) -> None:
        self.name = name
        self.given = given
        self.operation = OPERATIONS[name]

    @property
    def words(self) -> Words:
        """The API's names for the ledger. KeyError for the players import, which has none."""
        return WORDS[self.name]

    def row(self, player: str | None = None) -> dict[str, Any]:
        """A valid row with a new idempotency key.

        Without `player`, a row of the players import names an unknown one, and a row of the other
        imports a known one: only MIG-6 says that those create players too.
        """
        if player is None:
            player = self.given.player() if self.name in WORDS else self.given.names.player()
        row: dict[str, Any] = {
            "externalPlayerId": player,
            "idempotencyKey": self.given.names.key(),
        }
        if self.name in WORDS:
            key = self.given.world.some(self.words.world_list)[0]
            row |= {self.words.key_field: key, self.words.amount_field: self.amount}
        return row

    def broken(self, fault: str | None = None) -> dict[str, Any]:
        """A row with this fault; without `fault`, the idempotency key is missing."""
        row = self.row()
        if fault is None:
            del row["idempotencyKey"]
            return row
        words = self.words
        change: dict[str, dict[str, Any]] = {
            "unknown key": {words.key_field: "kc-no-such-key"},
            "zero": {words.amount_field: 0},
            "negative": {words.amount_field: -self.amount},
            "no amount": {words.amount_field: None},
            "no key": {words.key_field: None},
        }
        changed = {**row, **change[fault]}
        return {name: value for name, value in changed.items() if value is not None}

    def send(self, rows: Sequence[Any]) -> Answer:
        """Send a batch of rows."""
        return self.post({"rows": list(rows)})

    def post(self, body: dict[str, Any]) -> Answer:
        """Send this body."""
        return self.given.api.call(self.operation, body)

    def has(self, row: dict[str, Any]) -> bool:
        """Whether a valid row was applied, once."""
        player = row["externalPlayerId"]
        if self.name in WORDS:
            return self.held(player) == self.amount
        return self.given.state(player) is not None

    def held(self, player: str) -> int:
        """What the player holds of the item or currency that rows add to."""
        key = self.given.world.some(self.words.world_list)[0]
        return held_in(self.given.export(player), self.name, key)

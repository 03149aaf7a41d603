"""Wallet and inventory through one set of words, since one set of rules holds for both."""

from dataclasses import dataclass
from typing import Any

from conformance.client.api import Answer, JsonObject
from conformance.testkit.given import Given, needed


@dataclass(frozen=True)
class Words:
    """The names that the API has for one ledger."""

    catalogue: str
    increment: str
    decrement: str
    path_field: str
    amount_field: str
    holding_field: str
    key_field: str


WORDS = {
    "wallet": Words(
        catalogue="currencies",
        increment="creditWallet",
        decrement="debitWallet",
        path_field="economyKey",
        amount_field="amount",
        holding_field="balance",
        key_field="economyKey",
    ),
    "inventory": Words(
        catalogue="items",
        increment="grantItem",
        decrement="revokeItem",
        path_field="itemKey",
        amount_field="quantity",
        holding_field="quantity",
        key_field="itemKey",
    ),
}


class Ledger:
    """One ledger of the target: `name` is `wallet` or `inventory`, `key` its first key there."""

    def __init__(self, name: str, given: Given) -> None:
        self.name = name
        self.words = WORDS[name]
        self.given = given

    @property
    def key(self) -> str:
        """The first declared item or currency; NotExercised where there is none."""
        return self.given.world.some(self.words.catalogue)[0]

    @property
    def other_key(self) -> str:
        """A second declared item or currency; NotExercised where there is none."""
        return self.given.world.some(self.words.catalogue, 2)[1]

    def increment(self, player: str, amount: Any, key: str | None = None, **body: Any) -> Answer:
        """Credit or grant; `body` adds further fields, such as `idempotencyKey`."""
        return self._change(self.words.increment, player, amount, key, body)

    def decrement(self, player: str, amount: Any, key: str | None = None, **body: Any) -> Answer:
        """Debit or revoke."""
        return self._change(self.words.decrement, player, amount, key, body)

    def change(self, direction: str, player: str, amount: Any, **body: Any) -> Answer:
        """`increment` or `decrement`, by name."""
        change = self.increment if direction == "increment" else self.decrement
        return change(player, amount, **body)

    def _change(
        self, operation: str, player: str, amount: Any, key: str | None, body: dict[str, Any]
    ) -> Answer:
        path = {"externalId": player, self.words.path_field: key or self.key}
        return self.given.api.call(operation, {self.words.amount_field: amount, **body}, path=path)

    def holding(self, answer: Answer) -> Any:
        """The holding that a success names."""
        return answer.data[self.words.holding_field]

    def held(self, player: str, key: str | None = None) -> int:
        """The holding as the export tells it; 0 where it is not listed."""
        return held_in(self.given.export(player), self.name, key or self.key)

    def filled(self, amount: int, key: str | None = None) -> str:
        """A new player who holds this much."""
        player = self.given.names.player()
        self.fill(player, amount, key)
        return player

    def fill(self, player: str, amount: int, key: str | None = None) -> None:
        """Let the player hold this much more."""
        answer = self.increment(player, amount, key)
        needed(answer, "LEDGER-1", f"a holding of {amount} in the {self.name}")


def held_in(export: JsonObject, ledger: str, key: str) -> int:
    """The holding of a key that an export tells; 0 where it is not listed (LEDGER-11)."""
    words = WORDS[ledger]
    amounts = [row[words.holding_field] for row in export[ledger] if row[words.key_field] == key]
    return int(sum(amounts))

"""Wallet and inventory, through one interface: the same rules hold for both."""

from dataclasses import dataclass
from typing import Any

from conformance.client.api import Answer, JsonObject
from conformance.http.exchange import Request
from conformance.testkit.given import Given, needed

SIGN = {"increment": 1, "decrement": -1}
"""What a change by 1 adds to a holding."""

PROMISED_BY = {"increment": "LEDGER-1", "decrement": "LEDGER-2"}
"""The requirement that says that such a change succeeds."""


@dataclass(frozen=True)
class Words:
    """The API's names for one ledger, and the list of the target's `[world]` with its keys."""

    world_list: str
    increment: str
    decrement: str
    path_field: str
    amount_field: str
    holding_field: str
    key_field: str


WORDS = {
    "wallet": Words(
        world_list="currencies",
        increment="creditWallet",
        decrement="debitWallet",
        path_field="economyKey",
        amount_field="amount",
        holding_field="balance",
        key_field="economyKey",
    ),
    "inventory": Words(
        world_list="items",
        increment="grantItem",
        decrement="revokeItem",
        path_field="itemKey",
        amount_field="quantity",
        holding_field="quantity",
        key_field="itemKey",
    ),
}


class Ledger:
    """One of the two ledgers: `name` is `wallet` or `inventory`."""

    def __init__(self, name: str, given: Given) -> None:
        self.name = name
        self.words = WORDS[name]
        self.given = given

    @property
    def key(self) -> str:
        """The first declared item or currency; NotExercised if there is none."""
        return self.given.world.some(self.words.world_list)[0]

    @property
    def other_key(self) -> str:
        """A second declared item or currency; NotExercised if there is none."""
        return self.given.world.some(self.words.world_list, 2)[1]

    @property
    def other(self) -> "Ledger":
        """The other ledger."""
        name, *_ = WORDS.keys() - {self.name}
        return Ledger(name, self.given)

    def increment(self, player: str, amount: Any, key: str | None = None, **body: Any) -> Answer:
        """Credit or grant; `body` holds further fields, such as `idempotencyKey`."""
        return self.change("increment", player, amount, key, **body)

    def decrement(self, player: str, amount: Any, key: str | None = None, **body: Any) -> Answer:
        """Debit or revoke."""
        return self.change("decrement", player, amount, key, **body)

    def change(
        self, direction: str, player: str, amount: Any, key: str | None = None, **body: Any
    ) -> Answer:
        """`increment` or `decrement`, by name."""
        return Answer(self.given.api.send(self.request(direction, player, amount, key, **body)))

    def changed(self, direction: str, player: str, amount: int, **body: Any) -> Answer:
        """A change that succeeds; otherwise the scenario is blocked."""
        answer = self.change(direction, player, amount, **body)
        return needed(answer, PROMISED_BY[direction], f"{direction} of {amount} in the {self.name}")

    def request(
        self, direction: str, player: str, amount: Any, key: str | None = None, **body: Any
    ) -> Request:
        """The request of a change."""
        fields = {self.words.amount_field: amount, **body}
        return self.raw_request(direction, player, fields, key)

    def raw_request(
        self, direction: str, player: str, body: dict[str, Any], key: str | None = None
    ) -> Request:
        """The request of a change with this body."""
        operation = {"increment": self.words.increment, "decrement": self.words.decrement}
        path = {"externalId": player, self.words.path_field: key or self.key}
        return self.given.api.request(operation[direction], body, path=path)

    def holding(self, answer: Answer) -> Any:
        """The holding that a success reports."""
        return answer.data[self.words.holding_field]

    def held(self, player: str, key: str | None = None) -> int:
        """The holding in the export; 0 if it is not listed."""
        return held_in(self.given.export(player), self.name, key or self.key)

    def filled(self, amount: int, key: str | None = None) -> str:
        """A new player who holds this much."""
        player = self.given.names.player()
        self.fill(player, amount, key)
        return player

    def fill(self, player: str, amount: int, key: str | None = None) -> None:
        """Add this much to what the player holds."""
        answer = self.increment(player, amount, key)
        needed(answer, "LEDGER-1", f"a holding of {amount} in the {self.name}")


def held_in(export: JsonObject, ledger: str, key: str) -> int:
    """The holding of a key in an export; 0 if it is not listed (LEDGER-11)."""
    words = WORDS[ledger]
    amounts = [row[words.holding_field] for row in export[ledger] if row[words.key_field] == key]
    return int(sum(amounts))

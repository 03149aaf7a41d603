"""Servers that keep holdings, and the keys of their changes, in other ways."""

import copy
import json
from dataclasses import replace
from typing import Any

from conformance.faults.variants.registration import variant
from conformance.reference.bodies import Adjustment, ImportBody, InventoryRow, WalletRow
from conformance.reference.erasure import Gdpr
from conformance.reference.imports import Imports
from conformance.reference.ledger import Inventory, Ledger
from conformance.reference.merging import Merging
from conformance.reference.replies import Reply
from conformance.reference.state import GameState, Player

LEDGERS = ("wallet", "inventory")


class KeysOfPlayers(Ledger):
    """Each player has their own idempotency keys."""

    def once(self, change: str, external_id: str, key: str, amount: int, body: Adjustment) -> Reply:
        """Scope the key."""
        if body.idempotencyKey is not None:
            body = copy.copy(body)
            body.idempotencyKey = json.dumps([external_id, body.idempotencyKey])
        return super().once(change, external_id, key, amount, body)


@variant("keys-move", parts=(KeysOfPlayers,))
class KeysMove(Merging):
    """What a key that both players used means after a merge: is what the source did."""

    def move(self, source: Player, target: Player) -> dict[str, int]:
        for used in map(self.state.remembered, LEDGERS):
            for name in [name for name in used if json.loads(name)[0] == source.external_id]:
                moved = json.dumps([target.external_id, json.loads(name)[1]])
                used[moved] = replace(used.pop(name), player=target)
        return super().move(source, target)


def forget_keys(state: GameState, player: Player) -> None:
    """Free the keys with which holdings of the player were changed."""
    for used in map(state.remembered, LEDGERS):
        for key in [key for key, first in used.items() if first.player is player]:
            del used[key]


class KeysEndWithMerge(Merging):
    """A merge frees the source's keys."""

    def move(self, source: Player, target: Player) -> dict[str, int]:
        """Forget the keys, then move."""
        forget_keys(self.state, source)
        return super().move(source, target)


@variant("keys-end", parts=(KeysEndWithMerge,))
class KeysEnd(Gdpr):
    """What a key of a ledger means after a merge or an erasure: is nothing, it is new again."""

    def erase(self, player: Player, external_id: str) -> dict[str, Any]:
        forget_keys(self.state, player)
        return super().erase(player, external_id)


@variant("keys-stay")
class KeysStay(Ledger):
    """The replay of a change whose player is gone: gets the first answer, and creates nobody."""

    def once(self, change: str, external_id: str, key: str, amount: int, body: Adjustment) -> Reply:
        first = self.state.remembered(self.name).get(body.idempotencyKey or "")
        if first is not None and first.player is not None and first.player.external_id[:2] == "__":
            used = first.fingerprint == self.fingerprint(change, key, body)
            if used and external_id not in self.state.players:
                return self.replay(first)
        return super().once(change, external_id, key, amount, body)


@variant("imports-share-keys")
class ImportsShareKeys(Imports):
    """One key for an import and a change of the same ledger: is used by whichever came first."""

    def batch(self, scope: str, body: ImportBody, *rest: Any) -> Reply:
        return super().batch(scope.removeprefix("import_"), body, *rest)


@variant("stacks")
class Stacks(Inventory):
    """In how many rows an export lists an item: are stacks of at most five, with a zero stack."""

    def listing(self, player: Player) -> list[dict[str, Any]]:
        rows = []
        for row in super().listing(player):
            held = row["quantity"]
            first = min(5, held)
            rows.append({"itemKey": row["itemKey"], "quantity": first, "parameters": {"level": 1}})
            rows.append({"itemKey": row["itemKey"], "quantity": held - first, "parameters": None})
        return rows


@variant("unknown-rows-first")
class UnknownRowsFirst(Imports):
    """What is wrong with a row whose key is used and whose item is unknown: is the item."""

    def row(self, scope: str, row: Any, apply: Any) -> bool:
        if isinstance(row, WalletRow):
            self.ledgers[0].check_key(row.key)
        if isinstance(row, InventoryRow):
            self.ledgers[1].check_key(row.key)
        return super().row(scope, row, apply)

"""Faults of wallet and inventory. A class over `Ledger` breaks both."""

import math
import struct
from typing import Any

from conformance.faults.tools import (
    MEDIUM,
    OBVIOUS,
    SUBTLE,
    Rewriting,
    fault,
    gap,
    notes,
)
from conformance.reference import operations
from conformance.reference.bodies import Adjustment, fingerprint
from conformance.reference.errors import ApiError, conflict
from conformance.reference.gdpr import Gdpr
from conformance.reference.ledger import Inventory, Ledger, Wallet
from conformance.reference.operations import Operation
from conformance.reference.replies import Reply
from conformance.reference.state import Player, Remembered

UP = (operations.credit_wallet, operations.grant_item)
DOWN = (operations.debit_wallet, operations.revoke_item)


@fault("ledger-holding-before", "LEDGER-1", "LEDGER-11", "MERGE-2", difficulty=MEDIUM)
class HoldingBefore(Ledger):
    """An increment answers the holding before it."""

    def add(self, external_id: str, key: str, amount: int) -> int:
        return super().add(external_id, key, amount) - amount


@fault("ledger-answers-amount", "LEDGER-2", "LEDGER-11", "LEDGER-12", difficulty=MEDIUM)
class AnswersAmount(Ledger):
    """A decrement answers what was taken."""

    def take(self, external_id: str, key: str, amount: int) -> int:
        super().take(external_id, key, amount)
        return amount


@fault("ledger-unknown-404", "LEDGER-1", "DEL-6", "LEDGER-6", difficulty=OBVIOUS)
class Unknown404(Ledger):
    """An increment for an unknown player gets 404."""

    def add(self, external_id: str, key: str, amount: int) -> int:
        self.state.known(external_id)
        return super().add(external_id, key, amount)


@fault(
    "ledger-overdraft", "LEDGER-2", "LEDGER-6", "MERGE-2", "LEDGER-8", "HTTP-2", difficulty=MEDIUM
)
class Overdraft(Ledger):
    """A holding may fall below zero."""

    def take(self, external_id: str, key: str, amount: int) -> int:
        if external_id not in self.state.players:
            return super().take(external_id, key, amount)
        return self.holdings(self.state.players[external_id]).add(key, -amount)


@fault("ledger-keeps-one", "LEDGER-2", "LEDGER-3", "MERGE-2", difficulty=SUBTLE)
class KeepsOne(Ledger):
    """The last of a holding cannot be taken: the check is off by one."""

    def take(self, external_id: str, key: str, amount: int) -> int:
        player = self.state.players.get(external_id)
        if player and self.holdings(player).amounts.get(key, 0) == amount:
            raise conflict("more than is held")
        return super().take(external_id, key, amount)


@fault("ledger-one-below", "LEDGER-2", "MERGE-2", "DEL-6", "HTTP-2", difficulty=SUBTLE)
class OneBelow(Ledger):
    """One more than is held can be taken: the check is off by one."""

    def take(self, external_id: str, key: str, amount: int) -> int:
        player = self.state.players.get(external_id)
        if player and self.holdings(player).amounts.get(key, 0) == amount - 1:
            return self.holdings(player).add(key, -amount)
        return super().take(external_id, key, amount)


@fault("ledger-takes-what-is-there", "LEDGER-2", "LEDGER-6", "MERGE-2", difficulty=MEDIUM)
class TakesWhatIsThere(Ledger):
    """A decrement of more than is held takes what is there and succeeds."""

    def take(self, external_id: str, key: str, amount: int) -> int:
        player = self.state.players.get(external_id)
        held = self.holdings(player).amounts.get(key, 0) if player else 0
        return super().take(external_id, key, min(amount, held) if held else amount)


@fault("ledger-refused-makes-player", "LEDGER-2", difficulty=SUBTLE)
class RefusedMakesPlayer(Ledger):
    """A refused decrement makes an unknown player."""

    def take(self, external_id: str, key: str, amount: int) -> int:
        self.state.ensure(external_id)
        return super().take(external_id, key, amount)


@fault("ledger-refused-empties", "LEDGER-2", difficulty=SUBTLE)
class RefusedEmpties(Ledger):
    """A decrement far beyond what is held is refused with 409, and the holding is gone."""

    def take(self, external_id: str, key: str, amount: int) -> int:
        player = self.state.players.get(external_id)
        if player and amount > 100 * self.holdings(player).amounts.get(key, 0):
            self.holdings(player).amounts[key] = 0
        return super().take(external_id, key, amount)


@fault("ledger-empty-422", "LEDGER-2", "HTTP-1", "MERGE-2", "ERR-2", difficulty=OBVIOUS)
class Empty422(Ledger):
    """More than is held gets 422."""

    def take(self, external_id: str, key: str, amount: int) -> int:
        try:
            return super().take(external_id, key, amount)
        except ApiError as error:
            error.status = 422
            raise


@fault(
    "ledger-key-ignored", "LEDGER-3", "LEDGER-3.applied", "LEDGER-4", "LEDGER-6", difficulty=MEDIUM
)
class KeyIgnored(Ledger):
    """Idempotency keys are not looked at."""

    def once(self, change: str, external_id: str, key: str, amount: int, body: Adjustment) -> Reply:
        body.idempotencyKey = None
        return super().once(change, external_id, key, amount, body)


@fault("ledger-key-for-increments-only", "LEDGER-3", "LEDGER-4", "LEDGER-6", difficulty=SUBTLE)
class KeyForIncrements(Ledger):
    """A replayed decrement is applied again."""

    def once(self, change: str, external_id: str, key: str, amount: int, body: Adjustment) -> Reply:
        if change == "decrement":
            body.idempotencyKey = None
        return super().once(change, external_id, key, amount, body)


@fault("ledger-replay-tells-now", "LEDGER-3", difficulty=SUBTLE)
class ReplayTellsNow(Ledger):
    """A replay answers the holding of the moment, not the one after the first call."""

    def replay(self, first: Remembered) -> Reply:
        assert first.player is not None
        held = self.holdings(first.player).amounts[first.answer[self.key_field]]
        return Reply(200, {**first.answer, "applied": False, self.holding_field: held})


@fault("ledger-checks-before-key", "LEDGER-3", difficulty=SUBTLE)
class ChecksBeforeKey(Ledger):
    """Whether enough is held is looked at before the key, so a replay can be refused."""

    def once(self, change: str, external_id: str, key: str, amount: int, body: Adjustment) -> Reply:
        player = self.state.players.get(external_id)
        held = self.holdings(player).amounts.get(key, 0) if player else 0
        if change == "decrement" and held < amount:
            raise conflict("more than is held")
        return super().once(change, external_id, key, amount, body)


@fault("ledger-replay-409", "LEDGER-3", "LEDGER-3.applied", "LEDGER-9", difficulty=OBVIOUS)
class Replay409(Ledger):
    """Every second use of a key is a conflict."""

    def replay(self, first: Remembered) -> Reply:
        raise conflict("the key was used")


@fault("ledger-replay-applied", "LEDGER-3.applied", difficulty=MEDIUM)
class ReplayApplied(Ledger):
    """A replay says that it was applied."""

    def replay(self, first: Remembered) -> Reply:
        return Reply(200, first.answer)


@fault("ledger-last-key-only", "LEDGER-3", difficulty=SUBTLE)
class LastKeyOnly(Ledger):
    """Only the newest key of a player is remembered: an older replay is applied again."""

    def once(self, change: str, external_id: str, key: str, amount: int, body: Adjustment) -> Reply:
        reply = super().once(change, external_id, key, amount, body)
        used = self.state.remembered(self.name)
        player = self.state.players[external_id]
        for old in [k for k, first in used.items() if first.player is player]:
            if body.idempotencyKey not in (None, old):
                del used[old]
        return reply


class Fingerprinted(Ledger):
    """Forgets something when it compares bodies."""

    forgets: tuple[str, ...] = ()

    def fingerprint(self, change: str, key: str, body: Adjustment) -> str:
        kept = {k: getattr(body, k) for k in body.__struct_fields__ if k not in self.forgets}
        return fingerprint(change, key, kept)


@fault("ledger-ignores-amount", "LEDGER-4", "LEDGER-4.code", difficulty=MEDIUM)
class IgnoresAmount(Fingerprinted):
    """Another amount with a used key answers the first call."""

    forgets = ("amount", "quantity")


@fault("ledger-ignores-reason", "LEDGER-4", difficulty=SUBTLE)
class IgnoresReason(Fingerprinted):
    """Another reason with a used key answers the first call."""

    forgets = ("reason",)


@fault("ledger-ignores-reference", "LEDGER-4", difficulty=SUBTLE)
class IgnoresReference(Fingerprinted):
    """Another sourceRefId with a used key answers the first call."""

    forgets = ("sourceRefId",)


@fault("ledger-conflict-applies", "LEDGER-4", difficulty=MEDIUM)
class ConflictApplies(Ledger):
    """Another body for a used key is refused with 409 when its change is already written."""

    def once(self, change: str, external_id: str, key: str, amount: int, body: Adjustment) -> Reply:
        try:
            return super().once(change, external_id, key, amount, body)
        except ApiError as error:
            if error.code == "idempotency_conflict":
                self.apply(change, external_id, key, amount)
            raise


@fault("ledger-conflict-code", "LEDGER-4.code", difficulty=OBVIOUS)
class ConflictCode(Ledger):
    """The 409 for a used key is a plain conflict."""

    def once(self, *arguments: Any) -> Reply:
        try:
            return super().once(*arguments)
        except ApiError as error:
            error.code = "conflict"
            raise


@fault("ledger-same-call-is-replay", "LEDGER-5", "LEDGER-6", "LEDGER-12", difficulty=SUBTLE)
class SameCallIsReplay(Ledger):
    """Without a key a call that equals the one before is taken for a double click."""

    def once(self, change: str, external_id: str, key: str, amount: int, body: Adjustment) -> Reply:
        if body.idempotencyKey is not None:
            return super().once(change, external_id, key, amount, body)
        last = notes(self.state, f"last {self.name}")
        call = fingerprint(change, key, body)
        if last.get(external_id, ("", None))[0] == call and external_id in self.state.players:
            return Reply(200, {**last[external_id][1], "applied": False})
        reply = super().once(change, external_id, key, amount, body)
        last[external_id] = (call, reply.data)
        return reply


@fault("ledger-default-key", "LEDGER-5", difficulty=SUBTLE)
class DefaultKey(Ledger):
    """A sourceRefId serves as key where none was sent."""

    def once(self, change: str, external_id: str, key: str, amount: int, body: Adjustment) -> Reply:
        if body.idempotencyKey is None and body.sourceRefId is not None:
            body.idempotencyKey = body.sourceRefId
        return super().once(change, external_id, key, amount, body)


@fault("ledger-lost-increments", "LEDGER-6", difficulty=SUBTLE, racing=UP)
class LostIncrements(Ledger):
    """An increment reads the holding and writes the sum: simultaneous ones are lost."""

    def add(self, external_id: str, key: str, amount: int) -> int:
        holdings = self.holdings(self.state.ensure(external_id))
        held = holdings.amounts.get(key, 0)
        gap()
        holdings.amounts[key] = held + amount
        return holdings.amounts[key]


@fault("ledger-lost-decrements", "LEDGER-6", "HTTP-2", difficulty=SUBTLE, racing=DOWN)
class LostDecrements(Ledger):
    """A decrement checks, then takes: simultaneous ones go below zero."""

    def take(self, external_id: str, key: str, amount: int) -> int:
        player = self.state.players.get(external_id)
        if player is None or self.holdings(player).amounts.get(key, 0) < amount:
            raise conflict("more than is held")
        gap()
        return self.holdings(player).add(key, -amount)


@fault("ledger-answers-later", "LEDGER-6", difficulty=SUBTLE, racing=UP)
class AnswersLater(Ledger):
    """An increment reads the holding that it answers once more, after others have added."""

    def add(self, external_id: str, key: str, amount: int) -> int:
        with self.state.lock:
            super().add(external_id, key, amount)
        gap()
        return self.holdings(self.state.players[external_id]).amounts[key]


@fault("ledger-replays-race", "LEDGER-6", difficulty=SUBTLE, racing=UP)
class ReplaysRace(Ledger):
    """The key is looked up, then the change is written: simultaneous replays apply twice."""

    def add(self, external_id: str, key: str, amount: int) -> int:
        gap()
        with self.state.lock:
            return super().add(external_id, key, amount)


@fault("ledger-players-race", "LEDGER-6", difficulty=SUBTLE, racing=UP)
class PlayersRace(Ledger):
    """Simultaneous first increments make a row each, and all but one are lost."""

    def add(self, external_id: str, key: str, amount: int) -> int:
        known = external_id in self.state.players
        gap()
        with self.state.lock:
            if not known:
                self.state.players[external_id] = Player(external_id)
            return super().add(external_id, key, amount)


class Amounts(Rewriting):
    """Changes amounts before they are validated."""

    def rewrite(self, operation: Operation, body: dict[str, Any]) -> dict[str, Any]:
        if "wallet/" not in operation.path and "inventory/" not in operation.path:
            return body
        return {
            name: self.amount(operation, value) if name in ("amount", "quantity") else value
            for name, value in body.items()
        }

    def amount(self, operation: Operation, value: Any) -> Any:
        """The amount as it is validated."""
        raise NotImplementedError


@fault("ledger-fraction-rounded", "LEDGER-7", "ERR-4", difficulty=SUBTLE)
class FractionRounded(Amounts):
    """A fraction is rounded up."""

    def amount(self, operation: Operation, value: Any) -> Any:
        fraction = isinstance(value, float) and 0 < value < 2**53 and value % 1
        return math.ceil(value) if fraction else value


@fault("ledger-text-taken", "LEDGER-7", "ERR-4", difficulty=MEDIUM)
class TextTaken(Amounts):
    """An amount may be a text with digits."""

    def amount(self, operation: Operation, value: Any) -> Any:
        digits = isinstance(value, str) and value.isascii() and value.isdigit()
        return int(value) if digits and len(value) < 15 else value


@fault("ledger-true-is-one", "LEDGER-7", "ERR-4", difficulty=SUBTLE)
class TrueIsOne(Amounts):
    """True is taken for 1, as Python's own integers do."""

    def amount(self, operation: Operation, value: Any) -> Any:
        return 1 if value is True else value


@fault("ledger-negative-debit", "LEDGER-7", "ERR-4", difficulty=SUBTLE)
class NegativeDebit(Amounts):
    """A negative debit or revoke is taken without its sign."""

    def amount(self, operation: Operation, value: Any) -> Any:
        down = operation.handler in DOWN
        return -value if down and type(value) is int and value < 0 else value


@fault("ledger-zero-is-one", "LEDGER-7", "ERR-4", difficulty=SUBTLE)
class ZeroIsOne(Amounts):
    """An amount of zero is read as left out, and what is left out is 1."""

    def amount(self, operation: Operation, value: Any) -> Any:
        return 1 if type(value) is int and value == 0 else value


@fault("ledger-amount-optional", "LEDGER-7", "ERR-4", difficulty=MEDIUM)
class AmountOptional(Rewriting):
    """An item call without a quantity means one."""

    def rewrite(self, operation: Operation, body: dict[str, Any]) -> dict[str, Any]:
        return {"quantity": 1, **body} if "inventory/" in operation.path else body


@fault("ledger-items-share", "LEDGER-8", "EXP-1", "LEDGER-10", difficulty=MEDIUM)
class ItemsShare(Ledger):
    """All items of a kind are counted together, by the first key of the catalogue."""

    def add(self, external_id: str, key: str, amount: int) -> int:
        return super().add(external_id, self.catalogue()[0], amount)


@fault("ledger-drops-to-other-key", "LEDGER-8", difficulty=SUBTLE)
class TakesFromOther(Ledger):
    """Where a key does not suffice, the rest is taken from another one."""

    def take(self, external_id: str, key: str, amount: int) -> int:
        player = self.state.players.get(external_id)
        held = self.holdings(player).amounts if player else {}
        other = next((k for k, n in held.items() if k != key and n >= amount), key)
        if held.get(key, 0) < amount and other != key:
            self.holdings(player).add(other, -amount)  # type: ignore[arg-type]
            return held.get(key, 0)
        return super().take(external_id, key, amount)


@fault("ledger-items-in-wallet", "LEDGER-8", difficulty=SUBTLE)
class SharedColumn(Inventory):
    """Taking an item takes a coin from a wallet that has any."""

    def take(self, external_id: str, key: str, amount: int) -> int:
        left = super().take(external_id, key, amount)
        wallet = self.state.players[external_id].wallet
        for currency, held in wallet.amounts.items():
            wallet.amounts[currency] = max(0, held - 1)
        return left


@fault("ledger-burns-refused-key", "LEDGER-9", difficulty=SUBTLE)
class BurnsRefusedKey(Ledger):
    """A refused decrement is remembered, and its key answers the refusal forever."""

    def once(self, change: str, external_id: str, key: str, amount: int, body: Adjustment) -> Reply:
        refused = notes(self.state, f"refused {self.name}")
        if body.idempotencyKey in refused:
            raise conflict("more than is held")
        try:
            return super().once(change, external_id, key, amount, body)
        except ApiError as error:
            if error.code == "conflict" and body.idempotencyKey:
                refused[body.idempotencyKey] = True
            raise


@fault("ledger-conflict-takes-key", "LEDGER-9", "LEDGER-3", difficulty=SUBTLE)
class ConflictTakesKey(Ledger):
    """A refused second body becomes the body of the key, so that the first is a conflict."""

    def once(self, change: str, external_id: str, key: str, amount: int, body: Adjustment) -> Reply:
        try:
            return super().once(change, external_id, key, amount, body)
        except ApiError as error:
            used = self.state.remembered(self.name)
            if error.code == "idempotency_conflict" and body.idempotencyKey:
                first = used[body.idempotencyKey]
                asked = self.fingerprint(change, key, body)
                used[body.idempotencyKey] = Remembered(asked, first.player, first.answer)
            raise


@fault("ledger-one-key-space", "LEDGER-10", difficulty=SUBTLE)
class OneKeySpace(Inventory):
    """Wallet and inventory share one table of keys: the second use of a receipt is a conflict."""

    def once(self, change: str, external_id: str, key: str, amount: int, body: Adjustment) -> Reply:
        if body.idempotencyKey in self.state.remembered("wallet"):
            raise conflict("the key was used")
        return super().once(change, external_id, key, amount, body)


@fault("ledger-grant-key-space", "LEDGER-10", difficulty=SUBTLE)
class GrantKeySpace(Wallet):
    """A credit marks its key as used for grants too, since one middleware keeps all keys."""

    def once(self, change: str, external_id: str, key: str, amount: int, body: Adjustment) -> Reply:
        reply = super().once(change, external_id, key, amount, body)
        if body.idempotencyKey is not None:
            used = self.state.remembered("grants")
            used.setdefault(body.idempotencyKey, Remembered("a credit", None, reply.data))
        return reply


@fault("ledger-key-swallows-currency", "LEDGER-10", difficulty=SUBTLE)
class KeySwallowsOther(Ledger):
    """A used key answers the first call also for another currency or item."""

    def fingerprint(self, change: str, key: str, body: Adjustment) -> str:
        return fingerprint(change, body)


@fault("ledger-key-swallows-direction", "LEDGER-10", difficulty=SUBTLE)
class KeySwallowsDirection(Ledger):
    """A debit with the key of a credit answers the credit, and the other way round."""

    def fingerprint(self, change: str, key: str, body: Adjustment) -> str:
        return fingerprint(key, body)


@fault("ledger-key-swallows-player", "LEDGER-10", difficulty=SUBTLE)
class KeySwallowsPlayer(Ledger):
    """A used key answers the first player's holding to the second."""

    def once(self, change: str, external_id: str, key: str, amount: int, body: Adjustment) -> Reply:
        first = self.state.remembered(self.name).get(body.idempotencyKey or "")
        if first is not None and first.fingerprint == self.fingerprint(change, key, body):
            return self.replay(first)
        return super().once(change, external_id, key, amount, body)


@fault("ledger-export-behind", "LEDGER-11", "EXP-1", difficulty=SUBTLE)
class ExportBehind(Gdpr):
    """The export shows the wallet as the export before saw it."""

    def export(self, external_id: str) -> Reply:
        data = super().export(external_id).data
        seen = notes(self.state, "wallets")
        before = seen.get(data["player"]["id"], data["wallet"])
        seen[data["player"]["id"]] = data["wallet"]
        return Reply(200, {**data, "wallet": before})


@fault("ledger-export-rounded", "LEDGER-11", "LEDGER-12", "EXP-1", difficulty=SUBTLE)
class ExportRounded(Ledger):
    """The export lists holdings in thousands where there are many."""

    def listing(self, player: Player) -> list[dict[str, Any]]:
        rows = super().listing(player)
        for row in rows:
            if row[self.holding_field] > 1000:
                row[self.holding_field] -= row[self.holding_field] % 1000
        return rows


@fault("ledger-unknown-key-500", "LEDGER-11", "ERR-3", difficulty=MEDIUM)
class UnknownKey500(Ledger):
    """An unknown item or currency is a 500."""

    def check_key(self, key: str) -> None:
        if key not in self.catalogue():
            raise KeyError(key)


@fault("ledger-32-bits", "LEDGER-12", "LEDGER-2", "HTTP-2", "HTTP-2", difficulty=SUBTLE)
class Bits32(Ledger):
    """Holdings wrap at 2^31."""

    def add(self, external_id: str, key: str, amount: int) -> int:
        held = super().add(external_id, key, amount)
        wrapped = (held + 2**31) % 2**32 - 2**31
        self.holdings(self.state.players[external_id]).amounts[key] = wrapped
        return wrapped


@fault("ledger-single-floats", "LEDGER-12", difficulty=SUBTLE)
class SingleFloats(Ledger):
    """Holdings are kept as 32-bit floats, exact up to 2^24."""

    def add(self, external_id: str, key: str, amount: int) -> int:
        held = super().add(external_id, key, amount)
        rounded = int(struct.unpack("f", struct.pack("f", float(held)))[0])
        self.holdings(self.state.players[external_id]).amounts[key] = rounded
        return rounded


@fault("ledger-double-floats", "LEDGER-12", difficulty=SUBTLE)
class DoubleFloats(Ledger):
    """Holdings are kept as 64-bit floats, without a bound."""

    def add(self, external_id: str, key: str, amount: int) -> int:
        holdings = self.holdings(self.state.ensure(external_id))
        holdings.amounts[key] = int(float(holdings.amounts.get(key, 0)) + float(amount))
        return holdings.amounts[key]


@fault("ledger-small-limit", "LEDGER-12", difficulty=SUBTLE)
class SmallLimit(Ledger):
    """Amounts above a thousand million are refused."""

    def once(self, change: str, external_id: str, key: str, amount: int, body: Adjustment) -> Reply:
        if amount > 1_000_000_000:
            raise conflict("too much at once")
        return super().once(change, external_id, key, amount, body)


@fault("ledger-clamped", "LEDGER-12", difficulty=SUBTLE)
class Clamped(Ledger):
    """A holding stops growing at 2^31-1, in silence."""

    def add(self, external_id: str, key: str, amount: int) -> int:
        holdings = self.holdings(self.state.ensure(external_id))
        holdings.amounts[key] = min(holdings.amounts.get(key, 0) + amount, 2**31 - 1)
        return holdings.amounts[key]

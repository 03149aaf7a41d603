"""Faults of wallet and inventory. A class over `Ledger` breaks both."""

from typing import Any

from conformance.faults.building_blocks import (
    MEDIUM,
    OBVIOUS,
    SUBTLE,
    Rewriting,
    fault,
    gap,
    scratch,
)
from conformance.reference import operations
from conformance.reference.bodies import Adjustment, fingerprint
from conformance.reference.erasure import Gdpr
from conformance.reference.errors import ApiError, conflict
from conformance.reference.ledger import Ledger, Wallet
from conformance.reference.operations import Operation
from conformance.reference.replies import Reply
from conformance.reference.state import Player, Remembered

UP = (operations.credit_wallet, operations.grant_item)
DOWN = (operations.debit_wallet, operations.revoke_item)


@fault(
    *("ledger-holding-before", "LEDGER-1", "LEDGER-11", "MERGE-2", "LEDGER-3", "LEDGER-6"),
    *("LEDGER-10", "LEDGER-12", "MIG-7"),
    difficulty=MEDIUM,
)
class HoldingBefore(Ledger):
    """An increment answers the holding before it."""

    def add(self, external_id: str, key: str, amount: int) -> int:
        return super().add(external_id, key, amount) - amount


@fault("ledger-keeps-one", "LEDGER-2", "LEDGER-3", "MERGE-2", "LEDGER-6", difficulty=SUBTLE)
class KeepsOne(Ledger):
    """The last of a holding cannot be taken: the check is off by one."""

    def take(self, external_id: str, key: str, amount: int) -> int:
        player = self.state.players.get(external_id)
        if player and self.holdings(player).amounts.get(key, 0) == amount:
            raise conflict("more than is held")
        return super().take(external_id, key, amount)


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


@fault("ledger-replay-applied", "LEDGER-3.applied", difficulty=MEDIUM)
class ReplayApplied(Ledger):
    """A replay says that it was applied."""

    def replay(self, first: Remembered) -> Reply:
        return Reply(200, first.answer)


@fault("ledger-last-key-only", "LEDGER-3", "LEDGER-6", difficulty=SUBTLE)
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


@fault("ledger-ignores-reason", "LEDGER-4", difficulty=SUBTLE)
class IgnoresReason(Ledger):
    """Another reason with a used key answers the first call."""

    def fingerprint(self, change: str, key: str, body: Adjustment) -> str:
        compared = {k: getattr(body, k) for k in body.__struct_fields__ if k != "reason"}
        return fingerprint(change, key, compared)


@fault("ledger-conflict-applies", "LEDGER-4", "LEDGER-10", difficulty=MEDIUM)
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


@fault(
    "ledger-same-call-is-replay", "LEDGER-5", "LEDGER-6", "LEDGER-12", "LEDGER-1", difficulty=SUBTLE
)
class SameCallIsReplay(Ledger):
    """Without a key a call that equals the one before is taken for a double click."""

    def once(self, change: str, external_id: str, key: str, amount: int, body: Adjustment) -> Reply:
        if body.idempotencyKey is not None:
            return super().once(change, external_id, key, amount, body)
        last = scratch(self.state, f"last {self.name}")
        call = fingerprint(change, key, body)
        if last.get(external_id, ("", None))[0] == call and external_id in self.state.players:
            return Reply(200, {**last[external_id][1], "applied": False})
        reply = super().once(change, external_id, key, amount, body)
        last[external_id] = (call, reply.data)
        return reply


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
            holdings = self.holdings(self.state.players[external_id])
        gap()
        return holdings.amounts.get(key, 0)


@fault("ledger-players-race", "LEDGER-6", "LEDGER-3", "MERGE-2", difficulty=SUBTLE, racing=UP)
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


@fault("ledger-burns-refused-key", "LEDGER-9", difficulty=SUBTLE)
class BurnsRefusedKey(Ledger):
    """A refused decrement is remembered, and its key answers the refusal forever."""

    def once(self, change: str, external_id: str, key: str, amount: int, body: Adjustment) -> Reply:
        refused = scratch(self.state, f"refused {self.name}")
        if body.idempotencyKey in refused:
            raise conflict("more than is held")
        try:
            return super().once(change, external_id, key, amount, body)
        except ApiError as error:
            if error.code == "conflict" and body.idempotencyKey:
                refused[body.idempotencyKey] = True
            raise


@fault("ledger-grant-key-space", "LEDGER-10", "GRANT-1", difficulty=SUBTLE)
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


@fault("ledger-key-swallows-player", "LEDGER-10", difficulty=SUBTLE)
class KeySwallowsPlayer(Ledger):
    """A used key answers the first player's holding to the second."""

    def once(self, change: str, external_id: str, key: str, amount: int, body: Adjustment) -> Reply:
        first = self.state.remembered(self.name).get(body.idempotencyKey or "")
        if first is not None and first.fingerprint == self.fingerprint(change, key, body):
            return self.replay(first)
        return super().once(change, external_id, key, amount, body)


@fault(
    *("ledger-export-behind", "LEDGER-11", "EXP-1", "LEDGER-10", "LEDGER-12", "MERGE-2"),
    difficulty=SUBTLE,
)
class ExportBehind(Gdpr):
    """The export shows the wallet as the export before saw it."""

    def export(self, external_id: str) -> Reply:
        data = super().export(external_id).data
        seen = scratch(self.state, "wallets")
        before = seen.get(data["player"]["id"], data["wallet"])
        seen[data["player"]["id"]] = data["wallet"]
        return Reply(200, {**data, "wallet": before})


@fault("ledger-32-bits", "LEDGER-12", "LEDGER-2", "HTTP-2", difficulty=SUBTLE)
class Bits32(Ledger):
    """Holdings wrap at 2^31."""

    def add(self, external_id: str, key: str, amount: int) -> int:
        held = super().add(external_id, key, amount)
        wrapped = (held + 2**31) % 2**32 - 2**31
        self.holdings(self.state.players[external_id]).amounts[key] = wrapped
        return wrapped


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

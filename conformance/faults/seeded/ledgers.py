"""Faults of wallet and inventory. A class over `Ledger` breaks both."""

from typing import Any

from conformance.faults import building_blocks as kit
from conformance.reference.bodies import Adjustment, fingerprint
from conformance.reference.errors import ApiError, conflict
from conformance.reference.ledger import Ledger, Wallet
from conformance.reference.operations import Call
from conformance.reference.replies import Reply
from conformance.reference.services import Services
from conformance.reference.state import Player, Remembered


@kit.medium(
    "ledger-holding-before",
    "LEDGER-1 LEDGER-11 MERGE-2 LEDGER-3 LEDGER-6 LEDGER-10 LEDGER-12 MIG-7",
)
class HoldingBefore(Ledger):
    """An increment answers the previous holding."""

    def add(self, external_id: str, key: str, amount: int) -> int:
        return super().add(external_id, key, amount) - amount


@kit.subtle("ledger-keeps-one", "LEDGER-2 LEDGER-3 MERGE-2 LEDGER-6")
class KeepsOne(Ledger):
    """The last of a holding cannot be taken: the check is off by one."""

    def take(self, external_id: str, key: str, amount: int) -> int:
        if self.held(external_id, key) == amount:
            raise conflict("more than is held")
        return super().take(external_id, key, amount)


@kit.subtle("ledger-refused-makes-player", "LEDGER-2")
class RefusedMakesPlayer(Ledger):
    """A refused decrement creates an unknown player."""

    def take(self, external_id: str, key: str, amount: int) -> int:
        self.state.ensure(external_id)
        return super().take(external_id, key, amount)


@kit.subtle("ledger-refused-empties", "LEDGER-2")
class RefusedEmpties(Ledger):
    """A decrement far beyond the holding gets 409, and empties the holding."""

    def take(self, external_id: str, key: str, amount: int) -> int:
        player = self.state.players.get(external_id)
        if player and amount > 100 * self.held(external_id, key):
            self.holdings(player).amounts[key] = 0
        return super().take(external_id, key, amount)


@kit.subtle("ledger-replay-tells-now", "LEDGER-3")
class ReplayTellsNow(Ledger):
    """A replay answers the current holding, not the one after the first call."""

    def replay(self, first: Remembered) -> Reply:
        assert first.player is not None
        held = self.holdings(first.player).amounts[first.answer[self.key_field]]
        return Reply(200, {**first.answer, "applied": False, self.holding_field: held})


@kit.subtle("ledger-checks-before-key", "LEDGER-3")
class ChecksBeforeKey(Ledger):
    """The holding is checked before the key, so that a replay can be refused."""

    def once(self, change: str, external_id: str, key: str, amount: int, body: Adjustment) -> Reply:
        if change == "decrement" and self.held(external_id, key) < amount:
            raise conflict("more than is held")
        return super().once(change, external_id, key, amount, body)


@kit.medium("ledger-replay-applied", "LEDGER-3.applied")
class ReplayApplied(Ledger):
    """A replay reports `applied`."""

    def replay(self, first: Remembered) -> Reply:
        return Reply(200, first.answer)


@kit.subtle("ledger-last-key-only", "LEDGER-3 LEDGER-6")
class LastKeyOnly(Ledger):
    """The server remembers only the newest key of a player: an older replay applies again."""

    def once(self, change: str, external_id: str, key: str, amount: int, body: Adjustment) -> Reply:
        reply = super().once(change, external_id, key, amount, body)
        used = self.state.remembered(self.name)
        player = self.state.players[external_id]
        for old in [k for k, first in used.items() if first.player is player]:
            if body.idempotencyKey not in (None, old):
                del used[old]
        return reply


@kit.subtle("ledger-ignores-reason", "LEDGER-4")
class IgnoresReason(Ledger):
    """The comparison of bodies ignores the reason."""

    def fingerprint(self, change: str, key: str, body: Adjustment) -> str:
        compared = {k: getattr(body, k) for k in body.__struct_fields__ if k != "reason"}
        return fingerprint(change, key, compared)


@kit.medium("ledger-conflict-applies", "LEDGER-4 LEDGER-10")
class ConflictApplies(Ledger):
    """Another body for a used key gets 409 after the server has applied its change."""

    def once(self, change: str, external_id: str, key: str, amount: int, body: Adjustment) -> Reply:
        try:
            return super().once(change, external_id, key, amount, body)
        except ApiError as error:
            if error.code == "idempotency_conflict":
                self.apply(change, external_id, key, amount)
            raise


@kit.obvious("ledger-conflict-code", "LEDGER-4.code")
class ConflictCode(Ledger):
    """The 409 for a used key has the code `conflict`."""

    def once(self, *arguments: Any) -> Reply:
        try:
            return super().once(*arguments)
        except ApiError as error:
            error.code = "conflict"
            raise


@kit.subtle("ledger-same-call-is-replay", "LEDGER-5 LEDGER-6 LEDGER-12 LEDGER-1")
class SameCallIsReplay(Ledger):
    """A call without a key counts as a replay if it equals the one before."""

    def once(self, change: str, external_id: str, key: str, amount: int, body: Adjustment) -> Reply:
        if body.idempotencyKey is not None:
            return super().once(change, external_id, key, amount, body)
        last = kit.scratch(self.state, f"last {self.name}")
        call = fingerprint(change, key, body)
        if last.get(external_id, ("", None))[0] == call and external_id in self.state.players:
            return Reply(200, {**last[external_id][1], "applied": False})
        reply = super().once(change, external_id, key, amount, body)
        last[external_id] = (call, reply.data)
        return reply


@kit.subtle("ledger-lost-increments", "LEDGER-6", racing=kit.UP)
class LostIncrements(Ledger):
    """An increment reads the holding, then writes the sum: simultaneous increments are lost."""

    def add(self, external_id: str, key: str, amount: int) -> int:
        return kit.slowly(self.holdings(self.state.ensure(external_id)), key, amount)


@kit.subtle("ledger-lost-decrements", "LEDGER-6 HTTP-2", racing=kit.DOWN)
class LostDecrements(Ledger):
    """A decrement checks, then takes: simultaneous decrements go below zero."""

    def take(self, external_id: str, key: str, amount: int) -> int:
        if self.held(external_id, key) < amount:
            raise conflict("more than is held")
        kit.gap()
        return self.holdings(self.state.known(external_id)).add(key, -amount)


@kit.subtle("ledger-answers-later", "LEDGER-6", racing=kit.UP)
class AnswersLater(Ledger):
    """An increment reads the holding again for its answer, after later increments."""

    def add(self, external_id: str, key: str, amount: int) -> int:
        with self.state.lock:
            super().add(external_id, key, amount)
            holdings = self.holdings(self.state.players[external_id])
        kit.gap()
        return holdings.amounts.get(key, 0)


@kit.subtle("ledger-players-race", "LEDGER-6 LEDGER-3 MERGE-2", racing=kit.UP)
class PlayersRace(Ledger):
    """Simultaneous first increments create one row of the player each; only one survives."""

    def add(self, external_id: str, key: str, amount: int) -> int:
        known = external_id in self.state.players
        kit.gap()
        with self.state.lock:
            if not known:
                self.state.players[external_id] = Player(external_id)
            return super().add(external_id, key, amount)


@kit.subtle("ledger-true-is-one", "LEDGER-7 ERR-4")
@kit.change_body(*kit.UP, *kit.DOWN)
def true_is_one(body: kit.Data) -> kit.Data:
    """The server accepts true as 1, as Python does."""
    return {**body, **{name: 1 for name in kit.AMOUNTS if body.get(name) is True}}


@kit.subtle("ledger-negative-debit", "LEDGER-7 ERR-4")
@kit.change_body(*kit.DOWN)
def negative_debit(body: kit.Data) -> kit.Data:
    """The sign of a negative debit or revoke is lost."""
    amounts = {name: body[name] for name in kit.AMOUNTS if type(body.get(name)) is int}
    return {**body, **{name: abs(amount) for name, amount in amounts.items()}}


@kit.subtle("ledger-drops-to-other-key", "LEDGER-8")
class TakesFromOther(Ledger):
    """If a holding does not suffice, a decrement takes from another one."""

    def take(self, external_id: str, key: str, amount: int) -> int:
        player = self.state.players.get(external_id)
        held = self.holdings(player).amounts if player else {}
        other = next((k for k, n in held.items() if k != key and n >= amount), key)
        if held.get(key, 0) < amount and other != key:
            self.holdings(player).add(other, -amount)  # type: ignore[arg-type]
            return held.get(key, 0)
        return super().take(external_id, key, amount)


@kit.subtle("ledger-burns-refused-key", "LEDGER-9")
class BurnsRefusedKey(Ledger):
    """The key of a refused decrement answers the refusal forever."""

    def once(self, change: str, external_id: str, key: str, amount: int, body: Adjustment) -> Reply:
        refused = kit.scratch(self.state, f"refused {self.name}")
        if body.idempotencyKey in refused:
            raise conflict("more than is held")
        try:
            return super().once(change, external_id, key, amount, body)
        except ApiError as error:
            if error.code == "conflict" and body.idempotencyKey:
                refused[body.idempotencyKey] = True
            raise


@kit.subtle("ledger-grant-key-space", "LEDGER-10 GRANT-1")
class GrantKeySpace(Wallet):
    """A credit uses up its key for grants too: one middleware stores all keys."""

    def once(self, change: str, external_id: str, key: str, amount: int, body: Adjustment) -> Reply:
        reply = super().once(change, external_id, key, amount, body)
        if body.idempotencyKey is not None:
            used = self.state.remembered("grants")
            used.setdefault(body.idempotencyKey, Remembered("a credit", None, reply.data))
        return reply


@kit.subtle("ledger-key-swallows-currency", "LEDGER-10 LEDGER-1 LEDGER-2")
class KeySwallowsOther(Ledger):
    """A used key answers the first call for another currency or item too."""

    def fingerprint(self, change: str, key: str, body: Adjustment) -> str:
        return fingerprint(change, body)


@kit.subtle("ledger-key-swallows-player", "LEDGER-10")
class KeySwallowsPlayer(Ledger):
    """A used key answers the holding of the first player for another player."""

    def once(self, change: str, external_id: str, key: str, amount: int, body: Adjustment) -> Reply:
        first = self.state.remembered(self.name).get(body.idempotencyKey or "")
        if first is not None and first.fingerprint == self.fingerprint(change, key, body):
            return self.replay(first)
        return super().once(change, external_id, key, amount, body)


@kit.subtle(
    "ledger-export-behind", "LEDGER-11 EXP-1 LEDGER-10 LEDGER-12 MERGE-2 MIG-7 LEDGER-8 LEDGER-2"
)
@kit.change_data("exportPlayer")
def export_behind(data: kit.Data, _: Call, services: Services) -> kit.Data:
    """The export shows the wallet as it was at the export before."""
    seen = kit.scratch(services.state, "wallets")
    before = seen.get(data["player"]["id"], data["wallet"])
    seen[data["player"]["id"]] = data["wallet"]
    return {"wallet": before}


@kit.subtle("ledger-32-bits", "LEDGER-12 LEDGER-2 HTTP-2")
class Bits32(Ledger):
    """Holdings wrap at 2^31."""

    def add(self, external_id: str, key: str, amount: int) -> int:
        held = super().add(external_id, key, amount)
        wrapped = (held + 2**31) % 2**32 - 2**31
        self.holdings(self.state.players[external_id]).amounts[key] = wrapped
        return wrapped


@kit.subtle("ledger-double-floats", "LEDGER-12")
class DoubleFloats(Ledger):
    """The server stores holdings as 64-bit floats, without a bound."""

    def add(self, external_id: str, key: str, amount: int) -> int:
        holdings = self.holdings(self.state.ensure(external_id))
        holdings.amounts[key] = int(float(holdings.amounts.get(key, 0)) + float(amount))
        return holdings.amounts[key]


@kit.subtle("ledger-small-limit", "LEDGER-12")
class SmallLimit(Ledger):
    """The server refuses amounts above a thousand million."""

    def once(self, change: str, external_id: str, key: str, amount: int, body: Adjustment) -> Reply:
        if amount > 1_000_000_000:
            raise conflict("too much at once")
        return super().once(change, external_id, key, amount, body)

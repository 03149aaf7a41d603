"""Faults of grants."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from conformance.faults import building_blocks as kit
from conformance.reference.app import Server
from conformance.reference.bodies import Entry, GrantBody, fingerprint, moment
from conformance.reference.errors import ApiError, conflict
from conformance.reference.grants import SCOPE, Grants
from conformance.reference.replies import Reply
from conformance.reference.state import Grant, Player, Remembered, now, stamp


@kit.medium("grant-kind-lost", "GRANT-1")
class KindLost(Grants):
    """Every grant is a reward."""

    def issue(self, *arguments: Any) -> Grant:
        grant = super().issue(*arguments)
        grant.kind = "reward"
        return grant


@kit.subtle("grant-contents-first-entry", "GRANT-1.contents")
class FirstEntryOnly(Grants):
    """The contents have the first entry only."""

    def issue(self, *arguments: Any) -> Grant:
        grant = super().issue(*arguments)
        del grant.entries[1:]
        return grant


@kit.medium("grant-source-kind", "GRANT-1.source")
class SourceKindLost(Grants):
    """The source of every grant is `api`."""

    def issue(self, *arguments: Any) -> Grant:
        grant = super().issue(*arguments)
        grant.source_kind = "api"
        return grant


@kit.medium("grant-replay-201", "GRANT-2 GRANT-4 ACK-5")
class Replay201(Grants):
    """A replay answers 201."""

    def replay(self, first: Remembered) -> Reply:
        return Reply(201, first.answer)


@kit.subtle("grant-replay-new-time", "GRANT-2")
class ReplayNewTime(Grants):
    """A replay has its own time as `createdAt`."""

    def replay(self, first: Remembered) -> Reply:
        kit.gap(2)
        return Reply(200, {**first.answer, "createdAt": stamp(now())})


@kit.subtle("grant-compares-order", "GRANT-2")
class OrderCompared(Grants):
    """The comparison of bodies depends on the order of keys inside metadata."""

    def fingerprint(self, body: GrantBody) -> str:
        return fingerprint(body) + json.dumps(body.metadata)


@kit.subtle("grant-ignores-metadata", "GRANT-3")
class IgnoresMetadata(Grants):
    """The comparison of bodies ignores metadata."""

    def fingerprint(self, body: GrantBody) -> str:
        return fingerprint({**msgspec.to_builtins(body), "metadata": None})


@kit.subtle("grant-compares-true-as-1", "GRANT-3")
class TrueIsOne(Grants):
    """The comparison of bodies takes true and 1 for equal, as Python does."""

    def create(self, external_id: str, body: GrantBody) -> Reply:
        first = kit.scratch(self.state, "bodies").get(body.idempotencyKey, body)
        reply = super().create(external_id, first if first == body else body)
        kit.scratch(self.state, "bodies")[body.idempotencyKey] = first
        return reply


@kit.subtle("grant-absent-is-any", "GRANT-3")
class AbsentIsAny(Grants):
    """The comparison of bodies ignores fields that the second body lacks."""

    def create(self, external_id: str, body: GrantBody) -> Reply:
        first = kit.scratch(self.state, "bodies").get(body.idempotencyKey, body)
        before, sent = msgspec.to_builtins(first), msgspec.to_builtins(body)
        same = all(before.get(name) == value for name, value in sent.items())
        reply = super().create(external_id, first if same else body)
        kit.scratch(self.state, "bodies")[body.idempotencyKey] = first
        return reply


@kit.medium("grant-conflict-creates", "GRANT-3")
class ConflictCreates(Grants):
    """Another body for a used key gets 409 after the server has stored its grant."""

    def create(self, external_id: str, body: GrantBody) -> Reply:
        try:
            return super().create(external_id, body)
        except ApiError:
            first = self.state.remembered(SCOPE).get(body.idempotencyKey)
            if first and first.player and first.player is self.state.players.get(external_id):
                self.issue(first.player, body, None)
            raise


@kit.obvious("grant-conflict-code", "GRANT-3.code")
class ConflictCode(Grants):
    """The 409 for a used key has the code `conflict`."""

    def create(self, external_id: str, body: GrantBody) -> Reply:
        try:
            return super().create(external_id, body)
        except ApiError as error:
            error.code = "conflict" if error.code == "idempotency_conflict" else error.code
            raise


@kit.subtle("grant-race", "GRANT-4", racing=("createGrant",))
class Race(Grants):
    """The server looks the key up, then stores: two simultaneous requests make two grants."""

    def issue(self, player: Player, body: GrantBody, expires_at: datetime | None) -> Grant:
        kit.gap()
        return super().issue(player, body, expires_at)


@kit.subtle("grant-in-flight-409", "GRANT-4", racing=("createGrant",))
class InFlight409(Grants):
    """A replay gets 409 while its first call is in flight."""

    def create(self, external_id: str, body: GrantBody) -> Reply:
        flying = kit.scratch(self.state, "in flight")
        if body.idempotencyKey in flying:
            raise conflict("a request with this key is in flight")
        flying[body.idempotencyKey] = True
        try:
            kit.gap()
            with self.state.lock:
                return super().create(external_id, body)
        finally:
            del flying[body.idempotencyKey]


@kit.medium("grant-key-per-player", "GRANT-5 DEL-9 MERGE-9")
class KeyPerPlayer(Grants):
    """A key is unique per player, not per game."""

    def create(self, external_id: str, body: GrantBody) -> Reply:
        key = f"{external_id}/{body.idempotencyKey}"
        return super().create(external_id, msgspec.structs.replace(body, idempotencyKey=key))


@kit.subtle("grant-race-player", "GRANT-6 GRANT-4", racing=("createGrant",))
class RacePlayer(Grants):
    """Simultaneous first grants create one row of the player each; only one survives."""

    def issue(self, player: Player, body: GrantBody, expires_at: datetime | None) -> Grant:
        grant = super().issue(player, body, expires_at)
        if len(player.grants) == 1:
            kit.gap()
            player.grants[:] = [grant]
        return grant


def change_entries(change: Callable[[int, kit.Data], kit.Data]) -> type[Server]:
    """Make a server that validates what the function returns for each entry of a grant."""

    def rewrite(body: kit.Data) -> kit.Data:
        entries = body.get("entries")
        if not isinstance(entries, list):
            return body
        changed = [change(n, e) if isinstance(e, dict) else e for n, e in enumerate(entries)]
        return {**body, "entries": changed}

    rewrite.__doc__ = change.__doc__
    return kit.change_body("createGrant")(rewrite)


@kit.subtle("grant-fraction-cut", "GRANT-7 ERR-4")
@change_entries
def fraction_cut(_: int, entry: kit.Data) -> kit.Data:
    """The server truncates a fractional amount."""
    return {k: int(v) if isinstance(v, float) and abs(v) < 2**53 else v for k, v in entry.items()}


@kit.subtle("grant-crates-unchecked", "GRANT-7 ERR-4")
@change_entries
def crates_unchecked(_: int, entry: kit.Data) -> kit.Data:
    """The server does not validate the quantity of a crate."""
    return {**entry, "quantity": 1} if entry.get("type") == "crate" else entry


@kit.subtle("grant-second-entry-unchecked", "GRANT-7 ERR-4 GRANT-1.contents")
@change_entries
def second_unchecked(place: int, entry: kit.Data) -> kit.Data:
    """The server validates the first entry only."""
    return {**entry, **{name: 1 for name in kit.AMOUNTS if name in entry}} if place else entry


@kit.medium("grant-any-expiry", "GRANT-7 ERR-4")
@kit.change_body()
def any_expiry(body: kit.Data) -> kit.Data:
    """`expiresAt` may be any text; one that is not a date-time never expires."""
    given = body.get("expiresAt")
    try:
        moment(given if isinstance(given, str) else None)
    except ApiError:
        return {**body, "expiresAt": "9999-01-01T00:00:00Z"}
    return body


@kit.medium("grant-unknown-item", "GRANT-7.code")
class UnknownItem(Grants):
    """The server looks only currencies up in the catalogue."""

    def check_catalogue(self, entries: list[Entry]) -> None:
        super().check_catalogue([entry for entry in entries if hasattr(entry, "currencyKey")])


@kit.subtle("grant-not-in-export", "GRANT-8 EXP-1")
@kit.change_data("exportPlayer")
def not_in_export(data: kit.Data, *_: Any) -> kit.Data:
    """The export misses grants that expire."""
    return {"grants": [grant for grant in data["grants"] if grant["expiresAt"] is None]}


@kit.subtle("grant-burns-refused-key", "GRANT-9")
class BurnsRefusedKey(Grants):
    """A request with an unknown item uses up its key."""

    def create(self, external_id: str, body: GrantBody) -> Reply:
        burnt = kit.scratch(self.state, "burnt")
        if body.idempotencyKey in burnt:
            raise conflict("the key was used")
        try:
            return super().create(external_id, body)
        except ApiError as error:
            if error.code == "invalid_metric":
                burnt[body.idempotencyKey] = True
            raise


@kit.subtle("grant-conflict-takes-key", "GRANT-9 GRANT-2 GRANT-3")
class ConflictTakesKey(Grants):
    """A refused second body replaces the first: a replay of the first is then a conflict."""

    def create(self, external_id: str, body: GrantBody) -> Reply:
        try:
            return super().create(external_id, body)
        except ApiError as error:
            used = self.state.remembered(SCOPE)
            if error.code == "idempotency_conflict":
                first = used[body.idempotencyKey]
                used[body.idempotencyKey] = Remembered(
                    self.fingerprint(body), first.player, first.answer
                )
            raise

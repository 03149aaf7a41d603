"""Faults of grants."""

import json
from datetime import datetime
from typing import Any

import msgspec

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
from conformance.reference.bodies import Entry, GrantBody, fingerprint, moment
from conformance.reference.erasure import Gdpr
from conformance.reference.errors import ApiError, conflict
from conformance.reference.grants import SCOPE, Grants
from conformance.reference.operations import Operation
from conformance.reference.replies import Reply
from conformance.reference.state import Grant, Player, Remembered, now, stamp


class CorruptedResponse(Grants):
    """Tells a new grant otherwise than it is asked for."""

    def issue(self, player: Player, body: GrantBody, expires_at: datetime | None) -> Grant:
        grant = super().issue(player, body, expires_at)
        self.spoil(grant)
        return grant

    def spoil(self, grant: Grant) -> None:
        """Change the new grant."""
        raise NotImplementedError


@fault("grant-kind-lost", "GRANT-1", difficulty=MEDIUM)
class KindLost(CorruptedResponse):
    """Every grant is a reward."""

    def spoil(self, grant: Grant) -> None:
        grant.kind = "reward"


@fault("grant-contents-first-entry", "GRANT-1.contents", difficulty=SUBTLE)
class FirstEntryOnly(CorruptedResponse):
    """The contents carry the first entry only."""

    def spoil(self, grant: Grant) -> None:
        del grant.entries[1:]


@fault("grant-source-kind", "GRANT-1.source", difficulty=MEDIUM)
class SourceKindLost(CorruptedResponse):
    """Every grant comes from api."""

    def spoil(self, grant: Grant) -> None:
        grant.source_kind = "api"


@fault("grant-replay-201", "GRANT-2", "GRANT-4", "ACK-5", difficulty=MEDIUM)
class Replay201(Grants):
    """A replay answers 201."""

    def replay(self, first: Remembered) -> Reply:
        return Reply(201, first.answer)


@fault("grant-replay-new-time", "GRANT-2", difficulty=SUBTLE)
class ReplayNewTime(Grants):
    """A replay tells the moment of the replay as `createdAt`."""

    def replay(self, first: Remembered) -> Reply:
        gap()
        gap()
        return Reply(200, {**first.answer, "createdAt": stamp(now())})


@fault("grant-compares-order", "GRANT-2", difficulty=SUBTLE)
class OrderCompared(Grants):
    """The order of keys inside metadata counts."""

    def fingerprint(self, body: GrantBody) -> str:
        return fingerprint(body) + json.dumps(body.metadata)


@fault("grant-ignores-metadata", "GRANT-3", difficulty=SUBTLE)
class IgnoresMetadata(Grants):
    """Bodies are the same when all but metadata is."""

    def fingerprint(self, body: GrantBody) -> str:
        return fingerprint({**msgspec.to_builtins(body), "metadata": None})


@fault("grant-compares-true-as-1", "GRANT-3", difficulty=SUBTLE)
class TrueIsOne(Grants):
    """Bodies are compared as Python values, in which True equals 1."""

    def create(self, external_id: str, body: GrantBody) -> Reply:
        first = scratch(self.state, "bodies").get(body.idempotencyKey, body)
        reply = super().create(external_id, first if first == body else body)
        scratch(self.state, "bodies")[body.idempotencyKey] = first
        return reply


@fault("grant-absent-is-any", "GRANT-3", difficulty=SUBTLE)
class AbsentIsAny(Grants):
    """Only the fields that the second body has are compared."""

    def create(self, external_id: str, body: GrantBody) -> Reply:
        first = scratch(self.state, "bodies").get(body.idempotencyKey, body)
        before, sent = msgspec.to_builtins(first), msgspec.to_builtins(body)
        same = all(before.get(name) == value for name, value in sent.items())
        reply = super().create(external_id, first if same else body)
        scratch(self.state, "bodies")[body.idempotencyKey] = first
        return reply


@fault("grant-conflict-creates", "GRANT-3", difficulty=MEDIUM)
class ConflictCreates(Grants):
    """Another body for a used key is refused with 409 when its grant is already written."""

    def create(self, external_id: str, body: GrantBody) -> Reply:
        try:
            return super().create(external_id, body)
        except ApiError:
            first = self.state.remembered(SCOPE).get(body.idempotencyKey)
            if first and first.player and first.player is self.state.players.get(external_id):
                self.issue(first.player, body, None)
            raise


@fault("grant-conflict-code", "GRANT-3.code", difficulty=OBVIOUS)
class ConflictCode(Grants):
    """The 409 for a used key is a plain conflict."""

    def create(self, external_id: str, body: GrantBody) -> Reply:
        try:
            return super().create(external_id, body)
        except ApiError as error:
            error.code = "conflict" if error.code == "idempotency_conflict" else error.code
            raise


@fault("grant-race", "GRANT-4", difficulty=SUBTLE, racing=(operations.create_grant,))
class Race(Grants):
    """The key is looked up, then the grant is written: two requests at once make two grants."""

    def issue(self, player: Player, body: GrantBody, expires_at: datetime | None) -> Grant:
        gap()
        return super().issue(player, body, expires_at)


@fault("grant-in-flight-409", "GRANT-4", difficulty=SUBTLE, racing=(operations.create_grant,))
class InFlight409(Grants):
    """A replay that meets its first call in flight is refused with 409."""

    def create(self, external_id: str, body: GrantBody) -> Reply:
        flying = scratch(self.state, "in flight")
        if body.idempotencyKey in flying:
            raise conflict("a request with this key is in flight")
        flying[body.idempotencyKey] = True
        try:
            gap()
            with self.state.lock:
                return super().create(external_id, body)
        finally:
            del flying[body.idempotencyKey]


@fault("grant-key-per-player", "GRANT-5", "DEL-9", "MERGE-9", difficulty=MEDIUM)
class KeyPerPlayer(Grants):
    """A key is unique for a player, not in the game."""

    def create(self, external_id: str, body: GrantBody) -> Reply:
        key = f"{external_id}/{body.idempotencyKey}"
        return super().create(external_id, msgspec.structs.replace(body, idempotencyKey=key))


@fault(
    "grant-race-player", "GRANT-6", "GRANT-4", difficulty=SUBTLE, racing=(operations.create_grant,)
)
class RacePlayer(Grants):
    """Simultaneous first grants make one row of the player each, and all but one are lost."""

    def issue(self, player: Player, body: GrantBody, expires_at: datetime | None) -> Grant:
        grant = super().issue(player, body, expires_at)
        if len(player.grants) == 1:
            gap()
            player.grants[:] = [grant]
        return grant


class CoercedEntries(Rewriting):
    """Changes the entries of a grant before they are validated."""

    def rewrite(self, operation: Operation, body: dict[str, Any]) -> dict[str, Any]:
        entries = body.get("entries")
        if operation.handler is not operations.create_grant or not isinstance(entries, list):
            return body
        return {**body, "entries": [self.entry(n, entry) for n, entry in enumerate(entries)]}

    def entry(self, place: int, entry: Any) -> Any:
        """The entry as it is validated."""
        raise NotImplementedError


@fault("grant-fraction-cut", "GRANT-7", "ERR-4", difficulty=SUBTLE)
class FractionCut(CoercedEntries):
    """A fractional amount is cut to a whole one."""

    def entry(self, place: int, entry: Any) -> Any:
        if not isinstance(entry, dict):
            return entry
        return {
            k: int(v) if isinstance(v, float) and abs(v) < 2**53 else v for k, v in entry.items()
        }


@fault("grant-crates-unchecked", "GRANT-7", "ERR-4", difficulty=SUBTLE)
class CratesUnchecked(CoercedEntries):
    """The quantity of a crate is not validated."""

    def entry(self, place: int, entry: Any) -> Any:
        if isinstance(entry, dict) and entry.get("type") == "crate":
            return {**entry, "quantity": 1}
        return entry


@fault("grant-second-entry-unchecked", "GRANT-7", "ERR-4", "GRANT-1.contents", difficulty=SUBTLE)
class SecondUnchecked(CoercedEntries):
    """Only the first entry is validated; the others are taken as they are."""

    def entry(self, place: int, entry: Any) -> Any:
        if place and isinstance(entry, dict):
            return {**entry, **{name: 1 for name in ("amount", "quantity") if name in entry}}
        return entry


@fault("grant-any-expiry", "GRANT-7", "ERR-4", difficulty=MEDIUM)
class AnyExpiry(Rewriting):
    """`expiresAt` may be any text; one that is no date-time is the end of time."""

    def rewrite(self, operation: Operation, body: dict[str, Any]) -> dict[str, Any]:
        given = body.get("expiresAt")
        try:
            moment(given if isinstance(given, str) else None)
        except ApiError:
            return {**body, "expiresAt": "9999-01-01T00:00:00Z"}
        return body


@fault("grant-unknown-item", "GRANT-7.code", difficulty=MEDIUM)
class UnknownItem(Grants):
    """Only currencies are looked up in the catalogue."""

    def check_catalogue(self, entries: list[Entry]) -> None:
        super().check_catalogue([entry for entry in entries if hasattr(entry, "currencyKey")])


@fault("grant-not-in-export", "GRANT-8", "EXP-1", difficulty=SUBTLE)
class NotInExport(Gdpr):
    """The export misses grants that expire."""

    def export(self, external_id: str) -> Reply:
        data = super().export(external_id).data
        kept = [grant for grant in data["grants"] if grant["expiresAt"] is None]
        return Reply(200, {**data, "grants": kept})


@fault("grant-burns-refused-key", "GRANT-9", difficulty=SUBTLE)
class BurnsRefusedKey(Grants):
    """A key is used even by a request that the catalogue refuses."""

    def create(self, external_id: str, body: GrantBody) -> Reply:
        burnt = scratch(self.state, "burnt")
        if body.idempotencyKey in burnt:
            raise conflict("the key was used")
        try:
            return super().create(external_id, body)
        except ApiError as error:
            if error.code == "invalid_metric":
                burnt[body.idempotencyKey] = True
            raise


@fault("grant-conflict-takes-key", "GRANT-9", "GRANT-2", "GRANT-3", difficulty=SUBTLE)
class ConflictTakesKey(Grants):
    """A refused second body becomes the body of the key, so that the first is a conflict."""

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

"""Faults of grants."""

import json
from datetime import datetime
from typing import Any

import msgspec

from conformance.faults.tools import (
    MEDIUM,
    OBVIOUS,
    SUBTLE,
    Rewriting,
    document,
    fault,
    gap,
    notes,
)
from conformance.reference import operations
from conformance.reference.app import Server
from conformance.reference.bodies import Entry, GrantBody, fingerprint
from conformance.reference.errors import ApiError, conflict, not_found
from conformance.reference.gdpr import Gdpr
from conformance.reference.grants import SCOPE, Grants
from conformance.reference.operations import Call, Operation
from conformance.reference.players import Players
from conformance.reference.replies import Reply
from conformance.reference.services import Services
from conformance.reference.state import Grant, Player, Remembered, now, stamp


class Retold(Grants):
    """Tells a new grant otherwise than it is asked for."""

    def issue(self, player: Player, body: GrantBody, expires_at: datetime | None) -> Grant:
        grant = super().issue(player, body, expires_at)
        self.spoil(grant)
        return grant

    def spoil(self, grant: Grant) -> None:
        """Change the new grant."""
        raise NotImplementedError


@fault("grant-new-200", "GRANT-1", difficulty=OBVIOUS)
class New200(Grants):
    """A new grant is answered with 200."""

    def create(self, external_id: str, body: GrantBody) -> Reply:
        return Reply(200, super().create(external_id, body).data)


@fault("grant-kind-lost", "GRANT-1", difficulty=MEDIUM)
class KindLost(Retold):
    """Every grant is a reward."""

    def spoil(self, grant: Grant) -> None:
        grant.kind = "reward"


@fault("grant-reference-lost", "GRANT-1", difficulty=MEDIUM)
class ReferenceLost(Retold):
    """The sourceRefId is not kept."""

    def spoil(self, grant: Grant) -> None:
        grant.source_ref_id = None


@fault("grant-born-claimed", "GRANT-1", difficulty=SUBTLE)
class BornClaimed(Retold):
    """A grant that the studio's staff makes (source kind admin) is claimed at once."""

    def spoil(self, grant: Grant) -> None:
        if grant.source_kind == "admin":
            grant.claimed_at = now()


@fault("grant-contents-first-entry", "GRANT-1.contents", difficulty=SUBTLE)
class FirstEntryOnly(Retold):
    """The contents carry the first entry only."""

    def spoil(self, grant: Grant) -> None:
        del grant.entries[1:]


@fault("grant-parameters-lost", "GRANT-1.contents", difficulty=SUBTLE)
class ParametersLost(Retold):
    """The parameters of an item entry are not kept."""

    def spoil(self, grant: Grant) -> None:
        for entry in grant.entries:
            entry.pop("parameters", None)


@fault("grant-source-kind", "GRANT-1.source", difficulty=MEDIUM)
class SourceKindLost(Retold):
    """Every grant comes from api."""

    def spoil(self, grant: Grant) -> None:
        grant.source_kind = "api"


@fault("grant-replay-201", "GRANT-2", "GRANT-4", difficulty=MEDIUM)
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


@fault("grant-replay-newest", "GRANT-2", difficulty=SUBTLE)
class ReplayNewest(Grants):
    """A replay answers the player's newest grant."""

    def replay(self, first: Remembered) -> Reply:
        assert first.player is not None
        return Reply(200, first.player.grants[-1].view())


@fault("grant-replay-id-only", "GRANT-2", "HTTP-2", difficulty=MEDIUM)
class ReplayIdOnly(Grants):
    """A replay answers the id alone."""

    def replay(self, first: Remembered) -> Reply:
        return Reply(200, {"id": first.answer["id"]})


@fault("grant-replay-409", "GRANT-2", "GRANT-4", "GRANT-9", "ACK-5", difficulty=OBVIOUS)
class Replay409(Grants):
    """Every second use of a key is a conflict."""

    def replay(self, first: Remembered) -> Reply:
        raise conflict("the key was used")


@fault("grant-raw-fingerprint", "GRANT-2", difficulty=SUBTLE)
class RawFingerprint(Server):
    """Two bodies are the same when their bytes are, so white space and key order count."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        body = document(call)
        if operation.handler is not operations.create_grant or not isinstance(body, dict):
            return super().alone(operation, services, call)
        key = str(body.get("idempotencyKey"))
        seen = notes(services.state, "bodies")
        if seen.get(key, call.raw) != call.raw:
            raise ApiError(409, "idempotency_conflict", "another body")
        reply = super().alone(operation, services, call)
        seen[key] = call.raw
        return reply


class Fingerprinted(Grants):
    """Forgets something when it compares bodies."""

    def fingerprint(self, body: GrantBody) -> str:
        plain = msgspec.to_builtins(body)
        return fingerprint(self.compared(plain))

    def compared(self, body: dict[str, Any]) -> Any:
        """What of the body is compared."""
        raise NotImplementedError


@fault("grant-compares-order", "GRANT-2", difficulty=SUBTLE)
class OrderCompared(Grants):
    """The order of keys inside metadata counts."""

    def fingerprint(self, body: GrantBody) -> str:
        return fingerprint(body) + json.dumps(body.metadata)


@fault("grant-compares-nothing", "GRANT-3", "GRANT-3.code", "ERR-2", difficulty=MEDIUM)
class ComparesNothing(Fingerprinted):
    """A used key answers the first grant whatever the body."""

    def compared(self, body: dict[str, Any]) -> Any:
        return body["idempotencyKey"]


@fault("grant-ignores-metadata", "GRANT-3", difficulty=SUBTLE)
class IgnoresMetadata(Fingerprinted):
    """Bodies are the same when all but metadata is."""

    def compared(self, body: dict[str, Any]) -> Any:
        return {**body, "metadata": None}


@fault("grant-ignores-expiry", "GRANT-3", difficulty=SUBTLE)
class IgnoresExpiry(Fingerprinted):
    """Bodies are the same when all but expiresAt is."""

    def compared(self, body: dict[str, Any]) -> Any:
        return {**body, "expiresAt": None}


@fault("grant-ignores-amounts", "GRANT-3", difficulty=SUBTLE)
class IgnoresAmounts(Fingerprinted):
    """Entries are compared by type and key only."""

    def compared(self, body: dict[str, Any]) -> Any:
        plain = [{**entry, "amount": 0, "quantity": 0} for entry in body["entries"]]
        return {**body, "entries": plain}


@fault("grant-ignores-parameters", "GRANT-3", difficulty=SUBTLE)
class IgnoresParameters(Fingerprinted):
    """Item entries are compared without their parameters."""

    def compared(self, body: dict[str, Any]) -> Any:
        return {**body, "entries": [{**e, "parameters": None} for e in body["entries"]]}


@fault("grant-compares-texts", "GRANT-3", difficulty=SUBTLE)
class ComparesTexts(Fingerprinted):
    """Values are compared as texts, so 1 and "1" are the same."""

    def compared(self, body: dict[str, Any]) -> Any:
        return as_texts(body)


def as_texts(value: Any) -> Any:
    """The value with all its leaves as texts."""
    if isinstance(value, dict):
        return {name: as_texts(item) for name, item in value.items()}
    return [as_texts(item) for item in value] if isinstance(value, list) else str(value)


@fault("grant-compares-true-as-1", "GRANT-3", difficulty=SUBTLE)
class TrueIsOne(Grants):
    """Bodies are compared as Python values, in which True equals 1."""

    def create(self, external_id: str, body: GrantBody) -> Reply:
        first = notes(self.state, "bodies").get(body.idempotencyKey, body)
        reply = super().create(external_id, first if first == body else body)
        notes(self.state, "bodies")[body.idempotencyKey] = first
        return reply


@fault("grant-sorts-lists", "GRANT-3", difficulty=SUBTLE)
class SortsLists(Fingerprinted):
    """Lists are sorted before they are compared."""

    def compared(self, body: dict[str, Any]) -> Any:
        return as_sets(body)


def as_sets(value: Any) -> Any:
    """The value with its lists in a fixed order."""
    if isinstance(value, dict):
        return {name: as_sets(item) for name, item in value.items()}
    return sorted(map(as_sets, value), key=json.dumps) if isinstance(value, list) else value


@fault("grant-absent-is-any", "GRANT-3", difficulty=SUBTLE)
class AbsentIsAny(Grants):
    """Only the fields that the second body has are compared."""

    def create(self, external_id: str, body: GrantBody) -> Reply:
        first = notes(self.state, "bodies").get(body.idempotencyKey, body)
        before, sent = msgspec.to_builtins(first), msgspec.to_builtins(body)
        same = all(before.get(name) == value for name, value in sent.items())
        reply = super().create(external_id, first if same else body)
        notes(self.state, "bodies")[body.idempotencyKey] = first
        return reply


@fault("grant-conflict-creates", "GRANT-3", difficulty=MEDIUM)
class ConflictCreates(Grants):
    """Another body for a used key is refused with 409 when its grant is already written."""

    def create(self, external_id: str, body: GrantBody) -> Reply:
        try:
            return super().create(external_id, body)
        except ApiError as error:
            if error.code == "idempotency_conflict" and external_id in self.state.players:
                self.issue(self.state.players[external_id], body, None)
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
        flying = notes(self.state, "in flight")
        if body.idempotencyKey in flying:
            raise conflict("a request with this key is in flight")
        flying[body.idempotencyKey] = True
        try:
            gap()
            with self.state.lock:
                return super().create(external_id, body)
        finally:
            del flying[body.idempotencyKey]


@fault("grant-race-201", "GRANT-4", difficulty=SUBTLE, racing=(operations.create_grant,))
class Race201(Grants):
    """The key is unique, but whoever looked before it was written is told 201."""

    def create(self, external_id: str, body: GrantBody) -> Reply:
        new = body.idempotencyKey not in self.state.remembered(SCOPE)
        gap()
        with self.state.lock:
            reply = super().create(external_id, body)
        return Reply(201 if new else reply.status, reply.data)


@fault("grant-key-per-player", "GRANT-5", "DEL-9", "MERGE-9", difficulty=MEDIUM)
class KeyPerPlayer(Grants):
    """A key is unique for a player, not in the game."""

    def create(self, external_id: str, body: GrantBody) -> Reply:
        scoped = msgspec.structs.replace(
            body, idempotencyKey=f"{self.state.ensure(external_id).id}/{body.idempotencyKey}"
        )
        return super().create(external_id, scoped)


@fault("grant-moves-to-second-player", "GRANT-5", "MERGE-9", "DEL-9", difficulty=SUBTLE)
class MovesToSecondPlayer(Grants):
    """A key used for another player answers 200 and hands the grant over."""

    def create(self, external_id: str, body: GrantBody) -> Reply:
        used = self.state.remembered(SCOPE).get(body.idempotencyKey)
        if used is None or used.player is self.state.players.get(external_id):
            return super().create(external_id, body)
        grant, player = self.state.grants[used.answer["id"]], self.state.ensure(external_id)
        if grant in grant.player.grants:
            grant.player.grants.remove(grant)
        grant.player = player
        player.grants.append(grant)
        return Reply(200, grant.view())


@fault("grant-unknown-404", "GRANT-6", "GRANT-1", difficulty=OBVIOUS)
class Unknown404(Grants):
    """A grant for an unknown player gets 404."""

    def create(self, external_id: str, body: GrantBody) -> Reply:
        self.state.known(external_id)
        return super().create(external_id, body)


@fault("grant-race-player", "GRANT-6", difficulty=SUBTLE, racing=(operations.create_grant,))
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


@fault("grant-zero-taken", "GRANT-7", "ERR-4", difficulty=SUBTLE)
class ZeroTaken(CoercedEntries):
    """An amount of zero is taken."""

    def entry(self, place: int, entry: Any) -> Any:
        if not isinstance(entry, dict):
            return entry
        zero = [name for name in ("amount", "quantity") if entry.get(name) == 0]
        return {**entry, **dict.fromkeys(zero, 1)}


@fault("grant-text-amount", "GRANT-7", "ERR-4", difficulty=MEDIUM)
class TextAmount(CoercedEntries):
    """An amount may be a text with digits."""

    def entry(self, place: int, entry: Any) -> Any:
        if not isinstance(entry, dict):
            return entry
        return {
            k: int(v) if k in ("amount", "quantity") and isinstance(v, str) and v.isdigit() else v
            for k, v in entry.items()
        }


@fault("grant-crates-unchecked", "GRANT-7", "ERR-4", difficulty=SUBTLE)
class CratesUnchecked(CoercedEntries):
    """The quantity of a crate is not validated."""

    def entry(self, place: int, entry: Any) -> Any:
        if isinstance(entry, dict) and entry.get("type") == "crate":
            return {**entry, "quantity": 1}
        return entry


@fault("grant-second-entry-unchecked", "GRANT-7", "ERR-4", "ERR-3", difficulty=SUBTLE)
class SecondUnchecked(CoercedEntries):
    """Only the first entry is validated; the others are taken as they are."""

    def entry(self, place: int, entry: Any) -> Any:
        if place and isinstance(entry, dict):
            return {**entry, **{name: 1 for name in ("amount", "quantity") if name in entry}}
        return entry


@fault("grant-any-expiry", "GRANT-7", "ERR-4", difficulty=MEDIUM)
class AnyExpiry(Rewriting):
    """`expiresAt` may be any text."""

    def rewrite(self, operation: Operation, body: dict[str, Any]) -> dict[str, Any]:
        if isinstance(body.get("expiresAt"), str):
            return {**body, "expiresAt": "2099-01-01T00:00:00Z"}
        return body


@fault("grant-any-kind", "GRANT-7", "ERR-4", difficulty=MEDIUM)
class AnyKind(Rewriting):
    """An unknown kind is taken for a reward."""

    def rewrite(self, operation: Operation, body: dict[str, Any]) -> dict[str, Any]:
        return {**body, "kind": "reward"} if body.get("kind", "reward") != "crate" else body


@fault("grant-no-entries", "GRANT-7", "ERR-4", "GRANT-9", difficulty=MEDIUM)
class NoEntries(Rewriting):
    """An empty list of entries is taken."""

    def rewrite(self, operation: Operation, body: dict[str, Any]) -> dict[str, Any]:
        if body.get("entries") == []:
            return {**body, "entries": [{"type": "currency", "currencyKey": "gold", "amount": 1}]}
        return body


@fault("grant-unknown-item", "GRANT-7.code", difficulty=MEDIUM)
class UnknownItem(Grants):
    """Only currencies are looked up in the catalogue."""

    def check_catalogue(self, entries: list[Entry]) -> None:
        super().check_catalogue([entry for entry in entries if hasattr(entry, "currencyKey")])


@fault("grant-metric-code", "GRANT-7.code", difficulty=OBVIOUS)
class MetricCode(Grants):
    """A key that the catalogue lacks is not found, 404."""

    def check_catalogue(self, entries: list[Entry]) -> None:
        try:
            super().check_catalogue(entries)
        except ApiError:
            raise not_found("currency or item") from None


@fault("grant-not-in-profile", "GRANT-8", "PLAYER-2", "ACK-4", difficulty=MEDIUM)
class NotInProfile(Players):
    """The profile shows claimed grants only."""

    def profile(self, external_id: str, limit: str | None) -> Reply:
        data = super().profile(external_id, limit).data
        claimed = [grant for grant in data["grants"] if grant["status"] == "claimed"]
        return Reply(200, {**data, "grants": claimed})


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
        burnt = notes(self.state, "burnt")
        if body.idempotencyKey in burnt:
            raise conflict("the key was used")
        try:
            return super().create(external_id, body)
        except ApiError as error:
            if error.code == "invalid_metric":
                burnt[body.idempotencyKey] = True
            raise


@fault("grant-burns-invalid-key", "GRANT-9", difficulty=SUBTLE)
class BurnsInvalidKey(Server):
    """A key is used even by a request whose body is refused."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        body = document(call)
        if operation.handler is not operations.create_grant or not isinstance(body, dict):
            return super().alone(operation, services, call)
        burnt, key = notes(services.state, "burnt"), str(body.get("idempotencyKey"))
        if key in burnt:
            raise conflict("the key was used")
        try:
            return super().alone(operation, services, call)
        except ApiError as error:
            if error.status == 400 and "idempotencyKey" in body:
                burnt[key] = True
            raise


@fault("grant-conflict-takes-key", "GRANT-9", "GRANT-2", difficulty=SUBTLE)
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

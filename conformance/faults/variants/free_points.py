"""Conformant servers that read every free point of the contract the other way."""

import copy
import json
import math
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from conformance.faults.building_blocks import check_first, document, gap, leaves
from conformance.faults.variants.registration import variant
from conformance.reference.app import Server
from conformance.reference.bodies import (
    Adjustment,
    DeleteBody,
    GrantBody,
    ImportBody,
    InventoryRow,
    LobbyBody,
    WalletRow,
    fingerprint,
    moment,
)
from conformance.reference.budget import Budget, Spent
from conformance.reference.erasure import Gdpr
from conformance.reference.errors import ApiError, conflict, invalid, not_found, unprocessable
from conformance.reference.grants import Grants
from conformance.reference.imports import Imports
from conformance.reference.ledger import Ledger
from conformance.reference.lobbies import Lobbies
from conformance.reference.merging import Merging
from conformance.reference.operations import Call, Operation
from conformance.reference.players import Players
from conformance.reference.replies import Reply
from conformance.reference.services import Services
from conformance.reference.state import Grant, Player, Remembered, now
from conformance.reference.world import Key


@variant("whole-floats")
class WholeFloats(Server):
    """`1.0` for an integer: is taken as 1."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        try:
            text = json.dumps(json.loads(call.raw, parse_float=self.number)).encode()
        except (ValueError, RecursionError):
            text = call.raw
        return super().alone(operation, services, replace(call, raw=text))

    @staticmethod
    def number(text: str) -> float | int:
        """An integer for a whole float."""
        value = float(text)
        return int(value) if value.is_integer() and abs(value) < 2**53 else value


@variant("no-nulls")
@check_first()
def no_nulls(call: Call, _: Services) -> None:
    """An explicit `null` for an optional field: gets 400."""
    body = document(call)
    fields = ("reason", "sourceRefId", "idempotencyKey", "metadata", "kind", "capacity")
    if isinstance(body, dict) and any(body.get(name, 0) is None for name in fields):
        raise invalid("$", "null")


@variant("plain-texts")
@check_first()
def plain_texts(call: Call, _: Services) -> None:
    """Empty or very long texts and ids, control characters, lone surrogates: get 400."""
    for text in [*call.path.values(), *leaves(document(call))]:
        if isinstance(text, str) and not (0 < len(text) <= 200 and all(map(plain, text))):
            raise invalid("$", "a text that is empty, too long or not printable")


def plain(char: str) -> bool:
    """Whether the character is neither a control character nor a lone surrogate."""
    code = ord(char)
    return not (code < 32 or 127 <= code < 160 or 0xD800 <= code < 0xE000)


@variant("no-empty-batch")
@check_first()
def no_empty_batch(call: Call, _: Services) -> None:
    """An empty `rows`: gets 400."""
    body = document(call)
    if isinstance(body, dict) and body.get("rows") == []:
        raise invalid("$.rows", "empty")


@variant("body-required")
@check_first("deletePlayer")
def body_required(call: Call, _: Services) -> None:
    """A missing body where every field is optional: gets 400."""
    if not call.raw:
        raise invalid("$", "missing")


@variant("json-only")
class JsonOnly(Server):
    """A wrong or missing content type: gets 415."""

    async def answer(self, operation: Operation, request: Request) -> Response:
        kind = request.headers.get("content-type", "").partition(";")[0]
        length = request.headers.get("content-length", "0")
        authorised = request.headers.get("authorization", "").partition(".")[2] != ""
        takes = operation.method == "POST" and authorised and length != "0"
        if takes and kind != "application/json" and self.known(request):
            error = ApiError(415, "validation_failed", "The body must be application/json")
            return self.refuse(error, {})
        return await super().answer(operation, request)

    def known(self, request: Request) -> bool:
        """Whether the key is good, since credentials come first (AUTH-5)."""
        try:
            _, key = self.auth.identify(request.headers)
            self.auth.check_permission(key)
        except ApiError:
            return False
        return True


@variant("path-first")
@check_first("banPlayer", "createLobby")
def path_first(call: Call, services: Services) -> None:
    """The order of checks between 400, 404, 409 and 422: is the path, then the body."""
    if "eventKey" in call.path:
        services.lobbies.check_game(call.path["gameId"])
        services.lobbies.event(call.path["eventKey"])
    else:
        services.state.known(call.path["externalId"])


@variant("traced")
class Traced(Server):
    """Members beside `data`, and further fields: are there."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        reply = super().alone(operation, services, call)
        return TracedReply(reply.status, {**reply.data, "x-note": "kept"}, reply.enveloped)


class TracedReply(Reply):
    """A reply whose body differs every time, outside its data."""

    def body(self) -> dict[str, Any]:
        """The envelope with a trace id."""
        return {**super().body(), "traceId": f"{time.time_ns()}"}


@variant("catalogue-404")
class Catalogue404(Ledger):
    """An unknown item or currency key: gets 404."""

    def check_key(self, key: str) -> None:
        try:
            super().check_key(key)
        except ApiError:
            raise not_found("item or currency") from None


class AnyKey(Ledger):
    """Takes every item and currency."""

    def check_key(self, key: str) -> None:
        """Nothing is unknown."""


@variant("catalogue-200", parts=(AnyKey,))
class StillFails(Imports):
    """An unknown item or currency key: gets 200."""

    def holding(self, ledger: Ledger, row: WalletRow | InventoryRow) -> None:
        if row.key not in ledger.keys:
            raise invalid(ledger.key_field, "unknown")
        super().holding(ledger, row)


@variant("limit-400")
class Limit400(Players):
    """A bad `limit`: gets 400."""

    def limit(self, asked: str | None) -> int:
        if asked is not None and not (asked.isascii() and asked.isdigit() and 0 < int(asked) < 999):
            raise invalid("limit", "not a number from 1")
        return super().limit(asked)


@variant("other-profile")
class OtherProfile(Players):
    """The names in a profile: are others."""

    def profile(self, external_id: str, limit: str | None) -> Reply:
        data = super().profile(external_id, limit).data
        recent = {
            "rewards": [{"grantId": grant["id"]} for grant in data["grants"]],
            "memberships": [lobby["id"] for lobby in data["lobbies"]],
        }
        return Reply(200, {"row": data["player"], "recent": recent})


@variant("written-defaults")
class WrittenDefaults(Grants):
    """A default sent or left out, one instant spelled two ways: mean the same."""

    def fingerprint(self, body: GrantBody) -> str:
        kind, source = body.kind or "reward", body.sourceKind or "api"
        expires = moment(body.expiresAt)
        plain = [body.idempotencyKey, body.entries, body.sourceRefId, body.metadata or {}]
        return fingerprint(kind, source, expires and expires.timestamp(), plain)


@variant("no-past")
class NoPast(Grants):
    """An `expiresAt` in the past: gets 400."""

    def issue(self, player: Player, body: GrantBody, expires_at: datetime | None) -> Grant:
        if expires_at is not None and expires_at <= now():
            raise invalid("$.expiresAt", "in the past")
        return super().issue(player, body, expires_at)


@variant("key-of-others-200")
class OneKeyOneGrant(Grants):
    """A used grant key with another player, after a merge or erasure: gets the first grant."""

    def create(self, external_id: str, body: GrantBody) -> Reply:
        used = self.state.remembered("grants").get(body.idempotencyKey)
        if used is not None and used.fingerprint == self.fingerprint(body):
            return self.replay(used)
        return super().create(external_id, body)


@variant("replay-as-it-stands")
class ReplayAsItStands(Grants):
    """The body of a create replayed after the ack: is the claimed row."""

    def replay(self, first: Remembered) -> Reply:
        return Reply(200, self.state.grants[first.answer["id"]].view())


@variant("silent-ack")
class SilentAck(Grants):
    """The field `ackedBy`: is left out."""

    def claim(self, grant: Grant) -> None:
        super().claim(grant)
        grant.acked_by = None


@variant("lobby-conflict")
class LobbyConflict(Lobbies):
    """Another body for a lobby's key: gets 409."""

    def create(self, game_id: str, event_key: str, body: LobbyBody) -> Reply:
        self.check_game(game_id)
        self.event(event_key)
        used = self.state.remembered("lobbies")
        first = used.get(body.key)
        if first is not None and first.fingerprint != fingerprint(event_key, body):
            raise conflict("the key has a lobby with another body")
        reply = super().create(game_id, event_key, body)
        used[body.key] = Remembered(fingerprint(event_key, body), None, {})
        return reply


@variant("roster-400")
class Roster400(Lobbies):
    """A roster over capacity, and an empty roster: get 400."""

    def create(self, game_id: str, event_key: str, body: LobbyBody) -> Reply:
        self.check_game(game_id)
        event = self.event(event_key)
        seats = body.capacity or event.capacity
        if not 0 < len(set(body.externalPlayerIds)) <= seats:
            raise invalid("$.externalPlayerIds", "empty, or more than seats")
        return super().create(game_id, event_key, body)


@variant("game-hidden")
class GameHidden(Lobbies):
    """An unknown game, 403 or 404: gets 403."""

    def check_game(self, game_id: str) -> None:
        if game_id != self.state.game.id:
            raise ApiError(403, "tenant_mismatch", "The key belongs to another game")


@variant("merge-otherwise")
class MergeOtherwise(Merging):
    """A merge's replay, one whose target is gone, an erased target: get zero counts, 200, 422."""

    def merge(self, source_id: str, target_id: str) -> Reply:
        if source_id not in self.state.players and target_id not in self.state.players:
            known = [done for (gone, _), done in self.state.merges.items() if gone == source_id]
            merges = [done for done in known if done["toExternalPlayerId"] == target_id]
            if merges:
                return Reply(200, {**merges[-1], "status": "no_op_already_merged"})
        erased = target_id in self.state.erasures and target_id not in self.state.players
        if erased and source_id in self.state.players:
            raise unprocessable("the target is erased")
        return super().merge(source_id, target_id)

    def earlier(self, source_id: str, target_id: str) -> dict[str, Any] | None:
        done = super().earlier(source_id, target_id)
        return done and {**done, "counts": dict.fromkeys(done["counts"], 0)}


@variant("key-of-holding")
class KeyOfHolding(Ledger):
    """One key for two currencies, items or players, or up and down: counts as two keys."""

    def once(self, change: str, external_id: str, key: str, amount: int, body: Adjustment) -> Reply:
        if body.idempotencyKey is not None:
            scoped = copy.copy(body)
            scoped.idempotencyKey = json.dumps([external_id, key, change, body.idempotencyKey])
            body = scoped
        return super().once(change, external_id, key, amount, body)


@variant("lists-zero")
class ListsZero(Ledger):
    """A holding of zero in an export: is listed."""

    def listing(self, player: Player) -> list[dict[str, Any]]:
        amounts = self.holdings(player).amounts
        return [{self.key_field: k, self.holding_field: held} for k, held in amounts.items()]


@variant("small-amounts")
class SmallAmounts(Ledger):
    """Amounts beyond 2^31-1: get 400."""

    def once(self, change: str, external_id: str, key: str, amount: int, body: Adjustment) -> Reply:
        if amount > 2**31 - 1:
            raise invalid("$", "too large")
        return super().once(change, external_id, key, amount, body)


@variant("skips-used")
class SkipsUsed(Imports):
    """An imported key with other content: is skipped."""

    def row(self, scope: str, row: Any, apply: Callable[[Any], None]) -> bool:
        if row.idempotencyKey in self.state.remembered(scope):
            return False
        return super().row(scope, row, apply)


@variant("typed-rows")
class TypedRows(Imports):
    """A row of wrong types: refuses the whole batch with 400."""

    def batch(self, scope: str, body: ImportBody, *rest: Any) -> Reply:
        for raw in body.rows:
            row = json.loads(bytes(raw))
            if not isinstance(row, dict) or any(self.odd(name, row[name]) for name in row):
                raise invalid("$.rows", "a row of wrong types")
        return super().batch(scope, body, *rest)

    @staticmethod
    def odd(name: str, value: Any) -> bool:
        """Whether a known field has another type than it should."""
        if name in ("amount", "quantity"):
            return not isinstance(value, int) or isinstance(value, bool)
        if name in ("contextSnapshot", "parameters"):
            return not isinstance(value, dict)
        known = ("externalPlayerId", "idempotencyKey", "economyKey", "itemKey", "reason")
        return name in known and not isinstance(value, str)


@variant("eager-imports")
class EagerImports(Imports):
    """A failed or skipped row: makes its player known."""

    def row(self, scope: str, row: Any, apply: Callable[[Any], None]) -> bool:
        self.state.ensure(row.externalPlayerId)
        return super().row(scope, row, apply)


@variant("merged-is-erased")
class MergedIsErased(Gdpr):
    """The erasure of a merged-away id: reports no_op_already_erased."""

    def delete(self, external_id: str, body: DeleteBody) -> Reply:
        merged = [done for (gone, _), done in self.state.merges.items() if gone == external_id]
        known = external_id in self.state.players or external_id in self.state.erasures
        if not merged or known:
            return super().delete(external_id, body)
        done = merged[-1]
        placeholder, status = done["anonymizedExternalPlayerId"], "no_op_already_erased"
        return Reply(200, self.outcome(done["fromPlayerId"], external_id, placeholder, 0, status))


@variant("quiet-budget")
class QuietBudget(Budget):
    """RateLimit headers below the limit: are left out."""

    def spend(self, key: Key) -> Spent:
        spent = super().spend(key)
        return spent if not spent.allowed else replace(spent, headers={})


@variant("sliding-budget")
class SlidingBudget(Budget):
    """Fixed, sliding or bucketed windows: are sliding."""

    def __init__(self, window: int) -> None:
        super().__init__(window)
        self.spent: dict[str, list[float]] = {}

    def spend(self, key: Key) -> Spent:
        with self.lock:
            moment = time.monotonic()
            recent = [at for at in self.spent.get(key.prefix, []) if at > moment - self.window]
            allowed = len(recent) < key.budget
            if allowed:
                recent.append(moment)
            self.spent[key.prefix] = recent
            seconds = max(1, math.ceil(recent[0] + self.window - moment))
            remaining = key.budget - len(recent)
        return Spent(allowed, seconds, self.headers(key.budget, remaining, seconds))


@variant("slow-writes", threads=True)
class Slow(Server):
    """The order and duration of simultaneous calls: one after the other, a millisecond each."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        with services.state.lock:
            if operation.method == "POST":
                gap()
            return super().alone(operation, services, call)

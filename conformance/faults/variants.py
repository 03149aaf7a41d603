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

from conformance.faults.building_blocks import T, document, gap, leaves
from conformance.faults.deviations import Variant
from conformance.reference.app import Server
from conformance.reference.bodies import (
    Adjustment,
    DeleteBody,
    GrantBody,
    ImportBody,
    LobbyBody,
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

VARIANTS: dict[str, Variant] = {}


def variant(
    id: str, point: str, summary: str, *, parts: tuple[type, ...] = (), threads: bool = False
) -> Callable[[T], T]:
    """Register the decorated class as a variant; `parts` deviate together with it."""

    def register(cls: T) -> T:
        VARIANTS[id] = Variant(id, summary, (cls, *parts), threads=threads, point=point)
        return cls

    return register


@variant("whole-floats", "`1.0` for an integer", "is taken as 1")
class WholeFloats(Server):
    """Takes 1.0 where an integer is asked for."""

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


@variant("no-nulls", "an explicit `null` for an optional field", "gets 400")
class NoNulls(Server):
    """Refuses an explicit null for an optional field."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        body = document(call)
        fields = ("reason", "sourceRefId", "idempotencyKey", "metadata", "kind", "capacity")
        if isinstance(body, dict) and any(body.get(name, 0) is None for name in fields):
            raise invalid("$", "null")
        return super().alone(operation, services, call)


@variant(
    "plain-texts",
    "empty strings, control characters and lone surrogates in strings and ids, ids longer than "
    "200 characters",
    "get 400",
)
class PlainTexts(Server):
    """Refuses empty texts, control characters, lone surrogates and long ids."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        for text in [*call.path.values(), *leaves(document(call))]:
            if isinstance(text, str) and not self.plain(text):
                raise invalid("$", "a text that is empty, too long or not printable")
        return super().alone(operation, services, call)

    @staticmethod
    def plain(text: str) -> bool:
        """Whether the text is neither empty nor long, and has no control characters."""
        odd = any(ord(c) < 32 or 127 <= ord(c) < 160 or 0xD800 <= ord(c) < 0xE000 for c in text)
        return 0 < len(text) <= 200 and not odd


@variant("no-empty-batch", "an empty `rows`", "gets 400")
class NoEmptyBatch(Server):
    """Refuses an empty list of rows."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        body = document(call)
        if isinstance(body, dict) and body.get("rows") == []:
            raise invalid("$.rows", "empty")
        return super().alone(operation, services, call)


@variant("body-required", "a missing body where every field is optional", "gets 400")
class BodyRequired(Server):
    """Refuses a delete without a body."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        if operation.path.endswith("/delete") and not call.raw:
            raise invalid("$", "missing")
        return super().alone(operation, services, call)


@variant("json-only", "a wrong or missing content type", "gets 415")
class JsonOnly(Server):
    """Refuses a body of another media type."""

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


@variant(
    "path-first", "the order of checks between 400, 404, 409 and 422", "is the path, then the body"
)
class PathFirst(Server):
    """Looks for what the path names before it reads the body."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        if operation.path.endswith("/ban"):
            services.state.known(call.path["externalId"])
        if "eventKey" in call.path:
            services.lobbies.check_game(call.path["gameId"])
            services.lobbies.event(call.path["eventKey"])
        return super().alone(operation, services, call)


@variant("traced", "members beside `data`, and further fields", "are there")
class Traced(Server):
    """Puts a trace id beside `data` and into it."""

    count = 0

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        reply = super().alone(operation, services, call)
        return TracedReply(reply.status, {**reply.data, "x-note": "kept"}, reply.enveloped)


class TracedReply(Reply):
    """A reply whose body differs every time, outside its data."""

    def body(self) -> dict[str, Any]:
        """The envelope with a trace id."""
        return {**super().body(), "traceId": f"{time.time_ns()}"}


@variant("catalogue-404", "an unknown item or currency key", "gets 404")
class Catalogue404(Ledger):
    """Answers 404 for a key that the catalogue lacks."""

    def check_key(self, key: str) -> None:
        try:
            super().check_key(key)
        except ApiError:
            raise not_found("item or currency") from None


class AnyKey(Ledger):
    """Takes every item and currency."""

    def check_key(self, key: str) -> None:
        """Nothing is unknown."""


@variant("catalogue-200", "an unknown item or currency key", "gets 200", parts=(AnyKey,))
class StillFails(Imports):
    """Imports still fail rows of unknown keys (MIG-3)."""

    def balance(self, row: Any) -> None:
        if row.economyKey not in self.state.game.currencies:
            raise invalid("economyKey", "unknown")
        super().balance(row)

    def item(self, row: Any) -> None:
        if row.itemKey not in self.state.game.items:
            raise invalid("itemKey", "unknown")
        super().item(row)


@variant("limit-400", "what a bad `limit` gets", "is 400")
class Limit400(Players):
    """Refuses a bad limit."""

    def limit(self, asked: str | None) -> int:
        if asked is not None and not (asked.isascii() and asked.isdigit() and 0 < int(asked) < 999):
            raise invalid("limit", "not a number from 1")
        return super().limit(asked)


@variant("other-profile", "the names in a profile", "are others")
class OtherProfile(Players):
    """Names everything in a profile otherwise."""

    def profile(self, external_id: str, limit: str | None) -> Reply:
        data = super().profile(external_id, limit).data
        recent = {
            "rewards": [{"grantId": grant["id"]} for grant in data["grants"]],
            "memberships": [lobby["id"] for lobby in data["lobbies"]],
        }
        return Reply(200, {"row": data["player"], "recent": recent})


@variant(
    "written-defaults",
    "whether a default written out equals one left out, or one instant spelled two ways itself",
    "is yes",
)
class WrittenDefaults(Grants):
    """A default written out equals one left out."""

    def fingerprint(self, body: GrantBody) -> str:
        kind, source = body.kind or "reward", body.sourceKind or "api"
        expires = moment(body.expiresAt)
        plain = [body.idempotencyKey, body.entries, body.sourceRefId, body.metadata or {}]
        return fingerprint(kind, source, expires and expires.timestamp(), plain)


@variant("no-past", "an `expiresAt` in the past", "gets 400")
class NoPast(Grants):
    """Refuses an expiry in the past."""

    def issue(self, player: Player, body: GrantBody, expires_at: datetime | None) -> Grant:
        if expires_at is not None and expires_at <= now():
            raise invalid("$.expiresAt", "in the past")
        return super().issue(player, body, expires_at)


@variant(
    "key-of-others-200",
    "200 or 409 for a grant key used for another player, after a merge or an erasure",
    "is 200 with the first grant",
)
class OneKeyOneGrant(Grants):
    """Answers the first grant to whichever player comes with its key (GRANT-5, DEL-9)."""

    def create(self, external_id: str, body: GrantBody) -> Reply:
        used = self.state.remembered("grants").get(body.idempotencyKey)
        if used is not None and used.fingerprint == self.fingerprint(body):
            return self.replay(used)
        return super().create(external_id, body)


@variant("replay-as-it-stands", "the body of a create replayed after the ack", "is the claimed row")
class ReplayAsItStands(Grants):
    """Replays the create with the claimed row."""

    def replay(self, first: Remembered) -> Reply:
        return Reply(200, self.state.grants[first.answer["id"]].view())


@variant("silent-ack", "whether `ackedBy` is reported", "is no")
class SilentAck(Grants):
    """Does not tell who acknowledged a grant."""

    def claim(self, grant: Grant) -> None:
        super().claim(grant)
        grant.acked_by = None


@variant("lobby-conflict", "another body for a lobby's key", "gets 409")
class LobbyConflict(Lobbies):
    """Refuses another body for a lobby's key."""

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


@variant("roster-400", "a roster over capacity, and an empty roster", "get 400")
class Roster400(Lobbies):
    """Says 400 for a roster over capacity, and for an empty one."""

    def create(self, game_id: str, event_key: str, body: LobbyBody) -> Reply:
        self.check_game(game_id)
        event = self.event(event_key)
        seats = body.capacity or event.capacity
        if not 0 < len(set(body.externalPlayerIds)) <= seats:
            raise invalid("$.externalPlayerIds", "empty, or more than seats")
        return super().create(game_id, event_key, body)


@variant("game-hidden", "403 or 404 for an unknown game", "is 403")
class GameHidden(Lobbies):
    """Says 403 for every game but the key's."""

    def check_game(self, game_id: str) -> None:
        if game_id != self.state.game.id:
            raise ApiError(403, "tenant_mismatch", "The key belongs to another game")


@variant(
    "merge-otherwise",
    "the counts of a merge's replay, a replay whose target is gone, 404 or 422 for a target that "
    "is erased",
    "are zero, 200, and 422",
)
class MergeOtherwise(Merging):
    """Counts nothing on a replay, keeps the seat of both, and knows merges whose target is gone."""

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


@variant(
    "key-of-holding",
    "one key for two currencies, items or players, or up and down",
    "is independent",
)
class KeyOfHolding(Ledger):
    """An idempotency key is used for one player, one currency or item, and one direction."""

    def once(self, change: str, external_id: str, key: str, amount: int, body: Adjustment) -> Reply:
        if body.idempotencyKey is not None:
            scoped = copy.copy(body)
            scoped.idempotencyKey = json.dumps([external_id, key, change, body.idempotencyKey])
            body = scoped
        return super().once(change, external_id, key, amount, body)


@variant("lists-zero", "whether an export lists a holding of zero", "is yes")
class ListsZero(Ledger):
    """Lists a holding of zero."""

    def listing(self, player: Player) -> list[dict[str, Any]]:
        amounts = self.holdings(player).amounts
        return [{self.key_field: k, self.holding_field: held} for k, held in amounts.items()]


@variant("small-amounts", "amounts beyond 2^31-1", "get 400")
class SmallAmounts(Ledger):
    """Refuses amounts beyond 2^31-1."""

    def once(self, change: str, external_id: str, key: str, amount: int, body: Adjustment) -> Reply:
        if amount > 2**31 - 1:
            raise invalid("$", "too large")
        return super().once(change, external_id, key, amount, body)


@variant("skips-used", "an imported key with other content", "is skipped")
class SkipsUsed(Imports):
    """Skips a used key whatever comes with it."""

    def row(self, scope: str, row: Any, apply: Callable[[Any], None]) -> bool:
        if row.idempotencyKey in self.state.remembered(scope):
            return False
        return super().row(scope, row, apply)


@variant("typed-rows", "a row of wrong types", "refuses the whole batch with 400")
class TypedRows(Imports):
    """Refuses the whole batch for a row of wrong types."""

    def batch(
        self, scope: str, body: ImportBody, shape: type[Any], apply: Callable[[Any], None]
    ) -> Reply:
        for raw in body.rows:
            row = json.loads(bytes(raw))
            if not isinstance(row, dict) or any(self.odd(name, row[name]) for name in row):
                raise invalid("$.rows", "a row of wrong types")
        return super().batch(scope, body, shape, apply)

    @staticmethod
    def odd(name: str, value: Any) -> bool:
        """Whether a known field has another type than it should."""
        if name in ("amount", "quantity"):
            return not isinstance(value, int) or isinstance(value, bool)
        if name in ("contextSnapshot", "parameters"):
            return not isinstance(value, dict)
        known = ("externalPlayerId", "idempotencyKey", "economyKey", "itemKey", "reason")
        return name in known and not isinstance(value, str)


@variant("eager-imports", "whether a failed or skipped row makes its player known", "is yes")
class EagerImports(Imports):
    """Makes the player of a row before it looks at the rest of it."""

    def row(self, scope: str, row: Any, apply: Callable[[Any], None]) -> bool:
        self.state.ensure(row.externalPlayerId)
        return super().row(scope, row, apply)


@variant(
    "merged-is-erased",
    "which no-op a merged-away id gets from an erasure",
    "is no_op_already_erased",
)
class MergedIsErased(Gdpr):
    """Calls a merged-away id erased."""

    def delete(self, external_id: str, body: DeleteBody) -> Reply:
        merged = [done for (gone, _), done in self.state.merges.items() if gone == external_id]
        known = external_id in self.state.players or external_id in self.state.erasures
        if not merged or known:
            return super().delete(external_id, body)
        done = merged[-1]
        placeholder, status = done["anonymizedExternalPlayerId"], "no_op_already_erased"
        return Reply(200, self.outcome(done["fromPlayerId"], external_id, placeholder, 0, status))


@variant("quiet-budget", "RateLimit headers below the limit", "are not sent")
class QuietBudget(Budget):
    """Sends the RateLimit headers on a 429 only."""

    def spend(self, key: Key) -> Spent:
        spent = super().spend(key)
        return spent if not spent.allowed else replace(spent, headers={})


@variant("sliding-budget", "fixed, sliding or bucketed windows", "are sliding")
class SlidingBudget(Budget):
    """Counts in a sliding window."""

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


@variant(
    "slow-writes",
    "in which order simultaneous calls take effect, and how long they take",
    "is that of a lock, a millisecond each",
    threads=True,
)
class Slow(Server):
    """Takes its time over every write, with the lock of the game held."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        with services.state.lock:
            if operation.method == "POST":
                gap()
            return super().alone(operation, services, call)

"""Faults of a fifth reader: what teams ship by mistake, and what a suite may not look for."""

import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from conformance.faults import building_blocks as kit
from conformance.reference.app import Server
from conformance.reference.auth import PERMISSION_SET, Auth
from conformance.reference.bodies import (
    Adjustment,
    BanBody,
    GrantBody,
    ImportBody,
    LobbyBody,
    PlayerRow,
    fingerprint,
    read,
)
from conformance.reference.budget import Budget
from conformance.reference.erasure import Gdpr
from conformance.reference.errors import ApiError, conflict, not_found, reused_key
from conformance.reference.grants import Grants
from conformance.reference.imports import Imports, Row
from conformance.reference.ledger import Ledger
from conformance.reference.lobbies import Lobbies
from conformance.reference.merging import Merging
from conformance.reference.operations import Call, Operation
from conformance.reference.players import Players
from conformance.reference.replies import Reply
from conformance.reference.services import Services
from conformance.reference.state import (
    EXPORT_LIMIT,
    GameState,
    Grant,
    Lobby,
    Player,
    Remembered,
    now,
)
from conformance.reference.world import Event, Game, Key

PAGE = 100
"""The rows that a query of an export reads."""
SWEEP = timedelta(milliseconds=500)
"""Between two rounds of the job that deletes what has expired."""
FORGET = timedelta(seconds=1)
"""For so long a cache keeps that it found nothing."""
ROUTE: ContextVar[str] = ContextVar("route")
"""The operation of the request at hand."""
ACCEPT: ContextVar[str] = ContextVar("accept")
"""What the request at hand accepts."""
KEYED = ("createGrant", *kit.UP, *kit.DOWN)
"""The operations whose answers are kept by their idempotency key."""
LEASE = timedelta(seconds=4)
"""For so long the key of a decrement is kept."""
LONGEST = 500
"""The failures that a batch lists at most."""
PHP_DEPTH = 400
"""So deep PHP looks at a value."""
PARSED = 64
"""So deep the parser of JSON goes."""
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)")
"""What a parser may take for a moment."""

# Realistic


@kit.subtle("r5-grant-entries-as-set", "GRANT-3")
class EntriesAsSet(Grants):
    """The comparison of bodies sorts the entries: in another order they are the same body."""

    def fingerprint(self, body: GrantBody) -> str:
        entries = sorted(body.entries, key=fingerprint)
        return super().fingerprint(msgspec.structs.replace(body, entries=entries))


@kit.subtle("r5-lobby-ids-trimmed", "LOBBY-6 HTTP-4 LOBBY-1")
class IdsTrimmed(Lobbies):
    """The validator of a roster trims the ids: one with a blank at its end is another player."""

    def open(self, event: Event, body: LobbyBody) -> Lobby:
        roster = [external_id.strip() for external_id in body.externalPlayerIds]
        return super().open(event, msgspec.structs.replace(body, externalPlayerIds=roster))


@kit.subtle("r5-export-pages-by-second", "EXP-1 GRANT-8 MERGE-3 ACK-4")
@kit.change_data("exportPlayer")
def pages_by_second(_: kit.Data, call: Call, services: Services) -> kit.Data:
    """The next page of an export begins after the second of the last row: others of it are lost."""
    rows = kit.player_of(call, services).grants
    shown = page = rows[:PAGE]
    while len(page) == PAGE:
        last = page[-1].created_at.replace(microsecond=0)
        page = [one for one in rows if one.created_at.replace(microsecond=0) > last][:PAGE]
        shown = shown + page
    return {"grants": [grant.view() for grant in shown[-EXPORT_LIMIT:]]}


@kit.subtle("r5-player-limit-counts-entries", "GRANT-8 PLAYER-2 ACK-4")
@kit.change_data("getPlayer")
def limit_counts_entries(_: kit.Data, call: Call, services: Services) -> kit.Data:
    """The limit of a profile counts the rows of a join, which has one for each entry of a grant."""
    grants = kit.player_of(call, services).grants[::-1]
    joined = [(grant, entry) for grant in grants for entry in grant.entries]
    entries: dict[Grant, list[Any]] = {}
    for grant, entry in joined[: services.players.limit(call.query.get("limit"))]:
        entries.setdefault(grant, []).append(entry)
    shown = [{**grant.view(), "contents": {"entries": some}} for grant, some in entries.items()]
    return {"grants": shown}


@kit.subtle("r5-ban-race", "BAN-2 BAN-1", racing=("banPlayer",))
class BanRace(Players):
    """A ban reads whether there is one, then writes: of two at once both are `applied`."""

    def ban(self, external_id: str, body: BanBody) -> Reply:
        is_first = self.state.known(external_id).banned_at is None
        kit.gap(2)
        with self.state.lock:
            reply = super().ban(external_id, body)
        return replace(reply, data={**reply.data, "applied": is_first})


class KnowsRoute(Server):
    """Tells the other parts which operation a request asks for."""

    async def answer(self, operation: Operation, request: Request) -> Response:
        ROUTE.set(operation.id)
        return await super().answer(operation, request)


@kit.medium("r5-auth-imports-take-clients", "AUTH-3 AUTH-3.code AUTH-4", parts=(KnowsRoute,))
class ImportsTakeClients(Auth):
    """The router of the imports lacks the check of the permission set: a client key may import."""

    def check_permission(self, key: Key) -> None:
        if ROUTE.get() not in kit.IMPORTS:
            super().check_permission(key)


@kit.subtle(
    "r5-grant-expiry-deletes",
    "GRANT-8 EXP-1 PLAYER-2 PLAYER-5 ACK-2 ACK-4 MERGE-3",
)
class ExpiryDeletes(Server):
    """An index with a time to live deletes grants after `expiresAt`, the claimed ones as well."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        with services.state.lock:
            job = kit.scratch(services.state, "sweeps")
            if "last" not in job or now() - job["last"] >= SWEEP:
                job["last"] = now()
                self.sweep(services.state)
        return super().alone(operation, services, call)

    def sweep(self, state: GameState) -> None:
        """Delete the grants whose time has come."""
        for grant in list(state.grants.values()):
            if grant.expires_at and grant.expires_at <= now():
                del state.grants[grant.id]
                if grant in grant.player.grants:
                    grant.player.grants.remove(grant)


class Refunding(Budget):
    """Can give a request back."""

    def refund(self, key: Key) -> None:
        """Take back that the key has sent a request."""
        with self.lock:
            self.counts.decr(key.prefix)


@kit.medium("r5-rate-failures-free", "RATE-1 RATE-4", parts=(Refunding,))
class FailuresFree(Server):
    """The limiter skips requests that fail: a key may send any number of those."""

    async def run(self, operation: Operation, services: Services, call: Call) -> Reply:
        try:
            return await super().run(operation, services, call)
        except ApiError:
            assert isinstance(self.budget, Refunding)
            self.budget.refund(call.key)
            raise


@kit.subtle("r5-http-plus-is-blank", "HTTP-4")
class PlusIsBlank(Server):
    """A path is decoded like a form: a bare plus in an id is a blank."""

    def decode(self, segment: str) -> str:
        return super().decode(segment.replace("+", " "))


@kit.subtle("r5-err-invalid-body-makes-player", "ERR-4 GRANT-7 LEDGER-7")
@kit.check_first("createGrant", "creditWallet", "grantItem")
def invalid_body_makes_player(call: Call, services: Services) -> None:
    """A middleware creates the player of a write before the body is validated."""
    services.state.ensure(call.path["externalId"])


@kit.subtle("r5-import-empty-objects-are-lists", "MIG-9 HTTP-2")
class EmptyObjectsAreLists(Imports):
    """Snapshots pass through arrays of PHP: an empty object in one is exported as a list."""

    def player(self, row: PlayerRow) -> None:
        super().player(row)
        player = self.state.known(row.externalPlayerId)
        player.context_snapshot = self.through_php(player.context_snapshot)

    def through_php(self, value: Any, depth: int = 0) -> Any:
        """The value after `json_decode` to arrays and `json_encode`, as deep as these go."""
        if depth > PHP_DEPTH:
            return value
        if isinstance(value, dict):
            items = value.items()
            return {key: self.through_php(item, depth + 1) for key, item in items} or []
        if isinstance(value, list):
            return [self.through_php(item, depth + 1) for item in value]
        return value


@kit.subtle("r5-import-bulk-then-single", "MIG-3 MIG-7 MIG-5 LEDGER-11")
class BulkThenSingle(Imports):
    """After an unknown item fails the bulk, rows go one by one, those before it a second time."""

    def batch(
        self, scope: str, body: ImportBody, shape: type[Row], apply: Callable[[Row], None]
    ) -> Reply:
        known = {None, *self.ledgers[0].keys, *self.ledgers[1].keys}
        before: list[Row] = []
        for raw in body.rows:
            try:
                row = read(raw, shape)
                if row.idempotencyKey in self.state.remembered(scope):
                    continue
                if getattr(row, "key", None) not in known:
                    for one in before:
                        apply(one)
                    break
            except ApiError:
                continue
            before.append(row)
        return super().batch(scope, body, shape, apply)


@kit.subtle("r5-merge-seat-is-unique", "MERGE-4 MERGE-1 HTTP-1")
class SeatIsUnique(Merging):
    """A merge updates the seats of a lobby, and gets 409 from the index if both sit in one."""

    def check(self, source: Player, target: Player) -> None:
        super().check(source, target)
        if any(lobby in target.lobbies for lobby in source.lobbies):
            raise conflict("duplicate key value violates unique constraint lobby_player")


@kit.medium(
    "r5-player-absence-cached",
    "PLAYER-2 GRANT-8 GRANT-6 LOBBY-6 LEDGER-1 MIG-6 MERGE-5 DEL-6 ACK-4",
)
class AbsenceCached(Server):
    """The cache of profiles keeps the 404 of a stranger for a second, also if they come then."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        if operation.id != "getPlayer":
            return super().alone(operation, services, call)
        absent = kit.scratch(services.state, "absent")
        external_id = call.path["externalId"]
        if external_id in absent and now() - absent[external_id] < FORGET:
            raise not_found("player")
        try:
            return super().alone(operation, services, call)
        except ApiError:
            absent[external_id] = now()
            raise


class SeatsByName(GameState):
    """Lists the lobbies of an id, whoever had it then."""

    def ensure(self, external_id: str) -> Player:
        is_new = external_id not in self.players
        player = super().ensure(external_id)
        if is_new:
            player.lobbies += kit.scratch(self, "seats").get(external_id, [])
        return player


@kit.subtle("r5-erasure-seats-return", "DEL-6 EXP-1 EXP-4 PLAYER-2", parts=(SeatsByName,))
class SeatsReturn(Gdpr):
    """Seats name the external id, and an erasure keeps them: they are those of the next player."""

    def erase(self, player: Player, external_id: str) -> dict[str, Any]:
        kit.scratch(self.state, "seats")[external_id] = list(player.lobbies)
        return super().erase(player, external_id)


# Believed to be missed


@kit.subtle("r5-auth-basic-user", "AUTH-2 AUTH-4")
class BasicUser(Auth):
    """The gateway takes the scheme Basic as well, with the token as the name of the user."""

    def identify(self, headers: Headers) -> tuple[Game, Key]:
        scheme, _, sent = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                user = b64decode(sent, validate=True).decode("ascii").partition(":")[0]
            except ValueError:
                user = ""
            headers = Headers({"authorization": f"Bearer {user}"})
        return super().identify(headers)


@kit.subtle("r5-auth-replay-before-permission", "AUTH-3 AUTH-3.code")
class ReplayBeforePermission(Server):
    """Kept answers to idempotency keys come before the check of permissions: a client gets them."""

    async def answer(self, operation: Operation, request: Request) -> Response:
        if operation.id in KEYED:
            try:
                game, key = self.auth.identify(request.headers)
                if key.permission_set != PERMISSION_SET:
                    path = [self.decode(value) for value in request.path_params.values()]
                    name = (operation.id, *path, self.key_in(await request.body()))
                    kept = kit.scratch(self.services[game.id].state, "answers").get(name)
                    if kept is not None:
                        return self.accept(kept, {})
            except (ApiError, ClientDisconnect):
                pass
        return await super().answer(operation, request)

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        reply = super().alone(operation, services, call)
        key = self.key_in(call.raw) if operation.id in KEYED else None
        if key is not None:
            name = (operation.id, *call.path.values(), key)
            kit.scratch(services.state, "answers").setdefault(name, reply)
        return reply

    def key_in(self, raw: bytes) -> str | None:
        """The idempotency key of a body, if it has one."""
        try:
            body = msgspec.json.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        key = body.get("idempotencyKey") if isinstance(body, dict) else None
        return key if isinstance(key, str) else None


@kit.subtle("r5-auth-counters-of-all", "AUTH-7 PLAYER-5")
class CountersOfAll(Server):
    """The counters of a summary are kept by external id, without the game: namesakes share them."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        reply = super().alone(operation, services, call)
        if operation.id != "getPlayer":
            return reply
        rows = [each.state.players.get(call.path["externalId"]) for each in self.services.values()]
        counted = [services.players.summary(player) for player in rows if player is not None]
        summary = {name: sum(each[name] for each in counted) for name in reply.data["summary"]}
        return replace(reply, data={**reply.data, "summary": summary})


# `racing` puts operations on threads; a ping needs no lock.
@kit.subtle("r5-auth-tenant-in-global", "AUTH-7 GRANT-8 GRANT-6 EXP-1", racing=("ping",))
class TenantInGlobal(Server):
    """A create of a grant reads its game from a global, which another game's request may change."""

    tenant = ""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        self.tenant = call.game.id
        if operation.id == "createGrant":
            kit.gap()
            services = self.services[self.tenant]
        return super().alone(operation, services, call)


@kit.subtle(
    "r5-err-page-without-accept",
    "ERR-1 HTTP-2 AUTH-1 AUTH-1.code AUTH-2.code AUTH-3.code ERR-2 RATE-2.code GRANT-3.code "
    "GRANT-7.code LEDGER-4.code",
)
class PageWithoutAccept(Server):
    """An error is a page of HTML unless the request names JSON in its Accept header."""

    async def answer(self, operation: Operation, request: Request) -> Response:
        ACCEPT.set(request.headers.get("accept", ""))
        return await super().answer(operation, request)

    async def lost(self, request: Request, error: Exception) -> Response:
        ACCEPT.set(request.headers.get("accept", ""))
        return await super().lost(request, error)

    def refuse(self, error: ApiError, headers: Mapping[str, str]) -> Response:
        if "json" in ACCEPT.get().lower():
            return super().refuse(error, headers)
        page = f"<!doctype html><title>{error.status}</title><h1>{error.code}</h1>"
        sent = {**headers, **error.headers}
        return Response(page, error.status, headers=sent, media_type="text/html")


@kit.subtle("r5-grant-instants-rewritten", "GRANT-1.contents")
class InstantsRewritten(Grants):
    """The parser of JSON takes texts in parameters for dates, and writes them in UTC."""

    def issue(self, player: Player, body: GrantBody, expires_at: datetime | None) -> Grant:
        grant = super().issue(player, body, expires_at)
        for entry in grant.entries:
            if entry.get("parameters"):
                entry["parameters"] = self.through_parser(entry["parameters"])
        return grant

    def through_parser(self, value: Any, depth: int = 0) -> Any:
        """The value with each date-time in UTC, as deep as the parser looks."""
        if depth > PARSED:
            return value
        if isinstance(value, dict):
            return {name: self.through_parser(item, depth + 1) for name, item in value.items()}
        if isinstance(value, list):
            return [self.through_parser(item, depth + 1) for item in value]
        if not isinstance(value, str) or not INSTANT.fullmatch(value):
            return value
        try:
            return datetime.fromisoformat(value).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        except (ValueError, OverflowError):
            return value


@kit.subtle("r5-ledger-texts-joined", "LEDGER-4")
class TextsJoined(Ledger):
    """The hash of a change joins reason and reference: a text may move from one to the other."""

    def fingerprint(self, change: str, key: str, body: Adjustment) -> str:
        text = f"{body.reason or ''}{body.sourceRefId or ''}"
        one = msgspec.structs.replace(body, reason=text, sourceRefId=None)
        return super().fingerprint(change, key, one)


@kit.subtle("r5-import-failures-bounded", "MIG-1 MIG-3")
class FailuresBounded(Imports):
    """`failures` lists the first five hundred rows that failed, while `failed` counts all."""

    def batch(self, *arguments: Any) -> Reply:
        reply = super().batch(*arguments)
        return replace(reply, data={**reply.data, "failures": reply.data["failures"][:LONGEST]})


@kit.subtle("r5-ledger-replay-of-32-bits", "LEDGER-3 LEDGER-12")
class ReplayOf32Bits(Ledger):
    """The column for the answer to a key has 32 bits: a replay tells no more than 2^31-1."""

    def replay(self, first: Remembered) -> Reply:
        reply = super().replay(first)
        told = min(reply.data[self.holding_field], 2**31 - 1)
        return replace(reply, data={**reply.data, self.holding_field: told})


@kit.subtle("r5-ledger-decrement-keys-expire", "LEDGER-3 LEDGER-4")
class DecrementKeysExpire(Ledger):
    """The keys of decrements are a lock with a lease: a retry after four seconds takes again."""

    def once(self, change: str, external_id: str, key: str, amount: int, body: Adjustment) -> Reply:
        if change == "increment" or body.idempotencyKey is None:
            return super().once(change, external_id, key, amount, body)
        leases = kit.scratch(self.state, f"leases of the {self.name}")
        if now() - leases.get(body.idempotencyKey, now()) > LEASE:
            del leases[body.idempotencyKey]
            del self.state.remembered(self.name)[body.idempotencyKey]
        reply = super().once(change, external_id, key, amount, body)
        leases.setdefault(body.idempotencyKey, now())
        return reply


@kit.subtle("r5-ledger-overflow-burns-key", "LEDGER-9")
class OverflowBurnsKey(Ledger):
    """An increment stores its key before its sum overflows: it gets 409 once there is room."""

    def once(self, change: str, external_id: str, key: str, amount: int, body: Adjustment) -> Reply:
        burnt = kit.scratch(self.state, f"burnt keys of the {self.name}")
        if body.idempotencyKey in burnt:
            raise reused_key()
        try:
            return super().once(change, external_id, key, amount, body)
        except ApiError as error:
            has_overflowed = change == "increment" and error.code == "conflict"
            if has_overflowed and body.idempotencyKey is not None:
                burnt[body.idempotencyKey] = True
            raise


@kit.subtle("r5-import-first-of-key-decides", "MIG-3 MIG-5")
class FirstOfKeyDecides(Imports):
    """Of rows with one key the first is kept before any is validated, even if it is the bad one."""

    def batch(
        self, scope: str, body: ImportBody, shape: type[Row], apply: Callable[[Row], None]
    ) -> Reply:
        seen: set[str] = set()
        kept: list[int] = []
        for index, raw in enumerate(body.rows):
            key = self.key_of(raw)
            if key is None or key not in seen:
                kept.append(index)
            seen |= {key} if key is not None else set()
        rows = [body.rows[index] for index in kept]
        reply = super().batch(scope, msgspec.structs.replace(body, rows=rows), shape, apply)
        dropped = len(body.rows) - len(kept)
        data = {
            **reply.data,
            "skipped": reply.data["skipped"] + dropped,
            "failures": [
                {**failure, "rowIndex": kept[failure["rowIndex"]]}
                for failure in reply.data["failures"]
            ],
        }
        return replace(reply, data=data)

    def key_of(self, raw: msgspec.Raw) -> str | None:
        """The key of a row, if it has one."""
        try:
            row = msgspec.json.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        key = row.get("idempotencyKey") if isinstance(row, dict) else None
        return key if isinstance(key, str) else None


@kit.subtle("r5-player-lobbies-oldest-first", "PLAYER-2.order PLAYER-2 LOBBY-6")
@kit.change_data("getPlayer")
def lobbies_oldest_first(_: kit.Data, call: Call, services: Services) -> kit.Data:
    """The query of a profile's lobbies has a limit and no order: the oldest come, and first."""
    most = services.players.limit(call.query.get("limit"))
    lobbies = kit.player_of(call, services).lobbies[:most]
    return {"lobbies": [lobby.summary() for lobby in lobbies]}


@kit.subtle("r5-merge-moved-are-newest", "PLAYER-2.order PLAYER-2")
class MovedAreNewest(Merging):
    """A profile is ordered by rows, and a merge inserts those of the source as the newest."""

    def move_grants(self, source: Player, target: Player) -> int:
        in_order = [*target.grants, *source.grants]
        count = super().move_grants(source, target)
        target.grants = in_order
        return count


class KeepsCounters(Gdpr):
    """Leaves the counters of an erased id where they are."""

    def erase(self, player: Player, external_id: str) -> dict[str, Any]:
        counters = kit.scratch(self.state, "counters")
        before = counters.get(external_id, {})
        has = {
            "grants": len(player.grants),
            "claimedGrants": sum(grant.claimed_at is not None for grant in player.grants),
            "lobbies": len(player.lobbies),
        }
        counters[external_id] = {name: has[name] + before.get(name, 0) for name in has}
        return super().erase(player, external_id)


@kit.subtle("r5-erasure-counters-stay", "DEL-6 PLAYER-5", parts=(KeepsCounters,))
class CountersStay(Players):
    """The counters of a summary are kept by external id: a new player goes on from the erased."""

    def summary(self, player: Player) -> dict[str, int]:
        kept = kit.scratch(self.state, "counters").get(player.external_id, {})
        counted = super().summary(player).items()
        return {name: count + kept.get(name, 0) for name, count in counted}

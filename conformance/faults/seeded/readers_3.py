"""Faults of a third reader of the suite; 8 of 30 were named at first contact."""

import asyncio
import math
import time
from collections.abc import Mapping
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from conformance.faults import building_blocks as kit
from conformance.reference.app import Server, body_of
from conformance.reference.bodies import (
    Adjustment,
    BanBody,
    CrateEntry,
    GrantBody,
    ImportBody,
    InventoryRow,
    LobbyBody,
    PlayerRow,
    WalletRow,
    moment,
)
from conformance.reference.budget import Budget, Spent
from conformance.reference.errors import ApiError, reused_key, unprocessable
from conformance.reference.grants import SCOPE, Grants
from conformance.reference.imports import Imports
from conformance.reference.ledger import Ledger
from conformance.reference.lobbies import Lobbies
from conformance.reference.merging import Merging
from conformance.reference.operations import Call, Operation
from conformance.reference.players import Players
from conformance.reference.replies import Reply
from conformance.reference.services import Services
from conformance.reference.state import GameState, Grant, Holdings, Lobby, Player, now
from conformance.reference.world import Event, Key, World

MODERATION = ("banPlayer", "unbanPlayer")
COMPARED = 16 * 1024


# Tenants


@kit.subtle("r3-auth-ack-across-games", "AUTH-7 ACK-3")
class AckAcrossGames(Server):
    """An ack finds the grant by its id, and takes a namesake in another game for its owner."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        if operation.id == "ackGrant" and call.path["externalId"] in services.state.players:
            for other in self.services.values():
                grant = other.state.grants.get(call.path["grantId"])
                if grant and grant.player.external_id == call.path["externalId"]:
                    services = other
        return super().alone(operation, services, call)


@kit.subtle("r3-auth-merge-into-another-game", "AUTH-7 MERGE-7")
class MergeIntoAnotherGame(Server):
    """The query for the target of a merge lacks the game: who is only known in another is found."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        here = services.state.players
        target = call.path.get("toExternalId", "")
        found = [
            other.state.players[target]
            for other in self.services.values()
            if operation.id == "mergePlayer" and target in other.state.players
        ]
        if not found or target in here or call.path["fromExternalId"] not in here:
            return super().alone(operation, services, call)
        here[target] = found[0]
        try:
            return super().alone(operation, services, call)
        finally:
            del here[target]


@kit.subtle("r3-auth-profiles-cached-for-all", "AUTH-7 PLAYER-1 PLAYER-2")
class ProfilesCachedForAll(Server):
    """Profiles are cached until the next write, under the external id without the game."""

    def __init__(self, world: World, settings: Any) -> None:
        super().__init__(world, settings)
        self.cached: dict[tuple[str, str | None], Reply] = {}

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        if operation.method == "POST":
            self.cached.clear()
        if operation.id != "getPlayer":
            return super().alone(operation, services, call)
        name = (call.path["externalId"], call.query.get("limit"))
        if name not in self.cached:
            self.cached[name] = super().alone(operation, services, call)
        return self.cached[name]


# Budgets and keys


@kit.subtle("r3-rate-economy-without-headers", "RATE-1 RATE-2")
class EconomyWithoutHeaders(Server):
    """The economy routes have a limiter of their own, whose 429 has no header for the client."""

    async def answer(self, operation: Operation, request: Request) -> Response:
        response = await super().answer(operation, request)
        if response.status_code == 429 and operation.id in (*kit.UP, *kit.DOWN):
            response.raw_headers = [
                (name, value)
                for name, value in response.raw_headers
                if not name.startswith((b"ratelimit", b"retry-after"))
            ]
        return response


@kit.subtle("r3-rate-ban-done-anyway", "RATE-3")
class BanDoneAnyway(Server):
    """Bans are queued before the limiter has its say: one that gets 429 is applied."""

    async def answer(self, operation: Operation, request: Request) -> Response:
        response = await super().answer(operation, request)
        if response.status_code == 429 and operation.id in MODERATION:
            with suppress(ApiError):
                game, key = self.auth.identify(request.headers)
                path = {name: self.decode(value) for name, value in request.path_params.items()}
                call = Call(game, key, path, {}, await body_of(request))
                await self.run(operation, self.services[game.id], call)
        return response


SPENDER: ContextVar[Key | None] = ContextVar("spender", default=None)
"""The key of the request that this task answers."""


class ReadsFirst(Budget):
    """Looks how many requests there were, and leaves the counting to later."""

    def spend(self, key: Key) -> Spent:
        SPENDER.set(key)
        with self.lock:
            count = self.counts.get(key.prefix) + 1
            ends = self.counts.get_expiry(key.prefix) if count > 1 else time.time() + self.window
        seconds = max(1, math.ceil(ends - time.time()))
        headers = self.headers(key.budget, max(0, key.budget - count), seconds)
        return Spent(count <= key.budget, seconds, headers)


@kit.subtle("r3-rate-counts-late", "RATE-1 RATE-4", parts=(ReadsFirst,))
class CountsLate(Server):
    """The limiter reads the count, and adds one in a second round trip: a burst passes whole."""

    async def answer(self, operation: Operation, request: Request) -> Response:
        SPENDER.set(None)
        response = await super().answer(operation, request)
        key = SPENDER.get()
        if key is not None:
            await asyncio.sleep(kit.GAP_SECONDS)
            with self.budget.lock:
                self.budget.counts.incr(key.prefix, self.budget.window)
        return response


@kit.medium("r3-ping-cached-for-game", "PING-1")
@kit.change_data("ping")
def cached_for_game(data: kit.Data, _: Call, services: Services) -> kit.Data:
    """Ping is cached by game: a second key of the game is described as the first that asked."""
    cached: kit.Data = kit.scratch(services.state, "pings").setdefault("first", data)
    return cached


# Grants and acks


@kit.subtle("r3-grant-kind-guessed", "GRANT-1")
class KindGuessed(Grants):
    """Where no kind is sent, a crate among the entries makes the whole grant a crate."""

    def issue(self, player: Player, body: GrantBody, expires_at: datetime | None) -> Grant:
        grant = super().issue(player, body, expires_at)
        if body.kind is None and any(isinstance(entry, CrateEntry) for entry in body.entries):
            grant.kind = "crate"
        return grant


@kit.subtle("r3-grant-expired-frees-key", "GRANT-2 GRANT-3 GRANT-5")
class ExpiredFreesKey(Grants):
    """The unique index covers grants that are not expired: a retry after that makes a second."""

    def create(self, external_id: str, body: GrantBody) -> Reply:
        used = self.state.remembered(SCOPE)
        first = used.get(body.idempotencyKey)
        if first is not None and self.state.grants[first.answer["id"]].status() == "expired":
            del used[body.idempotencyKey]
        return super().create(external_id, body)


@kit.subtle("r3-grant-compares-beginning", "GRANT-3")
class ComparesBeginning(Grants):
    """The first 16 KiB of a body are kept to be compared: what differs after them does not."""

    def fingerprint(self, body: GrantBody) -> str:
        return super().fingerprint(body)[:COMPARED]


@kit.subtle("r3-grant-expiry-overflows", "ERR-3 GRANT-1 HTTP-1")
class ExpiryOverflows(Grants):
    """`expiresAt` is converted to UTC, which the last hours of the year 9999 do not survive."""

    def create(self, external_id: str, body: GrantBody) -> Reply:
        expires_at = moment(body.expiresAt)
        if expires_at is not None:
            expires_at.astimezone(UTC)
        return super().create(external_id, body)


@kit.subtle("r3-ack-race", "ACK-2", racing=("ackGrant",))
class AckRace(Grants):
    """The update of an ack does not ask for a pending row: two at once each set `claimedAt`."""

    def ack(self, external_id: str, grant_id: str) -> Reply:
        with self.state.lock:
            is_pending = self.find(self.state.known(external_id), grant_id).claimed_at is None
        if is_pending:
            kit.gap(5)
        with self.state.lock:
            grant = self.find(self.state.known(external_id), grant_id)
            if is_pending:
                grant.claimed_at, grant.acked_by = now(), "server_api"
            return Reply(200, grant.view())


# Lobbies


@kit.subtle("r3-lobby-default-unchecked", "LOBBY-7")
class DefaultUnchecked(Lobbies):
    """The roster is compared with the capacity that was sent, and never with the event's."""

    def open(self, event: Event, body: LobbyBody) -> Lobby:
        many = len(set(body.externalPlayerIds))
        if body.capacity is not None or many <= event.capacity:
            return super().open(event, body)
        lobby = super().open(event, msgspec.structs.replace(body, capacity=many))
        lobby.capacity = event.capacity
        return lobby


@kit.subtle("r3-lobby-key-before-event", "LOBBY-4 LOBBY-5")
class KeyBeforeEvent(Lobbies):
    """The key is looked up first: a used one gets its lobby for any event, even an unknown one."""

    def create(self, game_id: str, event_key: str, body: LobbyBody) -> Reply:
        self.check_game(game_id)
        lobby = self.state.lobby_keys.get(body.key)
        return Reply(201, lobby.view()) if lobby else super().create(game_id, event_key, body)


@kit.subtle("r3-lobby-rosters-race", "LOBBY-3 LOBBY-2", racing=("createLobby",))
class RostersRace(Lobbies):
    """Creates lock the hash of the body: two rosters with one key at once make two lobbies."""

    def create(self, game_id: str, event_key: str, body: LobbyBody) -> Reply:
        with kit.lock_of(self.state, repr([body.key, sorted(body.externalPlayerIds)])):
            return super().create(game_id, event_key, body)

    def open(self, event: Event, body: LobbyBody) -> Lobby:
        kit.gap()
        with self.state.lock:
            return super().open(event, body)


@kit.subtle("r3-lobby-replay-keeps-names", "DEL-7")
class ReplayKeepsNames(Lobbies):
    """Lobbies list their players, and the stored answer for a replay keeps an erased id."""

    def create(self, game_id: str, event_key: str, body: LobbyBody) -> Reply:
        made = super().create(game_id, event_key, body).data
        answers = kit.scratch(self.state, "lobby answers")
        return Reply(201, answers.setdefault(body.key, self.with_names(made)))

    def read(self, game_id: str, lobby_id: str) -> Reply:
        return Reply(200, self.with_names(super().read(game_id, lobby_id).data))

    def with_names(self, data: kit.Data) -> kit.Data:
        """The lobby with the external ids of its members."""
        members = self.state.lobbies[data["id"]].members
        return {**data, "externalPlayerIds": [player.external_id for player in members]}


# Profiles and bans


@kit.subtle("r3-player-by-internal-id", "PLAYER-1 EXP-2 BAN-4 HTTP-4")
class ByInternalId(GameState):
    """Where no player has the external id, the lookup takes it for an internal one."""

    def known(self, external_id: str) -> Player:
        for player in self.players.values() if external_id not in self.players else ():
            if player.id == external_id:
                return player
        return super().known(external_id)


@kit.subtle("r3-ban-stamped-key", "BAN-7 HTTP-5 BAN-3 BAN-1 BAN-2 BAN-4")
class StampedKey(Server):
    """A middleware answers a ban or unban with a known `idempotencyKey` as before, and drops it."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        body = kit.document(call)
        key = body.get("idempotencyKey") if isinstance(body, dict) else None
        if operation.id not in MODERATION or not isinstance(key, str):
            return super().alone(operation, services, call)
        answers = kit.scratch(services.state, "stamped")
        place = (operation.id, call.path["externalId"], key)
        if place not in answers:
            answers[place] = super().alone(operation, services, call)
        reply: Reply = answers[place]
        return reply


# Merges


@kit.subtle("r3-merge-two-sources-race", "MERGE-2", racing=("mergePlayer",))
class TwoSourcesRace(Merging):
    """A merge raises no version of what it writes: of two into one player at once, one is lost."""

    def merge(self, source_id: str, target_id: str) -> Reply:
        merged = kit.scratch(self.state, "merged into")
        with self.state.lock:
            target = self.state.players.get(target_id)
            before = self.read(target)
            version = merged.get(target_id, 0)
        kit.gap(2)
        with self.state.lock:
            added = self.read(self.state.players.get(source_id))
            clash = merged.get(target_id, 0) != version
            reply = super().merge(source_id, target_id)
            if target is not None and reply.data["status"] == "merged":
                merged[target_id] = merged.get(target_id, 0) + 1
                for column, old, new in zip(self.columns(target), before, added, strict=True):
                    if clash:
                        sums = {key: old.get(key, 0) + new.get(key, 0) for key in {**old, **new}}
                        column.amounts = sums
            return reply

    def columns(self, player: Player) -> tuple[Holdings, Holdings]:
        """The holdings of both ledgers."""
        return player.wallet, player.inventory

    def read(self, player: Player | None) -> list[dict[str, int]]:
        """What the player holds in both ledgers."""
        return [dict(column.amounts) for column in self.columns(player or Player(""))]


class NotesBans(Players):
    """Keeps the banned external ids in a set of their own."""

    def ban(self, external_id: str, body: BanBody) -> Reply:
        reply = super().ban(external_id, body)
        kit.scratch(self.state, "banned ids")[external_id] = True
        return reply

    def unban(self, external_id: str) -> Reply:
        reply = super().unban(external_id)
        kit.scratch(self.state, "banned ids").pop(external_id, None)
        return reply


@kit.subtle("r3-merge-remembers-ban", "MERGE-1 DEL-6 MERGE-5 MERGE-2", parts=(NotesBans,))
class RemembersBan(Merging):
    """A merge asks a set of banned external ids, which keeps those that were erased since."""

    def check(self, source: Player, target: Player) -> None:
        super().check(source, target)
        if target.external_id in kit.scratch(self.state, "banned ids"):
            raise unprocessable("the target is banned")


@kit.subtle("r3-merge-sums-doubles", "LEDGER-12 MERGE-2")
class SumsDoubles(Merging):
    """A merge adds holdings as 64-bit floats without a bound: sums above 2^53 are rounded."""

    def check(self, source: Player, target: Player) -> None:
        held = [(column, dict(column.amounts)) for column in (source.wallet, source.inventory)]
        for column, _ in held:
            column.amounts = {}
        try:
            super().check(source, target)
        finally:
            for column, amounts in held:
                column.amounts = amounts

    def move_holdings(self, source: Holdings, target: Holdings) -> int:
        for key, amount in source.amounts.items():
            target.amounts[key] = int(float(target.amounts.get(key, 0)) + float(amount))
        target.rows += source.rows
        return source.rows


# Changes of holdings, and imports


@kit.subtle("r3-ledger-misspelt-burns-key", "LEDGER-9")
class MisspeltBurnsKey(Ledger):
    """The key is reserved before the catalogue is asked: after a misspelt item it is in use."""

    def once(self, change: str, external_id: str, key: str, amount: int, body: Adjustment) -> Reply:
        reserved = kit.scratch(self.state, f"reserved {self.name}")
        if body.idempotencyKey is not None and key in self.keys:
            if body.idempotencyKey in reserved:
                raise reused_key()
        elif body.idempotencyKey is not None:
            reserved[body.idempotencyKey] = True
        return super().once(change, external_id, key, amount, body)


@kit.subtle("r3-import-one-key-per-player", "MIG-7 LEDGER-8")
class OneKeyPerPlayer(Imports):
    """Rows are grouped by player: all of a player's go to the first row's currency or item."""

    def batch(self, *arguments: Any) -> Reply:
        kit.scratch(self.state, "groups").clear()
        return super().batch(*arguments)

    def holding(self, ledger: Ledger, row: WalletRow | InventoryRow) -> None:
        ledger.check_key(row.key)
        groups = kit.scratch(self.state, "groups")
        first = groups.setdefault(row.externalPlayerId, row.key)
        super().holding(ledger, msgspec.structs.replace(row, key=first))


@kit.medium("r3-import-known-keeps-snapshot", "MIG-9")
class KnownKeepsSnapshot(Imports):
    """The insert of players does nothing on a conflict: a known one's snapshot is not stored."""

    def player(self, row: PlayerRow) -> None:
        if row.externalPlayerId in self.state.players:
            row = msgspec.structs.replace(row, contextSnapshot=None)
        super().player(row)


class AnyParameters(InventoryRow):
    """A row of the inventory import whose parameters may be anything."""

    parameters: Any = None


@kit.subtle("r3-import-parameters-unchecked", "MIG-3 ERR-4")
class ParametersUnchecked(Imports):
    """`parameters` of an inventory row may be a text, a list or a number: the row is applied."""

    def inventory(self, body: ImportBody) -> Reply:
        apply = partial(self.holding, self.ledgers[1])
        return self.batch("import_inventory", body, AnyParameters, apply)


# Erasure and export


@kit.subtle("r3-erasure-undone-by-increment", "DEL-2 DEL-6 DEL-1", racing=kit.UP)
class UndoneByIncrement(Ledger):
    """An increment saves the player's whole row as it was read, and undoes an erasure meanwhile."""

    def once(self, change: str, external_id: str, key: str, amount: int, body: Adjustment) -> Reply:
        read = self.state.players.get(external_id)
        if change == "increment" and body.idempotencyKey is None:
            kit.gap(2)
        with self.state.lock:
            reply = super().once(change, external_id, key, amount, body)
            if read is not None and read.deleted_at is not None and change == "increment":
                self.save(read, external_id, key, amount)
            return reply

    def save(self, read: Player, external_id: str, key: str, amount: int) -> None:
        """Write the row back as it was, with the increment."""
        del self.state.players[external_id]
        read.external_id, read.deleted_at = external_id, None
        self.state.players[external_id] = read
        self.holdings(read).add(key, amount)


@kit.medium("r3-export-source-default", "EXP-1")
@kit.change_data("exportPlayer")
def source_default(data: kit.Data, *_: Any) -> kit.Data:
    """The export's query lacks the column of the source, so every grant shows the default."""
    return {"grants": [{**grant, "sourceKind": "api"} for grant in data["grants"]]}


# The protocol


@kit.subtle("r3-http-charset-415", "HTTP-1")
class Charset415(Server):
    """The content type must equal `application/json`: with a charset it gets 415."""

    async def answer(self, operation: Operation, request: Request) -> Response:
        sent = request.headers.get("content-type", "").lower()
        if sent.startswith("application/json;"):
            try:
                _, key = self.auth.identify(request.headers)
                self.auth.check_permission(key)
            except ApiError as error:
                return self.refuse(error, {})
            other = ApiError(415, "unsupported_media_type", "The body must be application/json")
            return self.refuse(other, {})
        return await super().answer(operation, request)


@kit.obvious("r3-err-405-is-text", "ERR-1")
class TextFor405(Server):
    """The router answers an unknown method by itself, as text, before the error handler."""

    async def lost(self, request: Request, error: Exception) -> Response:
        response = await super().lost(request, error)
        if response.status_code != 405:
            return response
        allow: Mapping[str, str] = {"Allow": response.headers.get("allow", "")}
        return Response("Method Not Allowed", 405, allow, "text/plain")

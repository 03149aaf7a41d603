"""Faults of a fourth reader: ordinary bugs of ordinary backends."""

import math
import re
import time
import uuid
import zlib
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec

from conformance.faults import building_blocks as kit
from conformance.reference.app import Server
from conformance.reference.auth import Auth
from conformance.reference.bodies import (
    Adjustment,
    BanBody,
    GrantBody,
    ImportBody,
    InventoryRow,
    LobbyBody,
    PlayerRow,
    WalletRow,
    read,
)
from conformance.reference.budget import Budget, Spent
from conformance.reference.errors import ApiError, conflict, invalid
from conformance.reference.grants import Grants
from conformance.reference.imports import Imports
from conformance.reference.ledger import Inventory, Ledger
from conformance.reference.lobbies import Lobbies
from conformance.reference.merging import Merging
from conformance.reference.operations import Call, Operation
from conformance.reference.players import Players, newest
from conformance.reference.replies import Reply
from conformance.reference.services import Services
from conformance.reference.state import EXPORT_LIMIT, Grant, Player
from conformance.reference.world import Event, Game, Key, World

INDEX_ROW = 2704
"""The bytes that an entry of a B-tree may have, after its compression."""
PENALTY = 300
"""Seconds for which a client that does not stop is locked out."""
MARKS = re.compile(r"[!'()*]")
"""What `encodeURIComponent` leaves as it is, and other encoders do not."""

# Credentials, budgets and keys


@kit.subtle("r4-auth-erasures-of-all", "AUTH-7 DEL-4")
class ErasuresOfAll(Server):
    """The table of erasures lacks the game: who was erased in one counts as erased in another."""

    def __init__(self, world: World, settings: Any) -> None:
        super().__init__(world, settings)
        first, *others = (services.state for services in self.services.values())
        for state in others:
            state.erasures = first.erasures


@kit.subtle("r4-auth-first-two-parts", "AUTH-2 AUTH-4")
class FirstTwoParts(Auth):
    """A token is split at its dots and the first two parts are looked at: more may follow them."""

    def find(self, token: str) -> tuple[Game, Key] | None:
        return super().find(".".join(token.split(".")[:2]))


@kit.subtle("r4-rate-lockout", "RATE-2 RATE-2.reset RATE-3")
class Lockout(Budget):
    """A key that goes on after twice as many refusals as its budget is locked out for minutes."""

    def __init__(self, window: int) -> None:
        super().__init__(window)
        self.refused: dict[str, int] = {}
        self.until: dict[str, float] = {}

    def spend(self, key: Key) -> Spent:
        spent = super().spend(key)
        with self.lock:
            refused = 0 if spent.allowed else self.refused.get(key.prefix, 0) + 1
            self.refused[key.prefix] = refused
            if refused > 2 * key.budget:
                self.until[key.prefix] = time.time() + PENALTY
            seconds = math.ceil(self.until.get(key.prefix, 0) - time.time())
        if seconds > 0:
            return Spent(
                allowed=False, seconds=seconds, headers=self.headers(key.budget, 0, seconds)
            )
        return spent


@kit.medium("r4-rate-remaining-negative", "RATE-2 RATE-4")
class RemainingNegative(Budget):
    """RateLimit-Remaining is the budget less the count, also where the count is larger."""

    def spend(self, key: Key) -> Spent:
        spent = super().spend(key)
        with self.lock:
            remaining = key.budget - self.counts.get(key.prefix)
        return replace(spent, headers={**spent.headers, "RateLimit-Remaining": str(remaining)})


@kit.subtle("r4-ping-shared-object", "PING-1", racing=("ping",))
class SharedObject(Server):
    """All pings fill one object before they send it: two keys at once get each other's."""

    def __init__(self, world: World, settings: Any) -> None:
        super().__init__(world, settings)
        self.described: kit.Data = {}

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        reply = super().alone(operation, services, call)
        if operation.id != "ping":
            return reply
        self.described.update(reply.data["apiKey"])
        kit.gap()
        return replace(reply, data={**reply.data, "apiKey": dict(self.described)})


@kit.subtle("r4-ping-ok-of-budget", "PING-1 HTTP-2")
class OkOfBudget(Server):
    """`ok` of a ping is whether the next request would be allowed, so false beyond the budget."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        reply = super().alone(operation, services, call)
        if operation.id != "ping":
            return reply
        is_allowed = self.budget.counts.get(call.key.prefix) <= call.key.budget
        return replace(reply, data={**reply.data, "ok": is_allowed})


# Grants and acks


@kit.subtle("r4-grant-admin-not-in-profile", "GRANT-8 PLAYER-2 ACK-4")
@kit.change_data("getPlayer")
def admin_not_in_profile(_: kit.Data, call: Call, services: Services) -> kit.Data:
    """The profile lists the grants of the API; those with the source `admin` are forgotten."""
    grants = [one for one in kit.player_of(call, services).grants if one.source_kind == "api"]
    most = services.players.limit(call.query.get("limit"))
    return {"grants": [grant.view() for grant in newest(grants, most)]}


@kit.medium("r4-grant-entries-by-key", "GRANT-1.contents GRANT-1")
class EntriesByKey(Grants):
    """The key of the table of entries is grant, type and key: of two for one currency one stays."""

    def issue(self, player: Player, body: GrantBody, expires_at: datetime | None) -> Grant:
        grant = super().issue(player, body, expires_at)
        names = ("type", "currencyKey", "itemKey", "crateItemKey")
        rows = {tuple(entry.get(name) for name in names): entry for entry in grant.entries}
        grant.entries = list(rows.values())
        return grant


@kit.subtle("r4-ack-time-not-in-profile", "ACK-4 PLAYER-2")
@kit.change_data("getPlayer")
def time_not_in_profile(data: kit.Data, *_: Any) -> kit.Data:
    """The query of the profile lacks the column `claimedAt`: claimed grants show null there."""
    return {"grants": [{**grant, "claimedAt": None} for grant in data["grants"]]}


@kit.subtle(
    "r4-ack-document-written-whole",
    "ACK-4 ACK-1 ACK-2 ACK-5 GRANT-8 MERGE-3 PLAYER-2 EXP-1",
    racing=("ackGrant",),
)
class DocumentWrittenWhole(Grants):
    """An ack writes the document with all the player's grants: another at once is undone."""

    def ack(self, external_id: str, grant_id: str) -> Reply:
        player = self.state.known(external_id)
        grant = self.find(player, grant_id)
        loaded = [(one, one.claimed_at, one.acked_by) for one in player.grants if one is not grant]
        kit.gap()
        with self.state.lock:
            for one, claimed_at, acked_by in loaded:
                one.claimed_at, one.acked_by = claimed_at, acked_by
            self.claim(grant)
            return Reply(200, grant.view())


# Changes of holdings


class KeepsInstances(Imports):
    """Keeps apart how many of an item were imported with parameters."""

    def holding(self, ledger: Ledger, row: WalletRow | InventoryRow) -> None:
        super().holding(ledger, row)
        if isinstance(row, InventoryRow) and row.parameters:
            instances = kit.scratch(self.state, "instances")
            where = (self.state.known(row.externalPlayerId).id, row.key)
            instances[where] = instances.get(where, 0) + row.amount


@kit.subtle("r4-ledger-revoke-plain-only", "LEDGER-2 MIG-7", parts=(KeepsInstances,))
class RevokePlainOnly(Inventory):
    """Items with parameters are rows of their own, which count as held and cannot be revoked."""

    def take(self, external_id: str, key: str, amount: int) -> int:
        player = self.state.players.get(external_id)
        apart = kit.scratch(self.state, "instances").get((player.id, key), 0) if player else 0
        if apart and self.held(external_id, key) - apart < amount:
            raise conflict("more than is held")
        return super().take(external_id, key, amount)


@kit.subtle(
    "r4-ledger-version-409",
    "LEDGER-6 LEDGER-1 LEDGER-3 LEDGER-5 LEDGER-10 MIG-7 MIG-3 MIG-1",
    racing=kit.UP,
)
class Version409(Ledger):
    """The row of a holding has a version; an increment that finds it raised gets 409, no retry."""

    def once(self, change: str, external_id: str, key: str, amount: int, body: Adjustment) -> Reply:
        if body.idempotencyKey is None:
            return super().once(change, external_id, key, amount, body)
        with self.state.lock:
            return super().once(change, external_id, key, amount, body)

    def add(self, external_id: str, key: str, amount: int) -> int:
        column = self.holdings(self.state.ensure(external_id))
        version = column.rows
        kit.gap()
        with self.state.lock:
            if column.rows != version:
                raise conflict("the row was changed by another transaction")
            return super().add(external_id, key, amount)


# Imports


@kit.subtle("r4-import-overflow-aborts", "MIG-3 MIG-7")
class OverflowAborts(Imports):
    """A sum that overflows aborts the transaction of the batch: all rows after it fail."""

    def batch(self, *arguments: Any) -> Reply:
        kit.scratch(self.state, "transaction").clear()
        return super().batch(*arguments)

    def holding(self, ledger: Ledger, row: WalletRow | InventoryRow) -> None:
        transaction = kit.scratch(self.state, "transaction")
        if "aborted" in transaction:
            raise conflict("current transaction is aborted, commands are ignored")
        try:
            super().holding(ledger, row)
        except ApiError as error:
            if error.status == 409:
                transaction["aborted"] = True
            raise


@kit.medium("r4-import-upserts-twice", "MIG-6 ERR-3 MIG-1 MIG-2 MIG-3 MIG-4 MIG-9 HTTP-1")
class UpsertsTwice(Imports):
    """Players are upserted in one statement, which cannot affect a row twice: it gets 500."""

    def players(self, body: ImportBody) -> Reply:
        rows: dict[str, str] = {}
        for raw in body.rows:
            try:
                row = read(raw, PlayerRow)
            except ApiError:
                continue
            if row.idempotencyKey not in self.state.remembered("import_players"):
                rows.setdefault(row.idempotencyKey, row.externalPlayerId)
        if len(set(rows.values())) < len(rows):
            raise RuntimeError("ON CONFLICT DO UPDATE command cannot affect row a second time")
        return super().players(body)


# Lobbies


@kit.subtle("r4-lobby-roster-piped", "LOBBY-1 LOBBY-6 HTTP-4")
class RosterPiped(Lobbies):
    """The roster goes to a job as one text with bars between ids: an id with a bar becomes two."""

    def open(self, event: Event, body: LobbyBody) -> Any:
        if body.externalPlayerIds:
            roster = "|".join(body.externalPlayerIds).split("|")
            body = msgspec.structs.replace(body, externalPlayerIds=roster)
        return super().open(event, body)


@kit.medium("r4-lobby-capacity-clamped", "LOBBY-1 LOBBY-6 LOBBY-7 LOBBY-8")
class CapacityClamped(Lobbies):
    """A capacity above that of the event is lowered to it without a word."""

    def open(self, event: Event, body: LobbyBody) -> Any:
        if body.capacity is not None:
            capacity = min(body.capacity, event.capacity)
            body = msgspec.structs.replace(body, capacity=capacity)
        return super().open(event, body)


# Profiles and bans


class ShowsCounters(Players):
    """Shows the counters that merges did not raise."""

    def summary(self, player: Player) -> dict[str, int]:
        moved = kit.scratch(self.state, "moved").get(player.id, {})
        counted = super().summary(player).items()
        return {name: max(0, count - moved.get(name, 0)) for name, count in counted}


@kit.subtle("r4-player-counters-forget-merge", "PLAYER-5 MERGE-3 MERGE-4", parts=(ShowsCounters,))
class CountersForgetMerge(Merging):
    """The summary is a row of counters, and a merge does not add the source's to the target's."""

    def move(self, source: Player, target: Player) -> dict[str, int]:
        moved = kit.scratch(self.state, "moved").setdefault(
            target.id, {"grants": 0, "claimedGrants": 0, "lobbies": 0}
        )
        moved["grants"] += len(source.grants)
        moved["claimedGrants"] += sum(grant.claimed_at is not None for grant in source.grants)
        before = len(target.lobbies)
        counts = super().move(source, target)
        moved["lobbies"] += len(target.lobbies) - before
        return counts


@kit.subtle("r4-player-by-update", "PLAYER-2.order PLAYER-2 GRANT-8")
@kit.change_data("getPlayer")
def by_update(_: kit.Data, call: Call, services: Services) -> kit.Data:
    """The grants of a profile are ordered by their last update: an ack lifts an old one up."""
    grants = kit.player_of(call, services).grants[::-1]
    grants.sort(key=lambda grant: grant.claimed_at or grant.created_at, reverse=True)
    most = services.players.limit(call.query.get("limit"))
    return {"grants": [grant.view() for grant in grants[:most]]}


@kit.subtle("r4-ban-lost-update", "BAN-3 BAN-1 BAN-2 BAN-7 MERGE-7", racing=kit.UP)
class BanLostUpdate(Ledger):
    """An increment saves all columns of the player as it loaded them: a ban meanwhile is lost."""

    def once(self, change: str, external_id: str, key: str, amount: int, body: Adjustment) -> Reply:
        player = self.state.players.get(external_id)
        loaded = (player.banned_at, player.ban_reason) if player else (None, None)
        if change == "increment":
            kit.gap()
        with self.state.lock:
            reply = super().once(change, external_id, key, amount, body)
            if player is not None and change == "increment":
                player.banned_at, player.ban_reason = loaded
            return reply


@kit.medium("r4-ban-affected-rows", "BAN-2 BAN-1")
class AffectedRows(Players):
    """`applied` of a ban is whether the update affected a row, as it does for a new reason."""

    def ban(self, external_id: str, body: BanBody) -> Reply:
        before = self.state.known(external_id).ban_reason
        reply = super().ban(external_id, body)
        return replace(reply, data={**reply.data, "applied": before != body.reason})


# Merges


@kit.subtle("r4-merge-leaves-expired", "MERGE-3 EXP-1 GRANT-8")
class LeavesExpired(Merging):
    """A merge reassigns grants that are pending or claimed: the expired ones stay behind."""

    def move_grants(self, source: Player, target: Player) -> int:
        source.grants = [grant for grant in source.grants if grant.status() != "expired"]
        return super().move_grants(source, target)


@kit.subtle("r4-merge-counts-pending", "MERGE-3")
class CountsPending(Merging):
    """`grantsReassigned` counts the pending grants, although the claimed ones move as well."""

    def move_grants(self, source: Player, target: Player) -> int:
        pending = sum(grant.status() == "pending" for grant in source.grants)
        super().move_grants(source, target)
        return pending


# Erasure and export


@kit.subtle("r4-erasure-conflict-names-owner", "DEL-7")
class ConflictNamesOwner(Grants):
    """The 409 for a used key tells for whom it was used, by the id that they had then."""

    def create(self, external_id: str, body: GrantBody) -> Reply:
        owners = kit.scratch(self.state, "owners of keys")
        try:
            reply = super().create(external_id, body)
        except ApiError as error:
            if error.status == 409 and body.idempotencyKey in owners:
                error.details = {"usedFor": owners[body.idempotencyKey]}
            raise
        owners.setdefault(body.idempotencyKey, external_id)
        return reply


@kit.medium("r4-erasure-profile-cached", "DEL-2 PLAYER-1 PLAYER-2")
class ProfileCached(Server):
    """Profiles are cached, and every write but the erasure drops what is cached."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        cached = kit.scratch(services.state, "profiles")
        if operation.method == "POST" and operation.id != "deletePlayer":
            cached.clear()
        if operation.id != "getPlayer":
            return super().alone(operation, services, call)
        name = (call.path["externalId"], call.query.get("limit"))
        if name not in cached:
            cached[name] = super().alone(operation, services, call)
        found: Reply = cached[name]
        return found


@kit.medium("r4-export-join-multiplies", "EXP-1 GRANT-8 EXP-3 LOBBY-6 MERGE-3 MERGE-4")
@kit.change_data("exportPlayer")
def join_multiplies(data: kit.Data, *_: Any) -> kit.Data:
    """Grants and lobbies are joined in one query: each grant is there once for every lobby."""
    times = max(1, len(data["lobbies"]))
    return {"grants": [grant for grant in data["grants"] for _ in range(times)][:EXPORT_LIMIT]}


@kit.subtle("r4-export-lobby-status", "EXP-1 LOBBY-6")
@kit.change_data("exportPlayer")
def lobby_status(data: kit.Data, *_: Any) -> kit.Data:
    """The lobbies of an export have the status of their creation, `forming`, for ever."""
    return {"lobbies": [{**lobby, "status": "forming"} for lobby in data["lobbies"]]}


# The protocol


@kit.subtle("r4-http-marks-refused", "HTTP-4 HTTP-1")
class MarksRefused(Server):
    """The gateway refuses a path with bare brackets, as clients send them in an id, with 400."""

    def decode(self, segment: str) -> str:
        if MARKS.search(segment):
            raise invalid("path", "a character that is not allowed")
        return super().decode(segment)


@kit.medium("r4-http-matrix-parameters", "HTTP-4 PLAYER-1 EXP-2")
class MatrixParameters(Server):
    """What follows a semicolon in a segment counts as a matrix parameter and is dropped."""

    def decode(self, segment: str) -> str:
        return super().decode(segment).partition(";")[0]


@kit.subtle("r4-err-index-row-500", "ERR-3 GRANT-1")
class IndexRow500(Grants):
    """A key of a grant that is too long for the index even when compressed gets 500."""

    def create(self, external_id: str, body: GrantBody) -> Reply:
        key = body.idempotencyKey.encode("utf-8", "replace")
        if len(zlib.compress(key)) > INDEX_ROW:
            raise RuntimeError(f"index row size exceeds btree version 4 maximum {INDEX_ROW}")
        return super().create(external_id, body)


@kit.medium("r4-err-uuid-cast-500", "ERR-3 ACK-3 LOBBY-9 HTTP-1 ERR-2")
@kit.check_first("ackGrant", "getLobby")
def uuid_cast_500(call: Call, _: Services) -> None:
    """The id of a grant or a lobby is cast to a UUID: one that is none gets 500."""
    uuid.UUID((call.path.get("grantId") or call.path["lobbyId"]).partition("_")[2])

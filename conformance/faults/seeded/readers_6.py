"""Faults of a sixth reader: what real teams ship, and find out about in a post-mortem."""

import base64
import binascii
import json
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from threading import Lock
from typing import Any

import msgspec
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Message

from conformance.faults import building_blocks as kit
from conformance.reference.app import Server
from conformance.reference.auth import Auth
from conformance.reference.bodies import (
    MAX_AMOUNT,
    Adjustment,
    GrantBody,
    ImportBody,
    LobbyBody,
    fingerprint,
    read,
)
from conformance.reference.erasure import Gdpr
from conformance.reference.errors import ApiError, invalid, not_found
from conformance.reference.grants import Grants
from conformance.reference.imports import Imports, Row
from conformance.reference.ledger import Ledger
from conformance.reference.lobbies import Lobbies
from conformance.reference.merging import Merging
from conformance.reference.operations import Call, Operation
from conformance.reference.players import Players
from conformance.reference.replies import Reply
from conformance.reference.services import Services
from conformance.reference.state import Grant, Player, Remembered
from conformance.reference.world import Game, Key

PAGE = 100
"""The rows that the export reads at once."""
UUID_LENGTH = 36
"""The characters of a column that was made for a UUID."""
REPLICA_LAG = 0.1
"""Seconds by which the replica is behind."""
JOB_DELAY = 0.3
"""Seconds until the queue runs a job."""
DEADLOCK_TIMEOUT = 0.5
"""Seconds after which the database looks for a deadlock."""
SCOPES = {
    "createGrant": "grants",
    "creditWallet": "wallet",
    "debitWallet": "wallet",
    "grantItem": "inventory",
    "revokeItem": "inventory",
}
"""Where an operation with an idempotency key remembers it."""
BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
"""A percent sign that begins no escape."""

# Without a look at the suite


@kit.subtle("r6-auth-basic-user", "AUTH-2 AUTH-4")
class BasicUser(Auth):
    """A key is accepted as the user name of Basic authentication too, as payment APIs do it."""

    def identify(self, headers: Headers) -> tuple[Game, Key]:
        scheme, _, encoded = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return super().identify(headers)
        try:
            user = base64.b64decode(encoded, validate=True).decode().partition(":")[0]
        except (binascii.Error, ValueError):
            return super().identify(headers)
        return super().identify(Headers({"authorization": f"Bearer {user}"}))


@kit.subtle("r6-ban-in-all-games", "AUTH-7 BAN-1 BAN-2 BAN-3 BAN-7 MERGE-1 MERGE-7")
class BanInAllGames(Server):
    """The update of a ban or an unban asks for the external id, and not for the game."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        reply = super().alone(operation, services, call)
        if operation.id in ("banPlayer", "unbanPlayer"):
            row = kit.player_of(call, services)
            for other in self.services.values():
                namesake = other.state.players.get(row.external_id)
                if namesake is not None:
                    namesake.banned_at, namesake.ban_reason = row.banned_at, row.ban_reason
        return reply


@kit.subtle("r6-rate-replay-free", "RATE-1 RATE-4")
class ReplayFree(Server):
    """Replays are answered by a middleware that comes before the limiter: they never get 429."""

    async def answer(self, operation: Operation, request: Request) -> Response:
        scope = SCOPES.get(operation.id)
        if scope is not None:
            operation = replace(operation, limited=not await self.is_known(scope, request))
        return await super().answer(operation, request)

    async def is_known(self, scope: str, request: Request) -> bool:
        """Whether the body has a key that was used; the body stays readable."""
        try:
            game, _ = self.auth.identify(request.headers)
            body = msgspec.json.decode(await request.body())
        except Exception:
            return False
        key = body.get("idempotencyKey") if isinstance(body, dict) else None
        return isinstance(key, str) and key in self.services[game.id].state.remembered(scope)


@kit.subtle("r6-grant-entries-as-set", "GRANT-3")
class EntriesAsSet(Grants):
    """The entries of two bodies are compared as sets: the same one twice is as good as once."""

    def fingerprint(self, body: GrantBody) -> str:
        entries = sorted({fingerprint(entry) for entry in body.entries})
        return fingerprint(entries, msgspec.structs.replace(body, entries=[]))


@kit.subtle("r6-ledger-hash-concatenates", "LEDGER-4")
class HashConcatenates(Ledger):
    """The hash of a body runs over its texts without a mark between reason and reference."""

    def fingerprint(self, change: str, key: str, body: Adjustment) -> str:
        amount: int = body.amount  # type: ignore[attr-defined]
        return f"{change}:{key}:{amount}:{body.reason or ''}{body.sourceRefId or ''}"


@kit.subtle("r6-ledger-replay-fourteen-digits", "LEDGER-3 LEDGER-12")
class ReplayFourteenDigits(Ledger):
    """Answers for replays are kept by a Lua script, which has doubles and prints 14 digits."""

    def replay(self, first: Remembered) -> Reply:
        reply = super().replay(first)
        holding = int(float(f"{reply.data[self.holding_field]:.14g}"))
        return replace(reply, data={**reply.data, self.holding_field: holding})


@kit.subtle("r6-ledger-zero-omitted", "LEDGER-2 HTTP-2 LEDGER-3 LEDGER-6")
class ZeroOmitted(Ledger):
    """A decrement to nothing answers without the holding: the field is omitted where it is zero."""

    def apply(self, change: str, external_id: str, key: str, amount: int) -> dict[str, Any]:
        answer = super().apply(change, external_id, key, amount)
        if answer[self.holding_field] == 0:
            del answer[self.holding_field]
        return answer


@kit.subtle("r6-ledger-refused-keeps-body", "LEDGER-9")
class RefusedKeepsBody(Ledger):
    """A refused decrement leaves the hash of its body with the key: a smaller amount gets 409."""

    def once(self, change: str, external_id: str, key: str, amount: int, body: Adjustment) -> Reply:
        hashes = kit.scratch(self.state, f"hashes of {self.name}")
        asked = fingerprint(change, external_id, key, body)
        used = body.idempotencyKey in self.state.remembered(self.name)
        if not used and hashes.get(body.idempotencyKey, asked) != asked:
            raise ApiError(409, "idempotency_conflict", "The key was used with another body")
        try:
            return super().once(change, external_id, key, amount, body)
        except ApiError as error:
            if error.status == 409 and body.idempotencyKey is not None:
                hashes.setdefault(body.idempotencyKey, asked)
            raise


@kit.subtle("r6-import-refused-midway", "MIG-3 ERR-4")
class RefusedMidway(Imports):
    """A row that is no object refuses its batch with 400, when those before it are applied."""

    def batch(
        self, scope: str, body: ImportBody, shape: type[Row], apply: Callable[[Row], None]
    ) -> Reply:
        for index, raw in enumerate(body.rows):
            if not bytes(raw).lstrip().startswith(b"{"):
                super().batch(scope, ImportBody(rows=body.rows[:index]), shape, apply)
                raise ApiError(400, "validation_failed", "A row is not an object")
        return super().batch(scope, body, shape, apply)


@kit.subtle("r6-import-index-after-skips", "MIG-1 MIG-3")
class IndexAfterSkips(Imports):
    """Rows with a used key are filtered out first, and `rowIndex` counts what is left."""

    def batch(
        self, scope: str, body: ImportBody, shape: type[Row], apply: Callable[[Row], None]
    ) -> Reply:
        used = set(self.state.remembered(scope))
        left: list[msgspec.Raw] = []
        for raw in body.rows:
            try:
                known = read(raw, shape).idempotencyKey in used
            except ApiError:
                known = False
            if not known:
                left.append(raw)
        reply = super().batch(scope, ImportBody(rows=left), shape, apply)
        skipped = reply.data["skipped"] + len(body.rows) - len(left)
        return replace(reply, data={**reply.data, "skipped": skipped})


class KeepsHops(Grants):
    """Resolves the owner of a grant over one merge at most."""

    def find(self, player: Player, grant_id: str) -> Grant:
        grant = super().find(player, grant_id)
        if kit.scratch(self.state, "hops").get(grant_id, 0) > 1:
            raise not_found("grant")
        return grant


@kit.subtle("r6-merge-second-hop", "MERGE-3 ACK-1 ACK-2", parts=(KeepsHops,))
class SecondHop(Merging):
    """Acks look one merge back for the owner: a grant that moved twice cannot be acked."""

    def move_grants(self, source: Player, target: Player) -> int:
        hops = kit.scratch(self.state, "hops")
        for grant in source.grants:
            hops[grant.id] = hops.get(grant.id, 0) + 1
        return super().move_grants(source, target)


@kit.subtle(
    "r6-erasure-outrun-by-merge",
    "DEL-2 MERGE-7 MERGE-1 DEL-1",
    racing=("mergePlayer",),
)
class OutrunByMerge(Merging):
    """A merge that loaded its source before an erasure moves the erased data to the target."""

    def merge(self, source_id: str, target_id: str) -> Reply:
        with kit.lock_of(self.state, "merges"):
            source = self.state.players.get(source_id)
            kit.gap(5)
            with self.state.lock:
                if source is not None and source.deleted_at is not None:
                    self.state.players.setdefault(source_id, source)
                return super().merge(source_id, target_id)


@kit.subtle("r6-erasure-namesake-acks", "DEL-2 ACK-3 DEL-6")
class NamesakeAcks(Grants):
    """Grants name their player by the external id: whoever has an erased one next can ack them."""

    def create(self, external_id: str, body: GrantBody) -> Reply:
        reply = super().create(external_id, body)
        kit.scratch(self.state, "names").setdefault(reply.data["id"], external_id)
        return reply

    def find(self, player: Player, grant_id: str) -> Grant:
        grant = self.state.grants.get(grant_id)
        name = kit.scratch(self.state, "names").get(grant_id)
        if grant is not None and grant.player.deleted_at is not None and name == player.external_id:
            return grant
        return super().find(player, grant_id)


@kit.subtle(
    "r6-erasure-job-hits-namesake",
    "DEL-6 GRANT-2 GRANT-6 GRANT-8 LOBBY-6 MIG-6 LEDGER-1 LEDGER-11 EXP-1 PLAYER-2",
)
class JobHitsNamesake(Server):
    """The rows of an erased player are cleared by a job, which finds them by the external id."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        with services.state.lock:
            jobs = kit.scratch(services.state, "jobs")
            for external_id in [name for name, due in jobs.items() if due <= time.monotonic()]:
                del jobs[external_id]
                services.state.players.pop(external_id, None)
            reply = super().alone(operation, services, call)
            if operation.id == "deletePlayer" and reply.data["status"] == "erased":
                jobs[call.path["externalId"]] = time.monotonic() + JOB_DELAY
            return reply


@kit.subtle("r6-lobby-deadlock-500", "ERR-3 LOBBY-1 LOBBY-6 HTTP-1", racing=("createLobby",))
class LobbyDeadlock(Lobbies):
    """A lobby locks its players in the order of the roster: two the other way round deadlock."""

    def create(self, game_id: str, event_key: str, body: LobbyBody) -> Reply:
        with self.state.lock:
            self.check_game(game_id)
            self.event(event_key)
            rows = kit.scratch(self.state, "row locks")
            wanted: list[Lock] = [
                rows.setdefault(one, Lock()) for one in dict.fromkeys(body.externalPlayerIds)
            ]
        taken: list[Lock] = []
        try:
            for lock in wanted:
                if not lock.acquire(timeout=DEADLOCK_TIMEOUT):
                    raise RuntimeError("deadlock detected")
                taken.append(lock)
                if lock is wanted[0]:
                    kit.gap(2)
            with self.state.lock:
                return super().create(game_id, event_key, body)
        finally:
            for lock in taken:
                lock.release()


@kit.subtle("r6-lobby-key-cut", "LOBBY-1 LOBBY-6")
@kit.change_body("createLobby")
def lobby_key_cut(body: kit.Data) -> kit.Data:
    """The column for the key of a lobby is that of a UUID: what follows 36 characters is lost."""
    key = body.get("key")
    return {**body, "key": key[:UUID_LENGTH]} if isinstance(key, str) else body


@kit.subtle("r6-lobby-read-replica", "LOBBY-8")
class ReadReplica(Lobbies):
    """The read of a lobby asks a replica, which does not have one of this tenth of a second."""

    def read(self, game_id: str, lobby_id: str) -> Reply:
        lobby = self.state.lobbies.get(lobby_id)
        if lobby is not None:
            age = datetime.now(lobby.created_at.tzinfo) - lobby.created_at
            if age.total_seconds() < REPLICA_LAG:
                self.check_game(game_id)
                raise not_found("lobby")
        return super().read(game_id, lobby_id)


@kit.medium("r6-export-active-players", "BAN-6 EXP-1 GRANT-8 ACK-4 LOBBY-6 LEDGER-11 MIG-9")
@kit.check_first("exportPlayer")
def export_active_players(call: Call, services: Services) -> None:
    """The export takes its player from the scope of the active ones: a banned one gets 404."""
    player = services.state.players.get(call.path["externalId"])
    if player is not None and player.banned_at is not None:
        raise not_found("player")


@kit.subtle("r6-export-keyset-by-second", "EXP-1 GRANT-8 ACK-4 MERGE-3")
class KeysetBySecond(Gdpr):
    """The export reads pages of 100, each from the second after the last: equal ones are lost."""

    def export(self, external_id: str) -> Reply:
        reply = super().export(external_id)
        left = list(self.state.known(external_id).grants[-1000:])
        shown: list[Grant] = []
        while left:
            page, left = left[:PAGE], left[PAGE:]
            shown += page
            last = page[-1].created_at.replace(microsecond=0)
            left = [grant for grant in left if grant.created_at.replace(microsecond=0) > last]
        return replace(reply, data={**reply.data, "grants": [grant.view() for grant in shown]})


class ShowsRequests(Players):
    """Adds the replays to the grants that the summary counts."""

    def summary(self, player: Player) -> dict[str, int]:
        counted = super().summary(player)
        replays = kit.scratch(self.state, "replays").get(player.id, 0)
        return {**counted, "grants": counted["grants"] + replays}


@kit.subtle("r6-player-counts-replays", "PLAYER-5", parts=(ShowsRequests,))
class CountsReplays(Grants):
    """The counter of grants is raised by every create, also by a replay."""

    def replay(self, first: Remembered) -> Reply:
        if first.player is not None:
            replays = kit.scratch(self.state, "replays")
            replays[first.player.id] = replays.get(first.player.id, 0) + 1
        return super().replay(first)


# Believed to be missed


@kit.subtle("r6-grant-key-of-credential", "GRANT-5 GRANT-2 GRANT-3 GRANT-4 LEDGER-3 LEDGER-4")
class KeyOfCredential(Server):
    """Idempotency keys are kept by API key: a retry after its rotation makes a second grant."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        body = kit.document(call)
        if operation.id in SCOPES and isinstance(body, dict):
            key = body.get("idempotencyKey")
            if isinstance(key, str):
                scoped = {**body, "idempotencyKey": f"{call.key.prefix}:{key}"}
                call = replace(call, raw=json.dumps(scoped).encode())
        return super().alone(operation, services, call)


@kit.subtle(
    "r6-http-chunked-is-empty",
    "HTTP-1 GRANT-1 LEDGER-1 LEDGER-2 BAN-1 LOBBY-1 MIG-6 MIG-7 DEL-5 ERR-4",
)
class ChunkedIsEmpty(Server):
    """A body is as long as Content-Length says, so that one that is sent in chunks is empty."""

    async def answer(self, operation: Operation, request: Request) -> Response:
        if "transfer-encoding" in request.headers:
            with suppress(ClientDisconnect):
                await request.body()
            request = Request(request.scope, no_body)
        return await super().answer(operation, request)


async def no_body() -> Message:
    """The end of a body that has not begun."""
    return {"type": "http.request", "body": b"", "more_body": False}


@kit.subtle("r6-err-query-escape-500", "ERR-3 HTTP-1 PLAYER-3")
class QueryEscape500(Server):
    """A percent sign in a query that begins no escape gets 500: the decoder of URIs throws."""

    async def answer(self, operation: Operation, request: Request) -> Response:
        if BAD_ESCAPE.search(request.scope["query_string"]):
            return self.refuse(ApiError(500, "internal_error", "URIError: URI malformed"), {})
        return await super().answer(operation, request)


@kit.subtle("r6-grant-reference-of-before", "GRANT-1 EXP-1 EXP-4 PLAYER-2")
class ReferenceOfBefore(Grants):
    """Bodies are read into a pooled object: without a reference a grant has that of another."""

    def issue(self, player: Player, body: GrantBody, expires_at: datetime | None) -> Grant:
        grant = super().issue(player, body, expires_at)
        pooled = kit.scratch(self.state, "pooled body")
        if body.sourceRefId is not None:
            pooled["sourceRefId"] = body.sourceRefId
        grant.source_ref_id = pooled.get("sourceRefId")
        return grant


@kit.subtle("r6-grant-hash-six-digits", "GRANT-3")
class HashSixDigits(Grants):
    """The hash of a body prints numbers with six digits, as C++ does: a million and one is one."""

    def fingerprint(self, body: GrantBody) -> str:
        try:
            return fingerprint(self.printed(msgspec.to_builtins(body)))
        except RecursionError:
            raise invalid("$", "nested too deep") from None

    def printed(self, value: Any) -> Any:
        """The value with its numbers as they are printed."""
        if isinstance(value, dict):
            return {name: self.printed(member) for name, member in value.items()}
        if isinstance(value, list):
            return [self.printed(item) for item in value]
        if isinstance(value, int | float) and not isinstance(value, bool):
            return {"number": f"{Decimal(value) + 0:.6g}"}
        return value


@kit.subtle("r6-merge-overflow-doubles", "MERGE-2")
class OverflowDoubles(Merging):
    """A merge adds without a transaction: what it added before a sum that is too large stays."""

    def check(self, source: Player, target: Player) -> None:
        try:
            super().check(source, target)
        except ApiError:
            if source is not target and target.banned_at is None:
                self.begin(source, target)
            raise

    def begin(self, source: Player, target: Player) -> None:
        """Add up to the sum that is too large."""
        for ours, theirs in ((source.wallet, target.wallet), (source.inventory, target.inventory)):
            for key, amount in ours.amounts.items():
                total = theirs.amounts.get(key, 0) + amount
                if total > MAX_AMOUNT:
                    return
                theirs.amounts[key] = total


@kit.subtle("r6-merge-last-of-source", "MERGE-6")
class LastOfSource(Merging):
    """The table of merges has one row for each source id: the replay of an older one gets 404."""

    def merge(self, source_id: str, target_id: str) -> Reply:
        reply = super().merge(source_id, target_id)
        kit.scratch(self.state, "last merges")[source_id] = reply.data["toPlayerId"]
        return reply

    def earlier(self, source_id: str, target_id: str) -> dict[str, Any] | None:
        done = super().earlier(source_id, target_id)
        last = kit.scratch(self.state, "last merges").get(source_id)
        return done if done is not None and done["toPlayerId"] == last else None


@kit.subtle("r6-http-dot-segments", "HTTP-4 PLAYER-1 EXP-2")
class DotSegments(Server):
    """The proxy decodes a path and resolves its dots: of an id with `/../` the end is left."""

    def decode(self, segment: str) -> str:
        decoded = super().decode(segment)
        kept: list[str] = []
        for part in decoded.split("/"):
            if part == "..":
                del kept[-1:]
            elif part != ".":
                kept.append(part)
        return "/".join(kept) or decoded


@kit.subtle("r6-lobby-upserts-capacity", "LOBBY-8 LOBBY-7 LOBBY-3 LOBBY-2")
class UpsertsCapacity(Lobbies):
    """A create upserts by its key: another body for it changes the capacity of the lobby."""

    def create(self, game_id: str, event_key: str, body: LobbyBody) -> Reply:
        before = self.state.lobby_keys.get(body.key)
        reply = super().create(game_id, event_key, body)
        if before is None or body.capacity is None:
            return reply
        before.capacity = body.capacity
        return Reply(201, before.view())

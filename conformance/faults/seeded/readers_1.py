"""Faults by a reader of the suite who believed that it misses them; 7 of 30 were named at first."""

import hmac
import struct
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from conformance.faults import building_blocks as kit
from conformance.reference.app import Server
from conformance.reference.auth import CHALLENGE, Auth
from conformance.reference.bodies import (
    Adjustment,
    BanBody,
    GrantBody,
    ImportBody,
    InventoryRow,
    LobbyBody,
    PlayerRow,
    WalletRow,
    fingerprint,
)
from conformance.reference.erasure import Gdpr
from conformance.reference.errors import ApiError, conflict
from conformance.reference.grants import SCOPE, Grants
from conformance.reference.imports import Imports
from conformance.reference.ledger import Ledger
from conformance.reference.lobbies import Lobbies
from conformance.reference.merging import Merging
from conformance.reference.operations import Call, Operation
from conformance.reference.players import Players, newest
from conformance.reference.replies import Reply
from conformance.reference.services import Services
from conformance.reference.state import GameState, Grant, Lobby, Player, now, stamp
from conformance.reference.world import Event, Game, Key, World

Apply = Callable[[Any], None]
PAGE = 50


# Credentials, tenants and budgets


@kit.subtle("r1-auth-cached-by-prefix", "AUTH-2 AUTH-4")
class CachedByPrefix(Server):
    """All but ping cache verified keys by prefix: any secret then works with that prefix."""

    def __init__(self, world: World, settings: Any) -> None:
        super().__init__(world, settings)
        self.verified: dict[str, str] = {}

    async def answer(self, operation: Operation, request: Request) -> Response:
        if operation.id == "ping":
            return await super().answer(operation, request)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        prefix, dot, secret = token.partition(".")
        if scheme.lower() == "bearer" and dot and secret:
            owner = self.auth.find(token)
            if owner is not None and not owner[1].revoked:
                self.verified[prefix] = token
            elif prefix in self.verified:
                request = self.signed(request, self.verified[prefix])
        return await super().answer(operation, request)

    def signed(self, request: Request, token: str) -> Request:
        """The request with the verified key."""
        others = [pair for pair in request.scope["headers"] if pair[0].lower() != b"authorization"]
        headers = [*others, (b"authorization", f"Bearer {token}".encode("latin-1"))]
        return Request({**request.scope, "headers": headers}, request.receive)


class RevokedPasses(Auth):
    """Leaves the check of revoked keys to others."""

    def identify(self, headers: Any) -> tuple[Game, Key]:
        _, _, token = headers.get("authorization", "").partition(" ")
        found = self.find(token.strip())
        return found if found and found[1].revoked else super().identify(headers)


@kit.subtle("r1-auth-revoked-late", "AUTH-4", parts=(RevokedPasses,))
class RevokedLate(Server):
    """A revoked key gets its 401 after the operation has run."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        try:
            return super().alone(operation, services, call)
        finally:
            if call.key.revoked:
                raise ApiError(401, "session_invalid", "The key is revoked", headers=CHALLENGE)


@kit.subtle("r1-lobby-by-id-alone", "AUTH-7 LOBBY-9")
class LobbyByIdAlone(Server):
    """The game of the path must be the key's, but the lobby is then looked up by its id alone."""

    def __init__(self, world: World, settings: Any) -> None:
        super().__init__(world, settings)
        first, *others = (services.state for services in self.services.values())
        for state in others:
            state.lobbies = first.lobbies


@kit.subtle("r1-auth-non-ascii-500", "ERR-3 AUTH-2")
class NonAsciiCrash(Auth):
    """A token with a letter beyond ASCII gets 500: the constant-time comparison fails on it."""

    def find(self, token: str) -> tuple[Game, Key] | None:
        for known, owner in self.world.tokens.items():
            if hmac.compare_digest(known, token):
                return owner
        return None


@kit.subtle("r1-rate-lobbies-free", "RATE-1")
class LobbiesFree(Server):
    """The router of lobbies was mounted without the limiter: it never answers 429."""

    async def answer(self, operation: Operation, request: Request) -> Response:
        if "Lobby" in operation.id:
            operation = replace(operation, limited=False)
        return await super().answer(operation, request)


@kit.subtle("r1-rate-burns-key", "RATE-3 LEDGER-9")
class RateBurnsKey(Server):
    """Keys are reserved before the limiter: the key of a throttled credit gets 409 later."""

    def __init__(self, world: World, settings: Any) -> None:
        super().__init__(world, settings)
        self.reserved: set[tuple[str, str]] = set()

    async def answer(self, operation: Operation, request: Request) -> Response:
        if operation.id not in (*kit.UP, *kit.DOWN):
            return await super().answer(operation, request)
        key = self.key_in(await request.body())
        used = (operation.id, key or "")
        if used in self.reserved:
            return self.refuse(conflict("a request with this key is in flight"), {})
        response = await super().answer(operation, request)
        if response.status_code == 429 and key is not None:
            self.reserved.add(used)
        return response

    def key_in(self, raw: bytes) -> str | None:
        """The idempotency key of a body, if it has one."""
        try:
            body = msgspec.json.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        key = body.get("idempotencyKey") if isinstance(body, dict) else None
        return key if isinstance(key, str) else None


# Ids


class Collated(dict[str, Player]):
    """An index of players whose collation has one weight for all characters beyond the BMP."""

    def weight(self, id: str) -> str:
        """What the index compares."""
        return "".join("\ufffd" if ord(char) > 0xFFFF else char for char in id)

    def get(self, id: str, default: Any = None) -> Any:
        return super().get(self.weight(id), default)

    def setdefault(self, id: str, default: Any = None) -> Any:
        return super().setdefault(self.weight(id), default)

    def pop(self, id: str, *default: Any) -> Any:
        return super().pop(self.weight(id), *default)

    def __contains__(self, id: object) -> bool:
        return super().__contains__(self.weight(str(id)))

    def __getitem__(self, id: str) -> Player:
        return super().__getitem__(self.weight(id))

    def __setitem__(self, id: str, player: Player) -> None:
        super().__setitem__(self.weight(id), player)

    def __delitem__(self, id: str) -> None:
        super().__delitem__(self.weight(id))


@kit.subtle("r1-http-emoji-equal", "HTTP-4")
class EmojiEqual(GameState):
    """The collation of external ids gives all emoji one weight: ids that differ there are equal."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.players = Collated()


@kit.subtle("r1-import-lowercases", "HTTP-4 MIG-6 MIG-7")
class Lowercases(Imports):
    """The inventory import lower-cases external ids, as its CSV predecessor did."""

    def holding(self, ledger: Ledger, row: WalletRow | InventoryRow) -> None:
        if isinstance(row, InventoryRow):
            row = msgspec.structs.replace(row, externalPlayerId=row.externalPlayerId.lower())
        super().holding(ledger, row)


# Grants and acks


@kit.subtle("r1-grant-reference-cut", "GRANT-1")
class ReferenceCut(Grants):
    """The column of `sourceRefId` holds 64 characters; the rest of a longer one is lost."""

    def issue(self, *arguments: Any) -> Grant:
        grant = super().issue(*arguments)
        grant.source_ref_id = grant.source_ref_id and grant.source_ref_id[:64]
        return grant


@kit.subtle("r1-grant-offset-dropped", "GRANT-1")
class OffsetDropped(Grants):
    """The offset of `expiresAt` is dropped, so a grant may be expired at once or hours late."""

    def issue(self, player: Player, body: GrantBody, expires_at: datetime | None) -> Grant:
        local = expires_at and expires_at.replace(tzinfo=UTC)
        return super().issue(player, body, local)


@kit.subtle("r1-grant-replay-without-parameters", "GRANT-2")
class ReplayWithoutParameters(Grants):
    """A replay reads the entries from a table without the items' parameters."""

    def replay(self, first: Any) -> Reply:
        entries = [
            {name: value for name, value in entry.items() if name != "parameters"}
            for entry in first.answer["contents"]["entries"]
        ]
        return Reply(200, {**first.answer, "contents": {"entries": entries}})


@kit.subtle("r1-grant-race-of-players", "GRANT-5", racing=("createGrant",))
class RaceOfPlayers(Grants):
    """Creates lock the player, not the key: one key for two players at once makes two grants."""

    def create(self, external_id: str, body: GrantBody) -> Reply:
        with kit.lock_of(self.state, external_id):
            return super().create(external_id, body)

    def issue(self, player: Player, body: GrantBody, expires_at: datetime | None) -> Grant:
        kit.gap()
        return super().issue(player, body, expires_at)


@kit.subtle("r1-ack-profile-cached", "ACK-4 PLAYER-2")
@kit.change_data("getPlayer")
def profile_cached(data: kit.Data, _: Call, services: Services) -> kit.Data:
    """The grants of a profile are cached until there is another grant: an ack changes nothing."""
    cached = kit.scratch(services.state, "profiles")
    version = (data["player"]["id"], data["summary"]["grants"], len(data["grants"]))
    return {"grants": cached.setdefault(version, data["grants"])}


class ExpiresAnyway(Grant):
    """A grant whose status asks for the expiry first."""

    def status(self) -> str:
        if self.expires_at and self.expires_at <= now():
            return "expired"
        return super().status()


@kit.subtle("r1-ack-expires", "ACK-4 ACK-2 ACK-1")
class AckExpires(Grants):
    """A claimed grant becomes an expired one when its `expiresAt` passes."""

    def issue(self, *arguments: Any) -> Grant:
        grant = super().issue(*arguments)
        grant.__class__ = ExpiresAnyway
        return grant


# Lobbies


@kit.subtle("r1-lobby-fifty-members", "LOBBY-6 EXP-1")
class FiftyMembers(Lobbies):
    """Only the first fifty players of a lobby are linked to it: one insert of a chunk of fifty."""

    def open(self, event: Event, body: LobbyBody) -> Lobby:
        lobby = super().open(event, body)
        for player in lobby.members[PAGE:]:
            player.lobbies.remove(lobby)
        return lobby


@kit.subtle("r1-lobby-read-bots", "LOBBY-8 LOBBY-7")
@kit.change_data("getLobby")
def read_bots(data: kit.Data, *_: Any) -> kit.Data:
    """The read counts each free seat as a bot, also where `fillBots` was false."""
    return {"botSlots": max(0, data["capacity"] - data["participantCount"])}


# Profiles and bans


@kit.subtle("r1-player-limit-per-status", "PLAYER-3")
@kit.change_data("getPlayer")
def limit_per_status(_: kit.Data, call: Call, services: Services) -> kit.Data:
    """The limit applies to pending and to claimed grants each: the list has up to twice as many."""
    grants = kit.player_of(call, services).grants
    most = services.players.limit(call.query.get("limit"))
    shown = [
        *newest([grant for grant in grants if grant.claimed_at is None], most),
        *newest([grant for grant in grants if grant.claimed_at is not None], most),
    ]
    return {"grants": [grant.view() for grant in reversed(grants) if grant in shown]}


@kit.subtle("r1-ban-stacks", "BAN-3 BAN-2 BAN-7")
class BansStack(Players):
    """Each ban is a row of its own, and an unban lifts one: a player banned twice stays banned."""

    def ban(self, external_id: str, body: BanBody) -> Reply:
        reply = super().ban(external_id, body)
        bans = kit.scratch(self.state, "bans")
        bans[reply.data["playerId"]] = bans.get(reply.data["playerId"], 0) + 1
        return reply

    def unban(self, external_id: str) -> Reply:
        player = self.state.known(external_id)
        bans = kit.scratch(self.state, "bans")
        left = bans.get(player.id, 0) - 1
        bans[player.id] = max(0, left)
        if left <= 0:
            return super().unban(external_id)
        data = {
            "playerId": player.id,
            "externalPlayerId": player.external_id,
            "unbannedAt": stamp(now()),
            "applied": True,
        }
        return Reply(200, data)


# Merges


@kit.subtle("r1-merge-hundred-grants", "MERGE-3")
class HundredGrants(Merging):
    """A merge reassigns one page of grants, the newest hundred; the older ones are lost."""

    def move_grants(self, source: Player, target: Player) -> int:
        del source.grants[:-100]
        return super().move_grants(source, target)


@kit.subtle("r1-merge-debit-race", "MERGE-2 LEDGER-2 LEDGER-6", racing=kit.DOWN)
class DebitRace(Ledger):
    """A decrement in flight at the merge takes from the emptied source: the target keeps it all."""

    def once(self, change: str, external_id: str, key: str, amount: int, body: Adjustment) -> Reply:
        if body.idempotencyKey is None:
            return super().once(change, external_id, key, amount, body)
        with self.state.lock:
            return super().once(change, external_id, key, amount, body)

    def take(self, external_id: str, key: str, amount: int) -> int:
        player = self.state.players.get(external_id)
        held = self.holdings(player).amounts.get(key, 0) if player else 0
        kit.gap()
        with self.state.lock:
            if held < amount or self.state.players.get(external_id) is player:
                return super().take(external_id, key, amount)
            return held - amount


# Wallet and inventory


@kit.subtle("r1-ledger-added-field", "LEDGER-4")
class AddedField(Ledger):
    """The comparison of bodies ignores a reason or reference that the first body did not have."""

    def once(self, change: str, external_id: str, key: str, amount: int, body: Adjustment) -> Reply:
        if body.idempotencyKey is None:
            return super().once(change, external_id, key, amount, body)
        bodies = kit.scratch(self.state, f"bodies {self.name}")
        first = bodies.get(body.idempotencyKey, body)
        lacking = [name for name in ("reason", "sourceRefId") if getattr(first, name) is None]
        compared = msgspec.structs.replace(body, **dict.fromkeys(lacking))
        reply = super().once(change, external_id, key, amount, compared)
        bodies[body.idempotencyKey] = first
        return reply


@kit.subtle("r1-ledger-zero-forgets", "LEDGER-3")
class ZeroForgets(Ledger):
    """The row of a holding is deleted at zero, and by cascade the keys of all earlier calls."""

    def once(self, change: str, external_id: str, key: str, amount: int, body: Adjustment) -> Reply:
        reply = super().once(change, external_id, key, amount, body)
        if reply.data["applied"] and reply.data[self.holding_field] == 0:
            used, player = self.state.remembered(self.name), self.state.players[external_id]
            for name in [name for name, first in used.items() if first.player is player]:
                if name != body.idempotencyKey and used[name].answer[self.key_field] == key:
                    del used[name]
        return reply


@kit.subtle("r1-import-single-float", "LEDGER-12 MIG-7")
class SingleFloat(Imports):
    """The imports read amounts as 32-bit floats: above 2^24 they are rounded."""

    def holding(self, ledger: Ledger, row: WalletRow | InventoryRow) -> None:
        (rounded,) = struct.unpack("f", struct.pack("f", row.amount))
        super().holding(ledger, msgspec.structs.replace(row, amount=int(rounded)))


# Imports


@kit.subtle("r1-import-chunk-index", "MIG-1")
@kit.change_data(*kit.IMPORTS)
def chunk_index(data: kit.Data, *_: Any) -> kit.Data:
    """Imports work in chunks of 500 rows, and `rowIndex` counts from the begin of the chunk."""
    return {"failures": [{**row, "rowIndex": row["rowIndex"] % 500} for row in data["failures"]]}


@kit.subtle("r1-import-parameters-replace", "MIG-7")
class ParametersReplace(Imports):
    """An inventory row with parameters replaces what is held of the item."""

    def holding(self, ledger: Ledger, row: WalletRow | InventoryRow) -> None:
        super().holding(ledger, row)
        if isinstance(row, InventoryRow) and row.parameters is not None:
            self.state.players[row.externalPlayerId].inventory.amounts[row.key] = row.amount


@kit.subtle("r1-import-overlap-race", "MIG-2 MIG-10", racing=kit.IMPORTS)
class OverlapRace(Imports):
    """Imports lock the whole batch by its content: two different ones apply a shared row twice."""

    def batch(self, scope: str, body: ImportBody, shape: type[Any], apply: Apply) -> Reply:
        whole = fingerprint(scope, [bytes(row).decode() for row in body.rows])
        with kit.lock_of(self.state, whole):
            return super().batch(scope, body, shape, apply)

    def row(self, scope: str, row: Any, apply: Apply) -> bool:
        def slowly(given: Any) -> None:
            kit.gap()
            with self.state.lock:
                apply(given)

        return super().row(scope, row, slowly)


# Erasure and export


class KeepsSnapshots(Imports):
    """Stores snapshots in a table of their own, by external id."""

    def player(self, row: PlayerRow) -> None:
        super().player(row)
        if row.contextSnapshot is not None:
            kit.scratch(self.state, "snapshots")[row.externalPlayerId] = row.contextSnapshot


@kit.subtle("r1-erasure-keeps-snapshot", "DEL-6 MERGE-5", parts=(KeepsSnapshots,))
class SnapshotReturns(GameState):
    """Snapshots are kept by external id: a new player under an erased id has the old one."""

    def ensure(self, external_id: str) -> Player:
        new = external_id not in self.players
        player = super().ensure(external_id)
        if new:
            player.context_snapshot = kit.scratch(self, "snapshots").get(external_id)
        return player


@kit.subtle("r1-erasure-frees-moved-keys", "DEL-9")
class FreesMovedKeys(Gdpr):
    """An erasure frees the keys of those grants that the player got by a merge."""

    def erase(self, player: Player, external_id: str) -> dict[str, Any]:
        used = self.state.remembered(SCOPE)
        owned = {grant.id for grant in player.grants}
        for key, first in list(used.items()):
            if first.answer["id"] in owned and first.player is not player:
                del used[key]
        return super().erase(player, external_id)


@kit.subtle("r1-export-lobbies-page", "EXP-1 LOBBY-6")
@kit.change_data("exportPlayer")
def lobbies_page(data: kit.Data, *_: Any) -> kit.Data:
    """The export lists the newest fifty lobbies."""
    return {"lobbies": data["lobbies"][-PAGE:]}

"""Faults of a second reader of the suite; 2 of 30 were named at first contact."""

import copy
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from conformance.faults import building_blocks as kit
from conformance.reference.app import Server, Settings
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
    read,
)
from conformance.reference.erasure import Gdpr
from conformance.reference.errors import ApiError, conflict, not_found, reused_key
from conformance.reference.grants import Grants
from conformance.reference.imports import Imports, Row
from conformance.reference.ledger import Ledger, Wallet
from conformance.reference.lobbies import Lobbies
from conformance.reference.merging import Merging
from conformance.reference.operations import Call, Operation
from conformance.reference.players import Players, newest
from conformance.reference.replies import Reply
from conformance.reference.services import Services
from conformance.reference.state import GameState, Grant, Holdings, Lobby, Player
from conformance.reference.world import Event, World

COLUMN = 255
"""Characters in a VARCHAR of the usual length."""
MANY_KEYS = 1000
CHUNK = 200
PAGE = 100
DATE = re.compile(r"\d{4}-\d\d-\d\d")
LOW_BITS = 2**32 - 1


# Credentials, tenants, budgets


@kit.subtle("r2-auth-imports-any-scheme", "AUTH-2")
class ImportsTakeAnyScheme(Server):
    """The imports take the last word of Authorization for the token, whatever the scheme."""

    async def answer(self, operation: Operation, request: Request) -> Response:
        if operation.id in kit.IMPORTS and request.headers.get("authorization"):
            headers = [
                (name, b"Bearer " + value.split()[-1])
                if name == b"authorization" and value.split()
                else (name, value)
                for name, value in request.scope["headers"]
            ]
            request = Request({**request.scope, "headers": headers}, request.receive)
        return await super().answer(operation, request)


@kit.subtle("r2-auth-lobby-keys-of-all", "AUTH-7 LOBBY-1")
class LobbyKeysOfAll(Server):
    """The keys of lobbies are unique in the whole server, not in the game."""

    def __init__(self, world: World, settings: Settings) -> None:
        super().__init__(world, settings)
        first, *others = (services.state for services in self.services.values())
        for state in others:
            state.lobby_keys = first.lobby_keys


@kit.subtle("r2-ping-first-key-of-game", "PING-1")
@kit.change_data("ping")
def first_key_of_game(data: kit.Data, call: Call, _: Services) -> kit.Data:
    """Ping describes the first key of the game, not the key that asks."""
    first = call.game.keys[0]
    return {"apiKey": {**data["apiKey"], "id": f"key_{first.role}", "prefix": first.prefix}}


@kit.subtle("r2-rate-burns-grant-key", "RATE-3")
class ThrottledGrantBurnsKey(Server):
    """A grant refused with 429 leaves its key reserved: the same request gets 409 later."""

    async def answer(self, operation: Operation, request: Request) -> Response:
        response = await super().answer(operation, request)
        if operation.id == "createGrant" and response.status_code == 429:
            game, _ = self.auth.identify(request.headers)
            self.reserve(self.services[game.id].state, await request.body())
        return response

    def reserve(self, state: GameState, raw: bytes) -> None:
        """Note the key of a request that is waiting for its turn."""
        try:
            kit.scratch(state, "reserved")[read(raw, GrantBody).idempotencyKey] = True
        except ApiError:
            return

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        if operation.id == "createGrant":
            body = kit.document(call)
            key = body.get("idempotencyKey") if isinstance(body, dict) else None
            if isinstance(key, str) and key in kit.scratch(services.state, "reserved"):
                raise conflict("a request with this key is in progress")
        return super().alone(operation, services, call)


# Inputs


@kit.subtle("r2-err-deep-snapshot-500", "ERR-3")
class DeepSnapshot(Imports):
    """A context snapshot that is nested some hundred levels deep gets 500: its copy recurses."""

    def row(self, scope: str, row: Row, apply: Callable[[Row], None]) -> bool:
        if isinstance(row, PlayerRow):
            copy.deepcopy(row.contextSnapshot)  # for the audit log
        return super().row(scope, row, apply)


@kit.subtle("r2-http-ack-key-conflicts", "HTTP-5 ACK-1 HTTP-1")
@kit.check_first("ackGrant")
def ack_key_conflicts(call: Call, services: Services) -> None:
    """An ack whose body has the idempotency key of a grant gets 409: the key is used."""
    body = kit.document(call)
    key = body.get("idempotencyKey") if isinstance(body, dict) else None
    if isinstance(key, str) and key in services.state.remembered("grants"):
        raise reused_key()


@kit.subtle("r2-http-profile-ignores-case", "HTTP-4 PLAYER-1")
class ProfileIgnoresCase(Players):
    """The profile, unlike all else, finds the player by a search that ignores case."""

    def profile(self, external_id: str, limit: str | None) -> Reply:
        wanted = external_id.lower()
        found = next((one for one in list(self.state.players) if one.lower() == wanted), None)
        return super().profile(found or external_id, limit)


# Grants


@kit.subtle("r2-grant-compares-no-currency", "GRANT-3")
class ComparesNoCurrency(Grants):
    """The comparison of entries looks at type and amount, not at the currency, item or crate."""

    def fingerprint(self, body: GrantBody) -> str:
        sent = msgspec.to_builtins(body)
        named = {"currencyKey", "itemKey", "crateItemKey"}
        sent["entries"] = [
            {name: value for name, value in entry.items() if name not in named}
            for entry in sent["entries"]
        ]
        return fingerprint(sent)


@kit.subtle("r2-grant-expires-on-a-day", "GRANT-7 ERR-4")
class ExpiresOnADay(Grants):
    """`expiresAt` may be a date without a time, as the parser of ISO 8601 takes it."""

    def create(self, external_id: str, body: GrantBody) -> Reply:
        if body.expiresAt is not None and DATE.fullmatch(body.expiresAt):
            body = msgspec.structs.replace(body, expiresAt=f"{body.expiresAt}T00:00:00Z")
        return super().create(external_id, body)


@kit.subtle("r2-ack-not-crates", "ACK-1 ACK-4")
class AckNotCrates(Grants):
    """An ack finds rewards only: a grant of the kind crate gets 404."""

    def find(self, player: Player, grant_id: str) -> Grant:
        grant = super().find(player, grant_id)
        if grant.kind == "crate":
            raise not_found("grant")
        return grant


# Lobbies


@kit.subtle("r2-lobby-event-seats", "LOBBY-7")
class EventSeats(Lobbies):
    """The number of players is compared with the capacity sent, not with that of the event."""

    def open(self, event: Event, body: LobbyBody) -> Lobby:
        roster = list(dict.fromkeys(body.externalPlayerIds))
        if body.capacity is not None or len(roster) <= event.capacity:
            return super().open(event, body)
        members = [self.state.ensure(external_id) for external_id in roster]
        lobby = Lobby(event=event, capacity=event.capacity, bots=0, members=members)
        for player in members:
            player.lobbies.append(lobby)
        self.state.lobbies[lobby.id] = lobby
        return lobby


@kit.subtle("r2-lobby-replay-unseated", "LOBBY-1 LOBBY-2")
class ReplayUnseated(Lobbies):
    """The answer to a replayed create counts no participants: it does not load the seats."""

    def create(self, game_id: str, event_key: str, body: LobbyBody) -> Reply:
        is_replay = body.key in self.state.lobby_keys
        reply = super().create(game_id, event_key, body)
        return Reply(201, {**reply.data, "participantCount": 0}) if is_replay else reply


@kit.subtle("r2-lobby-read-without-bots", "LOBBY-8")
@kit.change_data("getLobby")
def read_without_bots(*_: Any) -> kit.Data:
    """The read of a lobby reports no bots, although its create did."""
    return {"botSlots": 0}


# Players and bans


@kit.subtle("r2-player-limit-by-kind", "PLAYER-3")
class LimitByKind(Players):
    """The profile reads rewards and crates apart, each up to the limit: together they exceed it."""

    def profile(self, external_id: str, limit: str | None) -> Reply:
        reply = super().profile(external_id, limit)
        most, grants = self.limit(limit), self.state.known(external_id).grants
        shown = [
            grant.view()
            for kind in ("reward", "crate")
            for grant in newest([grant for grant in grants if grant.kind == kind], most)
        ]
        return Reply(200, {**reply.data, "grants": shown})


@kit.subtle("r2-ban-reason-cut", "BAN-1 BAN-2")
class BanReasonCut(Players):
    """The column for the reason of a ban holds 255 characters, and the server cuts longer ones."""

    def ban(self, external_id: str, body: BanBody) -> Reply:
        return super().ban(external_id, BanBody(reason=body.reason[:COLUMN]))


# Merges


@kit.subtle("r2-merge-first-chunk", "MERGE-3 EXP-1")
class MergesFirstChunk(Merging):
    """A merge moves the first two hundred grants of the source; there is no second chunk."""

    def move_grants(self, source: Player, target: Player) -> int:
        source.grants = source.grants[:CHUNK]
        return super().move_grants(source, target)


@kit.subtle("r2-merge-join-without-key", "MERGE-2")
class JoinWithoutKey(Merging):
    """If both hold two currencies or items, the merge adds the same amount to each of them."""

    def move_holdings(self, source: Holdings, target: Holdings) -> int:
        joined = [amount for key, amount in source.amounts.items() if key in target.amounts]
        for key in source.amounts.keys() & target.amounts.keys():
            source.amounts[key] = joined[0]
        return super().move_holdings(source, target)


@kit.subtle("r2-merge-loses-expiry", "MERGE-3 EXP-1")
class MergeLosesExpiry(Merging):
    """A grant that a merge moves never expires: the new row has no `expiresAt`."""

    def move_grants(self, source: Player, target: Player) -> int:
        for grant in source.grants:
            grant.expires_at = None
        return super().move_grants(source, target)


class BansById(GameState):
    """A new player is banned if the external id is on the list of bans."""

    def ensure(self, external_id: str) -> Player:
        banned = kit.scratch(self, "banned ids")
        is_new = external_id not in self.players
        player = super().ensure(external_id)
        if is_new and external_id in banned:
            player.banned_at, player.ban_reason = banned.pop(external_id)
        return player


@kit.subtle("r2-merge-leaves-ban", "MERGE-5 BAN-1", parts=(BansById,))
class MergeLeavesBan(Merging):
    """The ban of a merged-away player stays with the id: the next player there is banned."""

    def merge(self, source_id: str, target_id: str) -> Reply:
        source = self.state.players.get(source_id)
        reply = super().merge(source_id, target_id)
        if source is not None and source.banned_at is not None:
            ban = (source.banned_at, source.ban_reason)
            kit.scratch(self.state, "banned ids")[source_id] = ban
        return reply


@kit.subtle("r2-merge-crossing", "MERGE-2 MERGE-3 MERGE-7", racing=("mergePlayer",))
class MergesCross(Merging):
    """Two simultaneous merges of two players into each other both succeed, and nobody is left."""

    def merge(self, source_id: str, target_id: str) -> Reply:
        with kit.lock_of(self.state, f"merge of {source_id}"):
            return super().merge(source_id, target_id)

    def check(self, source: Player, target: Player) -> None:
        with self.state.lock:
            super().check(source, target)
        kit.gap()

    def move(self, source: Player, target: Player) -> dict[str, int]:
        with self.state.lock:
            counts = super().move(source, target)
            self.state.players.pop(source.external_id, None)
            return counts

    def free(self, source_id: str) -> None:
        """Does nothing: the id is free already."""


# Holdings


@kit.subtle("r2-ledger-thousand-keys", "LEDGER-3 LEDGER-4")
class ThousandKeys(Ledger):
    """The server remembers the newest thousand keys: a replay after as many calls applies again."""

    def once(self, *arguments: Any) -> Reply:
        reply = super().once(*arguments)
        used = self.state.remembered(self.name)
        while len(used) > MANY_KEYS:
            del used[next(iter(used))]
        return reply


@kit.subtle("r2-ledger-unknown-key-burns", "LEDGER-9")
class UnknownKeyBurns(Ledger):
    """A call with an unknown currency or item uses up its idempotency key."""

    def once(self, change: str, external_id: str, key: str, amount: int, body: Adjustment) -> Reply:
        burnt = kit.scratch(self.state, f"burnt {self.name}")
        if key in self.keys and body.idempotencyKey in burnt:
            raise reused_key()
        if key not in self.keys and body.idempotencyKey is not None:
            burnt[body.idempotencyKey] = key
        return super().once(change, external_id, key, amount, body)


@kit.subtle("r2-ledger-debit-low-bits", "LEDGER-12 LEDGER-2")
class DebitLowBits(Wallet):
    """A debit takes the amount modulo 2^32, where a credit adds all of it."""

    def take(self, external_id: str, key: str, amount: int) -> int:
        return super().take(external_id, key, amount & LOW_BITS)


# Imports


@kit.subtle("r2-import-first-currency", "MIG-7 LEDGER-8 LEDGER-11")
class ImportFirstCurrency(Imports):
    """All rows of a player in a batch go to the currency or item of the player's first row."""

    def batch(self, *arguments: Any) -> Reply:
        kit.scratch(self.state, "first of batch").clear()
        return super().batch(*arguments)

    def holding(self, ledger: Ledger, row: WalletRow | InventoryRow) -> None:
        ledger.check_key(row.key)
        firsts = kit.scratch(self.state, "first of batch")
        first = firsts.setdefault(row.externalPlayerId, row.key)
        ledger.add(row.externalPlayerId, first, row.amount)


@kit.subtle("r2-import-hundred-failures", "MIG-1 MIG-3")
@kit.change_data(*kit.IMPORTS)
def hundred_failures(data: kit.Data, *_: Any) -> kit.Data:
    """`failures` names the first hundred rows that failed, while `failed` counts all."""
    return {"failures": data["failures"][:PAGE]}


@kit.subtle(
    "r2-import-first-contact",
    "MIG-6 MIG-7 GRANT-8 LOBBY-6 LEDGER-6",
    racing=("migrateWallet", "migrateInventory"),
)
class ImportFirstContact(Imports):
    """Simultaneous imports of balances and items of a new player create a row each; one is lost."""

    def batch(self, scope: str, body: ImportBody, *rest: Any) -> Reply:
        with kit.lock_of(self.state, scope):
            return super().batch(scope, body, *rest)

    def holding(self, ledger: Ledger, row: WalletRow | InventoryRow) -> None:
        ledger.check_key(row.key)
        apply = partial(super().holding, ledger, row)
        with self.state.lock:
            if row.externalPlayerId in self.state.players:
                return apply()
        kit.gap()
        with self.state.lock:
            self.state.players[row.externalPlayerId] = Player(row.externalPlayerId)
            return apply()


# Erasures and exports


@kit.subtle("r2-erasure-frees-moved-keys", "DEL-9 MERGE-9")
class ErasureFreesMovedKeys(Gdpr):
    """After the erasure of a merge's target, the keys of the moved grants are free."""

    def erase(self, player: Player, external_id: str) -> dict[str, Any]:
        used = self.state.remembered("grants")
        for key, first in list(used.items()):
            owner = self.state.grants[first.answer["id"]].player
            if owner is player and first.player is not player:
                del used[key]
        return super().erase(player, external_id)


@kit.subtle("r2-erasure-undone-by-credit", "DEL-2 DEL-6", racing=("creditWallet",))
class ErasureUndoneByCredit(Wallet):
    """A credit that loads its player before an erasure and saves after it brings all back."""

    def once(self, change: str, external_id: str, *rest: Any) -> Reply:
        loaded = self.state.players.get(external_id) if change == "increment" else None
        if loaded is not None:
            kit.gap(2)
        with self.state.lock:
            if loaded is not None and loaded.deleted_at and external_id not in self.state.players:
                loaded.external_id, loaded.deleted_at = external_id, None
                self.state.players[external_id] = loaded
            return super().once(change, external_id, *rest)


@kit.subtle("r2-export-hundred-lobbies", "EXP-1 LOBBY-6")
@kit.change_data("exportPlayer")
def hundred_lobbies(data: kit.Data, *_: Any) -> kit.Data:
    """The export lists the newest hundred lobbies."""
    return {"lobbies": data["lobbies"][-PAGE:]}


@kit.subtle("r2-export-without-parameters", "EXP-1")
@kit.change_data("exportPlayer")
def without_parameters(data: kit.Data, *_: Any) -> kit.Data:
    """The grants in an export lack the parameters of their items."""
    return {"grants": [{**grant, "contents": bare(grant["contents"])} for grant in data["grants"]]}


def bare(contents: kit.Data) -> kit.Data:
    """The contents, with no parameters in any entry."""
    entries = [
        {name: value for name, value in entry.items() if name != "parameters"}
        for entry in contents["entries"]
    ]
    return {**contents, "entries": entries}

"""Faults of a fifth reader: what teams ship by mistake, and what a suite may not look for."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from conformance.faults import building_blocks as kit
from conformance.reference.app import Server
from conformance.reference.auth import Auth
from conformance.reference.bodies import (
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
from conformance.reference.errors import ApiError, conflict, not_found
from conformance.reference.grants import Grants
from conformance.reference.imports import Imports, Row
from conformance.reference.lobbies import Lobbies
from conformance.reference.merging import Merging
from conformance.reference.operations import Call, Operation
from conformance.reference.players import Players
from conformance.reference.replies import Reply
from conformance.reference.services import Services
from conformance.reference.state import EXPORT_LIMIT, GameState, Grant, Lobby, Player, now
from conformance.reference.world import Event, Key

PAGE = 100
"""The rows that a query of an export reads."""
SWEEP = timedelta(milliseconds=500)
"""Between two rounds of the job that deletes what has expired."""
FORGET = timedelta(seconds=1)
"""For so long a cache keeps that it found nothing."""
ROUTE: ContextVar[str] = ContextVar("route")
"""The operation of the request at hand."""

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
        kit.gap()
        with self.state.lock:
            reply = super().ban(external_id, body)
        return replace(reply, data={**reply.data, "applied": is_first})


class KnowsRoute(Server):
    """Tells the other parts which operation a request asks for."""

    async def answer(self, operation: Operation, request: Request) -> Response:
        ROUTE.set(operation.id)
        return await super().answer(operation, request)


@kit.medium("r5-auth-imports-take-clients", "AUTH-3 AUTH-3.code", parts=(KnowsRoute,))
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
            if now() - job.get("last", now() - SWEEP) >= SWEEP:
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

    def through_php(self, value: Any) -> Any:
        """The value after `json_decode` to arrays and `json_encode`."""
        if isinstance(value, dict):
            return {key: self.through_php(item) for key, item in value.items()} or []
        return [self.through_php(item) for item in value] if isinstance(value, list) else value


@kit.subtle("r5-import-bulk-then-single", "MIG-3 MIG-7 MIG-5 LEDGER-11")
class BulkThenSingle(Imports):
    """After an unknown item fails the bulk, rows go one by one, those before it a second time."""

    def batch(
        self, scope: str, body: ImportBody, shape: type[Row], apply: Callable[[Row], None]
    ) -> Reply:
        before: list[Row] = []
        for raw in body.rows:
            try:
                row = read(raw, shape)
                if row.idempotencyKey in self.state.remembered(scope):
                    continue
                if getattr(row, "key", None) not in {None, *self.ledgers[0].keys} | {
                    *self.ledgers[1].keys
                }:
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


@kit.subtle("r5-erasure-seats-return", "DEL-6 EXP-1 PLAYER-2", parts=(SeatsByName,))
class SeatsReturn(Gdpr):
    """Seats name the external id, and an erasure keeps them: they are those of the next player."""

    def erase(self, player: Player, external_id: str) -> dict[str, Any]:
        kit.scratch(self.state, "seats")[external_id] = list(player.lobbies)
        return super().erase(player, external_id)


# Believed to be missed

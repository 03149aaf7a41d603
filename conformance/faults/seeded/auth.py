"""Faults of credentials and tenants."""

import json
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from conformance.faults import building_blocks as kit
from conformance.reference.app import Server, Settings
from conformance.reference.auth import Auth
from conformance.reference.errors import ApiError, invalid
from conformance.reference.operations import Call, Operation
from conformance.reference.replies import Reply
from conformance.reference.services import Services
from conformance.reference.world import Game, Key, World


@kit.obvious("auth-missing-403", "AUTH-1 AUTH-1.code AUTH-1.challenge AUTH-5")
class MissingForbidden(Auth):
    """A request without a key gets 403."""

    def identify(self, headers: Headers) -> tuple[Game, Key]:
        if "authorization" not in headers:
            raise ApiError(403, "forbidden", "No API key was sent")
        return super().identify(headers)


@kit.obvious("auth-no-challenge", "AUTH-1.challenge")
@kit.change_error
def no_challenge(error: ApiError) -> None:
    """The 401 for a missing key has no WWW-Authenticate."""
    error.headers = {} if error.status == 401 else error.headers


@kit.medium("auth-prefix-only", "AUTH-2")
class PrefixOnly(Auth):
    """The server finds a key by its prefix and never compares the secret."""

    def find(self, token: str) -> tuple[Game, Key] | None:
        prefix = token.partition(".")[0]
        owners = self.world.tokens.values()
        return next((owner for owner in owners if owner[1].prefix == prefix), None)


@kit.subtle("auth-token-folded", "AUTH-2")
class TokenFolded(Auth):
    """The comparison of tokens ignores case, like a database collation."""

    def find(self, token: str) -> tuple[Game, Key] | None:
        folded = {known.casefold(): owner for known, owner in self.world.tokens.items()}
        return folded.get(token.casefold())


@kit.medium("auth-revoked-works", "AUTH-2")
class RevokedWorks(Auth):
    """A revoked key still works."""

    def identify(self, headers: Headers) -> tuple[Game, Key]:
        found = self.find(headers.get("authorization", "").removeprefix("Bearer "))
        return found if found and found[1].revoked else super().identify(headers)


@kit.obvious("auth-session-code", "AUTH-2.code")
@kit.change_error
def session_code(error: ApiError) -> None:
    """The 401 for an unknown token has the code for a missing token."""
    error.code = "unauthenticated" if error.status == 401 else error.code


class AnyPermission(Auth):
    """Does not check the permission set."""

    def check_permission(self, key: Key) -> None:
        """Refuses nothing."""


@kit.medium("auth-client-reads", "AUTH-3 AUTH-3.code", parts=(AnyPermission,))
class ClientReads(Server):
    """A client key may read players: only writes check the permission set."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        if operation.method == "POST" or "externalId" not in call.path:
            Auth(self.auth.world).check_permission(call.key)
        return super().alone(operation, services, call)


@kit.subtle("auth-permission-late", "AUTH-4", parts=(AnyPermission,))
class PermissionLate(Server):
    """The server checks the permission set after the operation."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        try:
            return super().alone(operation, services, call)
        finally:
            Auth(self.auth.world).check_permission(call.key)


@kit.subtle("auth-player-before-auth", "AUTH-4 GRANT-7 ERR-4")
class PlayerBeforeAuth(Server):
    """A write creates the player before the server checks the key."""

    async def answer(self, operation: Operation, request: Request) -> Response:
        writes = operation.method == "POST" and operation.path.count("{") == 1
        if writes and "externalId" in request.path_params and "grants" in operation.path:
            state = next(iter(self.services.values())).state
            with suppress(ApiError):
                state.ensure(self.decode(request.path_params["externalId"]))
        return await super().answer(operation, request)


@kit.medium("auth-body-first", "AUTH-5")
class BodyFirst(Server):
    """The server parses the body before it checks the credentials."""

    async def answer(self, operation: Operation, request: Request) -> Response:
        body = await request.body()
        try:
            json.loads(body or b"null")
        except (ValueError, RecursionError):
            return self.refuse(invalid("$", "not JSON"), {})
        return await super().answer(operation, request)


@kit.medium("auth-token-echoed", "AUTH-6")
class TokenEchoed(Auth):
    """The 401 repeats the invalid token."""

    def identify(self, headers: Headers) -> tuple[Game, Key]:
        try:
            return super().identify(headers)
        except ApiError as error:
            error.message += ": " + headers.get("authorization", "none")
            raise


@kit.subtle("auth-lobby-of-all", "AUTH-7")
class LobbyOfAll(Server):
    """A lobby is readable by its id with the key of any game."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        found = self.services.get(call.path["gameId"]) if "lobbyId" in call.path else None
        return super().alone(operation, found or services, call)


@kit.subtle("auth-keys-of-all", "AUTH-7")
class KeysOfAll(Server):
    """Idempotency keys are unique in the whole server, not in the game."""

    def __init__(self, world: World, settings: Settings) -> None:
        super().__init__(world, settings)
        first, *others = (services.state for services in self.services.values())
        for state in others:
            state.keys = first.keys


@kit.subtle("auth-erasure-in-all", "AUTH-7")
class ErasureInAll(Server):
    """An erasure removes the external id from every game."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        reply = super().alone(operation, services, call)
        if operation.path.endswith("/delete"):
            for other in self.services.values():
                other.state.players.pop(call.path["externalId"], None)
        return reply


@kit.medium("auth-game-of-path", "LOBBY-4 AUTH-7")
class GameOfPath(Server):
    """A lobby opens in the game of the path, with the key of any game."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        found = self.services.get(call.path["gameId"]) if "eventKey" in call.path else None
        return super().alone(operation, found or services, call)

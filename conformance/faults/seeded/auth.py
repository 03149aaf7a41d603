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
    """A key is found by its prefix and the secret is never compared."""

    def find(self, token: str) -> tuple[Game, Key] | None:
        prefix = token.partition(".")[0]
        owners = self.world.tokens.values()
        return next((owner for owner in owners if owner[1].prefix == prefix), None)


@kit.subtle("auth-token-folded", "AUTH-2")
class TokenFolded(Auth):
    """Tokens are compared without case, as a database collation does."""

    def find(self, token: str) -> tuple[Game, Key] | None:
        folded = {known.casefold(): owner for known, owner in self.world.tokens.items()}
        return folded.get(token.casefold())


@kit.medium("auth-revoked-works", "AUTH-2")
class RevokedWorks(Auth):
    """A revoked key is still good."""

    def identify(self, headers: Headers) -> tuple[Game, Key]:
        found = self.find(headers.get("authorization", "").removeprefix("Bearer "))
        return found if found and found[1].revoked else super().identify(headers)


@kit.obvious("auth-session-code", "AUTH-2.code")
@kit.change_error
def session_code(error: ApiError) -> None:
    """The 401 for an unknown token has the code for a missing token."""
    error.code = "unauthenticated" if error.status == 401 else error.code


class AnyPermission(Auth):
    """Leaves the permission set to others."""

    def check_permission(self, key: Key) -> None:
        """Nothing is refused here."""


@kit.medium("auth-client-reads", "AUTH-3 AUTH-3.code", parts=(AnyPermission,))
class ClientReads(Server):
    """A client key may read players, since only writes look at the permission set."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        if operation.method == "POST" or "externalId" not in call.path:
            Auth(self.auth.world).check_permission(call.key)
        return super().alone(operation, services, call)


@kit.subtle("auth-permission-late", "AUTH-4", parts=(AnyPermission,))
class PermissionLate(Server):
    """The permission set is looked at when the operation is already done."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        try:
            return super().alone(operation, services, call)
        finally:
            Auth(self.auth.world).check_permission(call.key)


@kit.subtle("auth-player-before-auth", "AUTH-4 GRANT-7 ERR-4")
class PlayerBeforeAuth(Server):
    """The player of a write is made before the key is looked at."""

    async def answer(self, operation: Operation, request: Request) -> Response:
        writes = operation.method == "POST" and operation.path.count("{") == 1
        if writes and "externalId" in request.path_params and "grants" in operation.path:
            state = next(iter(self.services.values())).state
            with suppress(ApiError):
                state.ensure(self.decode(request.path_params["externalId"]))
        return await super().answer(operation, request)


@kit.medium("auth-body-first", "AUTH-5")
class BodyFirst(Server):
    """The body is parsed before the credentials are judged."""

    async def answer(self, operation: Operation, request: Request) -> Response:
        body = await request.body()
        try:
            json.loads(body or b"null")
        except (ValueError, RecursionError):
            return self.refuse(invalid("$", "not JSON"), {})
        return await super().answer(operation, request)


@kit.medium("auth-token-echoed", "AUTH-6")
class TokenEchoed(Auth):
    """The 401 tells which token is not valid."""

    def identify(self, headers: Headers) -> tuple[Game, Key]:
        try:
            return super().identify(headers)
        except ApiError as error:
            error.message += ": " + headers.get("authorization", "none")
            raise


@kit.subtle("auth-lobby-of-all", "AUTH-7")
class LobbyOfAll(Server):
    """A lobby is found by its id, whichever game the key belongs to."""

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
    """An erasure takes the external id out of every game."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        reply = super().alone(operation, services, call)
        if operation.path.endswith("/delete"):
            for other in self.services.values():
                other.state.players.pop(call.path["externalId"], None)
        return reply


@kit.medium("auth-game-of-path", "LOBBY-4 AUTH-7")
class GameOfPath(Server):
    """A lobby is opened in whichever game the path names."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        found = self.services.get(call.path["gameId"]) if "eventKey" in call.path else None
        return super().alone(operation, found or services, call)

"""The HTTP side: routes on the raw path, credentials, budget, body, envelope."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import unquote_to_bytes

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from .errors import ApiError, invalid
from .operations import OPERATIONS, Call, Operation
from .replies import Reply
from .services import Parts, Services
from .world import World

log = logging.getLogger(__name__)
BASE_PATH = "/server/v1"
BODY_HEADERS = frozenset([b"content-length", b"transfer-encoding"])
"""A request with none of them has no body (RFC 9112, section 6.3)."""
MAX_BODY = 32 * 1024 * 1024
"""In bytes; more than a full import batch needs."""


@dataclass(frozen=True)
class Settings:
    """The configuration of a server.

    `window` is the length of a rate window in seconds. With `threads`, operations run on a
    thread pool, as a server with real parallelism would run them; the answers are the same.
    `parts` and `server` are the classes of the families and of the HTTP side.
    """

    window: int = 60
    threads: bool = False
    parts: Parts = field(default_factory=Parts)
    server: type["Server"] | None = None


class Server:
    """Takes a request through credentials, budget and body to its operation."""

    def __init__(self, world: World, settings: Settings) -> None:
        self.settings = settings
        self.auth = settings.parts.auth(world)
        self.budget = settings.parts.budget(settings.window)
        ids = frozenset(game.id for game in world.games)
        self.services = {
            game.id: Services(
                settings.parts, settings.parts.state(game, other_games=ids - {game.id})
            )
            for game in world.games
        }

    async def answer(self, operation: Operation, request: Request) -> Response:
        """Answer one request; every refusal has the envelope (ERR-1)."""
        headers: dict[str, str] = {}
        try:
            game, key = self.auth.identify(request.headers)
            spent = self.budget.spend(key)
            headers = spent.headers
            self.auth.check_permission(key)
            if operation.limited:
                self.budget.check(spent)
            path = {name: self.decode(value) for name, value in request.path_params.items()}
            query = request.query_params if request.scope["query_string"] else {}
            call = Call(game, key, path, query, await body_of(request))
            reply = await self.run(operation, self.services[game.id], call)
        except ApiError as error:
            return self.refuse(error, headers)
        except ClientDisconnect:
            return self.refuse(invalid("$", "the body was cut off"), headers)
        except Exception:
            log.exception("an operation failed")
            return self.refuse(ApiError(500, "internal_error", "Something went wrong"), headers)
        return self.accept(reply, headers)

    def decode(self, segment: str) -> str:
        """Percent-decode a path segment once (HTTP-4); ApiError 400 if it is not UTF-8."""
        try:
            return unquote_to_bytes(segment.encode("latin-1")).decode("utf-8")
        except UnicodeDecodeError:
            raise invalid("path", "not UTF-8") from None

    async def run(self, operation: Operation, services: Services, call: Call) -> Reply:
        """Run the operation, alone in its game."""
        if self.settings.threads:
            return await run_in_threadpool(self.alone, operation, services, call)
        return self.alone(operation, services, call)

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        """Run the operation with the game's lock, so that it is atomic."""
        with services.state.lock:
            return operation.answer(services, call)

    def accept(self, reply: Reply, headers: Mapping[str, str]) -> Response:
        """The answer of an operation, as JSON."""
        return as_json(reply.status, reply.body(), headers)

    def refuse(self, error: ApiError, headers: Mapping[str, str]) -> Response:
        """The error envelope."""
        return as_json(error.status, error.envelope(), {**headers, **error.headers})

    async def lost(self, _: Request, error: Exception) -> Response:
        """404 for unknown paths and 405 for unknown methods, in the envelope (HTTP-3)."""
        assert isinstance(error, HTTPException)
        code = "not_found" if error.status_code == 404 else "method_not_allowed"
        return self.refuse(ApiError(error.status_code, code, error.detail), error.headers or {})


async def body_of(request: Request) -> bytes:
    """The whole body; ApiError 413 for one that is too large."""
    if not BODY_HEADERS.intersection(name for name, _ in request.scope["headers"]):
        return b""
    chunks = bytearray()
    async for chunk in request.stream():
        chunks += chunk
        if len(chunks) > MAX_BODY:
            raise ApiError(413, "validation_failed", f"The body exceeds {MAX_BODY} bytes")
    return bytes(chunks)


def as_json(status: int, body: object, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON response."""
    content = msgspec.json.encode(body)
    response = Response(status_code=status)
    response.body = content
    # Starlette would encode each header again.
    response.raw_headers = [
        *((name.lower().encode(), value.encode()) for name, value in (headers or {}).items()),
        (b"content-length", str(len(content)).encode()),
        (b"content-type", b"application/json"),
    ]
    return response


class Application:
    """The ASGI application: finds the operation of a request and hands it to the server.

    It uses Starlette's routes without its middleware, which takes as long as an operation.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        routes = [
            Route(BASE_PATH + one.path, partial(server.answer, one), methods=[one.method])
            for one in OPERATIONS
        ]
        self.router = Router(routes, redirect_slashes=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Route on the raw path: an encoded slash stays in its segment (HTTP-4)."""
        sent = {**scope, "path": scope["raw_path"].decode("latin-1"), "app": self}
        try:
            await self.router(sent, receive, send)
        except HTTPException as error:
            response = await self.server.lost(Request(sent, receive), error)
            await response(sent, receive, send)


def create_app(world: World, settings: Settings | None = None) -> Application:
    """The ASGI application of a reference server over `world`."""
    settings = settings or Settings()
    return Application((settings.server or Server)(world, settings))

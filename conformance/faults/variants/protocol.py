"""Servers that use HTTP in other ways: connections, codings, headers, pace."""

import asyncio
import gzip
import itertools
import uuid
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from conformance.faults.variants.registration import variant
from conformance.reference.app import Server, as_json
from conformance.reference.errors import ApiError
from conformance.reference.operations import Operation

PIECES = 3


class Changed(Response):
    """A response that is sent in another way than the one it copies."""

    def __init__(self, original: Response) -> None:
        super().__init__(status_code=original.status_code)
        self.body = original.body
        self.raw_headers = original.raw_headers


class Chunked(Changed):
    """A response without Content-Length, in several pieces."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the body piece by piece."""
        headers = [pair for pair in self.raw_headers if pair[0].lower() != b"content-length"]
        start = {"type": "http.response.start", "status": self.status_code, "headers": headers}
        await send(start)
        size = len(self.body) // PIECES + 1
        for begin in range(0, len(self.body), size):
            piece = bytes(self.body[begin : begin + size])
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


@variant("chunked-answers")
class ChunkedAnswers(Server):
    """How the end of an answer is marked: by chunks, without Content-Length."""

    async def answer(self, operation: Operation, request: Request) -> Response:
        return Chunked(await super().answer(operation, request))


@variant("zipped-answers")
class ZippedAnswers(Server):
    """The coding of an answer: is gzip where the request accepts it."""

    async def answer(self, operation: Operation, request: Request) -> Response:
        response = await super().answer(operation, request)
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return response
        zipped = Changed(response)
        zipped.body = gzip.compress(bytes(response.body))
        zipped.raw_headers = [
            *(pair for pair in response.raw_headers if pair[0].lower() != b"content-length"),
            (b"content-length", str(len(zipped.body)).encode()),
            (b"content-encoding", b"gzip"),
            (b"vary", b"Accept-Encoding"),
        ]
        return zipped


@variant("closed-connections")
class ClosedConnections(Server):
    """Whether a connection stays open: it is closed after every answer."""

    async def answer(self, operation: Operation, request: Request) -> Response:
        response = await super().answer(operation, request)
        response.raw_headers.append((b"connection", b"close"))
        return response


@variant("loud-headers")
class LoudHeaders(Server):
    """The letters of header names and of the media type: are large ones, with a charset."""

    async def answer(self, operation: Operation, request: Request) -> Response:
        response = await super().answer(operation, request)
        kind = (b"CONTENT-TYPE", b'Application/JSON; Charset="UTF-8"')
        others = [pair for pair in response.raw_headers if pair[0].lower() != b"content-type"]
        response.raw_headers = [*((name.upper(), value) for name, value in others), kind]
        return response


@variant("edge-headers")
class EdgeHeaders(Server):
    """Headers that nobody names: are those of a CDN, and a Retry-After on refusals."""

    async def answer(self, operation: Operation, request: Request) -> Response:
        response = await super().answer(operation, request)
        id = uuid.uuid4().hex.encode()
        response.raw_headers += [
            (b"server", b"edge"),
            (b"via", b"1.1 varnish, 1.1 edge-7"),
            (b"etag", b'W/"' + id + b'"'),
            (b"last-modified", b"Tue, 03 Jan 2023 10:00:00 GMT"),
            (b"cache-control", b"private, no-store"),
            (b"strict-transport-security", b"max-age=63072000"),
            (b"set-cookie", b"edge=" + id + b"; Path=/; HttpOnly"),
            (b"set-cookie", b"node=7; Path=/"),
            (b"x-request-id", id),
            (b"deprecation", b"@1688169599"),
            (b"link", b'</docs>; rel="help"'),
        ]
        if 400 <= response.status_code < 429:
            response.raw_headers.append((b"retry-after", b"1"))
        return response


@variant("uneven-answers")
class UnevenAnswers(Server):
    """The time that an answer takes: now and then the twentieth part of a second."""

    turns = itertools.count()

    async def answer(self, operation: Operation, request: Request) -> Response:
        if next(self.turns) % 50 == 0:
            await asyncio.sleep(0.05)
        return await super().answer(operation, request)


@variant("foreign-messages")
class ForeignMessages(Server):
    """Messages, and the details of an error: are in another language, a text, a number or null."""

    turns = itertools.count()

    def refuse(self, error: ApiError, headers: Mapping[str, str]) -> Response:
        details: tuple[Any, ...] = ("\u8aad\u3081\u307e\u305b\u3093", 7, None, {"en": "no"}, [])
        body = {
            "error": {
                "message": "\u8981\u6c42\u304c\u6b63\u3057\u304f\u3042\u308a\u307e\u305b\u3093",
                "details": details[next(self.turns) % len(details)],
                "code": error.code,
                "requestId": uuid.uuid4().hex,
            },
            "data": None,
            "ok": False,
        }
        return as_json(error.status, body, {**headers, **error.headers})


@variant("length-required")
class LengthRequired(Server):
    """A body in chunks: is refused with 411, as HTTP allows."""

    async def answer(self, operation: Operation, request: Request) -> Response:
        if "transfer-encoding" in request.headers:
            error = ApiError(411, "validation_failed", "The length of the body is missing")
            return self.refuse(error, {})
        return await super().answer(operation, request)


@variant("odd-queries-refused")
class OddQueriesRefused(Server):
    """A query that the operation does not have, or that is none: is refused with 400."""

    async def answer(self, operation: Operation, request: Request) -> Response:
        known = {"limit"} if operation.id == "getPlayer" else set()
        odd = set(request.query_params) - known or "%" in request.url.query
        if odd and "authorization" in request.headers:
            return self.refuse(ApiError(400, "validation_failed", "The query is odd"), {})
        return await super().answer(operation, request)

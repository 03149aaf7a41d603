"""Simultaneous requests.

Threads of a client are released one after another and reach a server milliseconds apart, which
hides a gap between check and write. Here every request is sent up to its last byte on a
connection of its own, and then the last bytes go out in one tight loop: the server completes all
requests within a fraction of a millisecond.
"""

import http.client
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack
from urllib.parse import urlsplit

import httpx

from conformance.bounds import (
    DEADLINE_SECONDS,
    IDLE_SECONDS,
    MOST_BYTES,
    BoundedSocket,
    TooLongError,
)
from conformance.exchange import Exchange, Request, Response

SIMULTANEOUS = 16
"""How many requests a concurrency scenario sends at once."""
ROUNDS = 3
"""How often it does so."""


def fire(base_url: str, requests: Sequence[Request]) -> list[Exchange]:
    """Send all requests at once; the exchanges in the order of the requests.

    An exchange has an error instead of a response where the path failed. Its interval, from
    `started` over `seconds`, begins before its last byte was sent and ends after its answer was
    read: never shorter than the truth.
    """
    with ExitStack() as closing:
        connections = [_connected(base_url, request, closing) for request in requests]
        started, clock = time.time(), time.perf_counter()
        for connection, request in zip(connections, requests, strict=True):
            if isinstance(connection, http.client.HTTPConnection):
                _release(connection, request)
        return [
            _read(connection, request, started, clock)
            for connection, request in zip(connections, requests, strict=True)
        ]


def _connected(
    base_url: str, request: Request, closing: ExitStack
) -> http.client.HTTPConnection | str:
    """A connection that has sent all of the request but its last byte, or what went wrong."""
    try:
        connection = _open(base_url)
        closing.callback(connection.close)
        connection.sock.sendall(_raw(base_url, request)[:-1])
    except OSError as error:
        return f"{type(error).__name__}: {error}"
    return connection


def _open(base_url: str) -> http.client.HTTPConnection:
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = httpx.create_ssl_context()
        connection = http.client.HTTPSConnection(
            host, parts.port, timeout=IDLE_SECONDS, context=context
        )
    else:
        connection = http.client.HTTPConnection(host, parts.port, timeout=IDLE_SECONDS)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _raw(base_url: str, request: Request) -> bytes:
    """The request as HTTP/1.1 has it."""
    headers = [("Host", urlsplit(base_url).netloc), *request.headers, ("Connection", "close")]
    if request.body or request.method == "POST":
        headers.append(("Content-Length", str(len(request.body))))
    prefix = urlsplit(base_url).path
    lines = [f"{request.method} {prefix}{request.target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode("utf-8") + request.body


def _release(connection: http.client.HTTPConnection, request: Request) -> None:
    last = request.body[-1:] or b"\n"
    try:
        connection.sock.sendall(last)
    except OSError:
        return  # reading the answer tells


def _read(
    connection: http.client.HTTPConnection | str, request: Request, started: float, clock: float
) -> Exchange:
    response, error = None, None
    if isinstance(connection, str):
        error = connection
    else:
        try:
            bounded = BoundedSocket(connection.sock, clock + DEADLINE_SECONDS)
            answer = http.client.HTTPResponse(bounded, method=request.method)  # type: ignore[arg-type]
            answer.begin()
            headers = tuple(answer.getheaders())
            response = Response(answer.status, headers, _body(answer))
        except (OSError, http.client.HTTPException, TooLongError) as failure:
            error = f"{type(failure).__name__}: {failure}"
    return Exchange(request, response, error, started, time.perf_counter() - clock)


def _body(answer: http.client.HTTPResponse) -> bytes:
    body = answer.read(MOST_BYTES + 1)
    if len(body) > MOST_BYTES:
        raise TooLongError
    if answer.length:
        raise http.client.IncompleteRead(body, answer.length)
    return body

"""Connections to the server: one for each exchange at a time, kept for the next where they can be.

Python's own `http.client` reads the answers, inside the limits of `bounds`. It costs a third of
what the connection pool of httpx does, and lets the suite hold a request's last byte back.
"""

import http.client
import io
import select
import socket
import time
from base64 import b64encode
from collections import deque
from dataclasses import dataclass
from functools import cache
from ssl import SSLContext
from typing import cast
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from conformance.bounds import MOST_BYTES, BoundedReader, Deadline, TooLongError

KEEP_ALIVE_SECONDS = 2.0
"""Shorter than servers keep an idle connection, so that none is dropped under a request."""
HERE = ("127.0.0.1", "localhost", "::1")
"""This machine itself, to which no proxy leads."""
FIRST_FINAL = 200
"""Smaller statuses only announce the answer (RFC 9110, section 15.2)."""


@dataclass(frozen=True)
class Answered:
    """An answer as it came, its body still in its content coding; may another exchange follow?"""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    may_go_on: bool

    def as_httpx(self) -> httpx.Response:
        """The answer as httpx has it, to be read with `iter_raw`."""
        pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in self.headers]
        return httpx.Response(self.status, headers=pairs, stream=httpx.ByteStream(self.body))


@dataclass(frozen=True)
class Route:
    """How a server is reached: the URL of a forward proxy, if there is one on the way."""

    scheme: str
    host: str
    port: int
    proxy: str | None = None

    @property
    def is_relayed(self) -> bool:
        """Whether a proxy reads the requests: then they name the whole URL."""
        return self.proxy is not None and self.scheme == "http"

    @property
    def proxy_credentials(self) -> dict[str, str]:
        """What the proxy wants to know, as the URL of the proxy has it."""
        parts = urlsplit(self.proxy or "")
        if not parts.username:
            return {}
        known = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        return {"Proxy-Authorization": f"Basic {b64encode(known.encode()).decode()}"}


def route_to(base_url: str) -> Route:
    """The way to a server, over the proxy that the environment asks for."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    direct = host in HERE or proxy_bypass(host)
    return Route(parts.scheme, host, port, None if direct else getproxies().get(parts.scheme))


class Connection:
    """A connection that carries one exchange after the other.

    OSError and `http.client.HTTPException` where the path, or HTTP on it, fails.
    """

    def __init__(self, route: Route, deadline: Deadline) -> None:
        self.socket = _connected(route, deadline.left())
        self.used = 0.0

    def send(self, data: bytes, deadline: Deadline) -> None:
        """Send all of the data."""
        self.socket.settimeout(deadline.left())
        self.socket.sendall(data)

    def receive(self, method: str, deadline: Deadline) -> Answered:
        """The answer to a request of this method."""
        reader = _Reader(self.socket, deadline)
        answer = _final(reader, method)
        if answer.headers.defects:
            raise http.client.HTTPException(f"broken headers: {answer.headers.defects[0]!r}")
        body = answer.read(MOST_BYTES + 1)
        if len(body) > MOST_BYTES:
            raise TooLongError
        if answer.length:
            raise http.client.IncompleteRead(body, answer.length)
        return Answered(answer.status, answer.getheaders(), body, not answer.will_close)

    @property
    def is_usable(self) -> bool:
        """Whether the server still waits for a request: it has said nothing since, nor hung up."""
        fresh = time.monotonic() - self.used < KEEP_ALIVE_SECONDS
        return fresh and not select.select([self.socket], [], [], 0)[0]

    def close(self) -> None:
        """Hang up."""
        self.socket.close()


class _Reader:
    """What `http.client` reads an answer from, in place of a socket."""

    def __init__(self, connection: socket.socket, deadline: Deadline) -> None:
        self._file = io.BufferedReader(BoundedReader(connection, deadline))

    def makefile(self, _mode: str) -> "io.BufferedReader[BoundedReader]":
        """The same each time, for an announced answer is followed by another."""
        return self._file


def _final(reader: _Reader, method: str) -> http.client.HTTPResponse:
    """The answer behind those that only announce it."""
    while True:
        answer = http.client.HTTPResponse(cast("socket.socket", reader), method=method)
        answer.begin()
        if answer.status >= FIRST_FINAL:
            return answer
        answer.fp = None  # type: ignore[assignment]  # it would close the reader of the next


def _connected(route: Route, timeout: float) -> socket.socket:
    parts = urlsplit(route.proxy) if route.proxy else None
    host, port = (parts.hostname or "", parts.port or 80) if parts else (route.host, route.port)
    if route.scheme == "https":
        opening: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, port, timeout=timeout, context=ssl_context()
        )
        if parts:
            opening.set_tunnel(route.host, route.port, route.proxy_credentials)
    else:
        opening = http.client.HTTPConnection(host, port, timeout=timeout)
    opening.connect()
    connected: socket.socket = opening.sock
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connected


@cache
def ssl_context() -> SSLContext:
    """The certificates that are trusted; reading them takes longer than many exchanges."""
    context = httpx.create_ssl_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def written(request: httpx.Request, route: Route) -> bytes:
    """A request as HTTP/1.1 writes it; `target` among its extensions is sent as it is."""
    target: bytes = request.extensions["target"]
    if route.is_relayed:
        target = str(request.url.copy_with(raw_path=target)).encode("ascii")
    lines = [b"%s %s HTTP/1.1" % (request.method.encode("ascii"), target)]
    lines += [b"%s: %s" % pair for pair in request.headers.raw]
    if route.is_relayed:
        lines += [f"{name}: {value}".encode() for name, value in route.proxy_credentials.items()]
    if any(b"\r" in line or b"\n" in line for line in lines):
        raise ValueError("a line of a request breaks in its middle")
    return b"\r\n".join([*lines, b"", request.read()])


class Transport(httpx.BaseTransport):
    """httpx' way to one server: keeps connections from one exchange to the next, for any thread.

    `idle` is how long nothing at all may come, in seconds; `kept` are the connections that wait for
    their next request.
    """

    def __init__(self, route: Route, idle: float) -> None:
        self.route = route
        self.idle = idle
        self.kept: deque[Connection] = deque()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and read its answer.

        OSError, `http.client.HTTPException` and TooLongError where the path fails.
        """
        deadline = Deadline(self.idle)
        connection = self._usable() or Connection(self.route, deadline)
        try:
            connection.send(written(request, self.route), deadline)
            answered = connection.receive(request.method, deadline)
        except BaseException:
            connection.close()
            raise
        if answered.may_go_on:
            connection.used = time.monotonic()
            self.kept.append(connection)
        else:
            connection.close()
        return answered.as_httpx()

    def _usable(self) -> Connection | None:
        """The connection that was used last, if the server still has it."""
        while True:
            try:
                connection = self.kept.pop()
            except IndexError:
                return None
            if connection.is_usable:
                return connection
            connection.close()

    def close(self) -> None:
        """Hang up all connections."""
        while self.kept:
            self.kept.pop().close()

"""Connections to the server: one for each exchange at a time, kept for the next where they can be.

Only what the suite needs, which costs a third of httpx' own pool and lets a request's last byte
be held back. `messages` are what they carry.
"""

import select
import socket
import time
from base64 import b64encode
from collections import deque
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import cache
from ssl import SSLContext
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from conformance.failures import UsageError
from conformance.http.limits import Deadline, TooLongError
from conformance.http.messages import Reading, written

KEEP_ALIVE_SECONDS = 2.0
"""Shorter than servers keep an idle connection, so that none is dropped under a request."""
HERE = ("127.0.0.1", "localhost", "::1")
"""This machine itself, to which no proxy leads."""
CHUNK = 65_536
FAILURES = (OSError, httpx.ProtocolError, TooLongError)
"""What is raised where the path, or HTTP on it, fails."""
HUNG_UP = (BrokenPipeError, ConnectionResetError)
"""A server may refuse a large body before it has read it all, and hang up (RFC 9110, section
15.5.14): the request cannot be sent to its end, and yet there is an answer."""


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
    def proxy_headers(self) -> list[tuple[bytes, bytes]]:
        """What the proxy wants to know, as the URL of the proxy has it."""
        parts = urlsplit(self.proxy or "")
        if not parts.username:
            return []
        known = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        return [(b"Proxy-Authorization", b"Basic " + b64encode(known.encode()))]


def route_to(base_url: str) -> Route:
    """The way to a server, over the proxy that the environment asks for.

    UsageError for a proxy that is not spoken to in plain HTTP.
    """
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    direct = host in HERE or proxy_bypass(host)
    proxy = None if direct else getproxies().get(parts.scheme)
    if proxy and "://" not in proxy:
        proxy = f"http://{proxy}"
    if proxy and urlsplit(proxy).scheme != "http":
        raise UsageError(
            f"the environment's proxy for {parts.scheme} has a URL that does not begin with "
            "http://, and no other is supported"
        )
    return Route(parts.scheme, host, port, proxy)


class Connection:
    """A connection that carries one exchange after the other; it raises `FAILURES`."""

    def __init__(self, route: Route, deadline: Deadline) -> None:
        self.route = route
        self.socket = _connected(route, deadline)
        self.used = 0.0

    def written(self, request: httpx.Request) -> bytes:
        """The request as HTTP/1.1 has it; its extension `target` is sent as it is."""
        target: bytes = request.extensions["target"]
        headers = request.headers.raw
        if self.route.is_relayed:
            target = str(request.url.copy_with(raw_path=target)).encode("ascii")
            headers = [*headers, *self.route.proxy_headers]
        return written(request.method, target, headers, request.read())

    def send(self, data: bytes, deadline: Deadline) -> None:
        """Send all of the data."""
        _send(self.socket, data, deadline)

    def receive(self, method: str, deadline: Deadline) -> Reading:
        """The answer to the request, which was sent by `method`."""
        answer = _received(self.socket, method, deadline)
        self.used = time.monotonic()
        return answer

    @property
    def is_usable(self) -> bool:
        """Whether the server still waits for a request: it has said nothing since, nor hung up."""
        fresh = time.monotonic() - self.used < KEEP_ALIVE_SECONDS
        return fresh and not _has_news(self.socket)

    def close(self) -> None:
        """Hang up."""
        self.socket.close()


def _send(connection: socket.socket, data: bytes, deadline: Deadline) -> None:
    left = memoryview(data)
    while left:
        connection.settimeout(deadline.left())
        left = left[connection.send(left) :]


def _received(connection: socket.socket, method: str, deadline: Deadline) -> Reading:
    with closing(Reading(method)) as answer:
        while not answer.is_over:
            data = _more(connection, deadline)
            if data:
                answer.take(data)
            else:
                answer.hang_up()
    return answer


def _more(connection: socket.socket, deadline: Deadline) -> bytes:
    left = deadline.left()
    connection.settimeout(left)
    try:
        return connection.recv(CHUNK)
    except TimeoutError:
        raise TimeoutError(f"nothing came for {left:.1f} s") from None


def _has_news(connection: socket.socket) -> bool:
    if hasattr(select, "poll"):  # `select` knows no file descriptors above 1023
        poll = select.poll()
        poll.register(connection, select.POLLIN)
        return bool(poll.poll(0))
    return bool(select.select([connection], [], [], 0)[0])


def _connected(route: Route, deadline: Deadline) -> socket.socket:
    proxy = urlsplit(route.proxy) if route.proxy else None
    place = (proxy.hostname or "", proxy.port or 80) if proxy else (route.host, route.port)
    connected = socket.create_connection(place, timeout=deadline.left())
    try:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if route.scheme != "https":
            return connected
        if proxy:
            _open_tunnel(connected, route, deadline)
        connected.settimeout(deadline.left())
        return ssl_context().wrap_socket(connected, server_hostname=route.host)
    except BaseException:
        connected.close()
        raise


def _open_tunnel(connected: socket.socket, route: Route, deadline: Deadline) -> None:
    """Ask the proxy to pass on whatever comes; OSError where it does not."""
    host = f"[{route.host}]" if ":" in route.host else route.host
    target = f"{host}:{route.port}".encode("ascii")
    asked = written("CONNECT", target, [(b"Host", target), *route.proxy_headers])
    _send(connected, asked, deadline)
    status = _received(connected, "CONNECT", deadline).status
    if not httpx.codes.is_success(status):
        raise OSError(f"the proxy does not lead there: it answers {status}")


@cache
def ssl_context() -> SSLContext:
    """The certificates that are trusted; reading them takes longer than many exchanges."""
    context = httpx.create_ssl_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


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
        """Send a request and read its answer; `FAILURES` where that fails."""
        deadline = Deadline(self.idle)
        connection = self._usable() or Connection(self.route, deadline)
        try:
            with suppress(*HUNG_UP):
                connection.send(connection.written(request), deadline)
            answer = connection.receive(request.method, deadline)
        except BaseException:
            connection.close()
            raise
        if answer.keeps:
            self.kept.append(connection)
        else:
            connection.close()
        return answer.response

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

"""The way to one server: httpcore's connections, within limits, and through the proxy if any.

httpx opens certificates and knows what `SSL_CERT_FILE` means; httpcore keeps connections, speaks
HTTP and to proxies. `network` adds what they lack.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache, partial
from ssl import SSLContext
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx

from conformance.failures import UsageError
from conformance.http.exchange import Exchange, Headers, Request, Response, header
from conformance.http.last_byte_sync import LastByteSync, Turn
from conformance.http.limits import IDLE_SECONDS, BadCodingError, TooLongError, decoded
from conformance.http.network import ExchangeMeter, MeteredBackend, MeteredStream, metered

KEEP_ALIVE_SECONDS = 2.0
"""Shorter than servers keep an idle connection, so that none is dropped under a request."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""This machine itself, to which no proxy leads."""
FAILURES = (
    OSError,
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    TooLongError,
    BadCodingError,
)
"""What is raised where the path, or HTTP on it, fails."""
PROXY_SCHEMES = ("http", "https")


class Transport:
    """Sends requests to one server; any thread may. `idle` is in seconds, as in `limits`.

    UsageError for a proxy in the environment that cannot be used.
    """

    def __init__(
        self, base_url: str, usual_headers: Headers = (), idle: float = IDLE_SECONDS
    ) -> None:
        parts = urlsplit(base_url)
        self._origin = (parts.scheme.encode(), (parts.hostname or "").encode(), parts.port)
        self._prefix = parts.path
        self._usual_headers = usual_headers
        self._idle = idle
        self._proxy = proxy_to(base_url)
        self._pool = self._new_pool()

    def _new_pool(self) -> httpcore.ConnectionPool:
        return httpcore.ConnectionPool(
            ssl_context=ssl_context() if self._origin[0] == b"https" else None,
            proxy=self._proxy,
            max_connections=None,
            keepalive_expiry=KEEP_ALIVE_SECONDS,
            network_backend=MeteredBackend(),
        )

    def send(self, request: Request) -> Exchange:
        """Send once. An `Exchange` with an error instead of a response where the path failed."""
        started, clock = time.time(), time.perf_counter()
        outcome = self._outcome(self._pool, request, None)
        return Exchange(request, *outcome, started, time.perf_counter() - clock)

    def send_simultaneously(self, requests: Sequence[Request]) -> list[Exchange]:
        """Send all at the same moment, each on a connection of its own.

        The interval of an exchange begins before any last byte is sent, and ends when its response
        is read: it is never shorter than the truth.
        """
        sync = LastByteSync(len(requests))
        with ThreadPoolExecutor(len(requests)) as threads:
            return list(threads.map(partial(self._send_in_turn, sync), requests))

    def _send_in_turn(self, sync: LastByteSync, request: Request) -> Exchange:
        turn = sync.turn()
        with self._new_pool() as pool:
            outcome = self._outcome(pool, request, turn)
        ended = time.perf_counter()
        turn.skip()
        return Exchange(request, *outcome, sync.started, ended - sync.clock)

    def _outcome(
        self, pool: httpcore.ConnectionPool, request: Request, turn: Turn | None
    ) -> tuple[Response | None, str | None]:
        """The response, or why there is none."""
        try:
            with metered(ExchangeMeter(self._idle, turn)) as meter:
                return self._response(pool, request, meter), None
        except FAILURES as error:
            return None, f"{type(error).__name__}: {error}"

    def _response(
        self, pool: httpcore.ConnectionPool, request: Request, meter: ExchangeMeter
    ) -> Response:
        target = (self._prefix + request.target).encode("ascii")
        body = bytearray()
        with pool.stream(
            request.method,
            httpcore.URL(
                scheme=self._origin[0], host=self._origin[1], port=self._origin[2], target=target
            ),
            headers=_encoded((*self._usual_headers, *request.headers, *_length_of(request))),
            content=request.body or None,
            extensions={"trace": meter.turn.trace} if meter.turn is not None else {},
        ) as response:
            for part in response.iter_stream():
                meter.add_body(len(part))
                body += part
            stream = response.extensions["network_stream"]
            if isinstance(stream, MeteredStream):
                stream.is_spoilt = meter.has_surplus(request.method, bytes(body))
        headers = tuple((n.decode("latin-1"), v.decode("latin-1")) for n, v in response.headers)
        coding = header(headers, "content-encoding")
        return Response(response.status, headers, decoded(bytes(body), coding))

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()


def _length_of(request: Request) -> Headers:
    """A request that may have a body says so when it has none (RFC 9110, section 8.6)."""
    return () if request.body or request.method == "GET" else (("Content-Length", "0"),)


@lru_cache(256)
def _encoded(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Headers as httpcore wants them; a client sends the same few again and again."""
    return [(name.encode(), value.encode()) for name, value in headers]


def proxy_to(base_url: str) -> httpcore.Proxy | None:
    """The proxy on the way to a server, as the environment asks for it.

    UsageError for one that is not spoken to in HTTP.
    """
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    url = None if host in LOOPBACK or proxy_bypass(host) else getproxies().get(parts.scheme)
    if not url:
        return None
    proxy = urlsplit(url if "://" in url else f"http://{url}")
    if proxy.scheme not in PROXY_SCHEMES:
        raise UsageError(
            f"the environment's proxy for {parts.scheme} is not supported: "
            f"its URL must begin with {' or '.join(f'{s}://' for s in PROXY_SCHEMES)}"
        )
    user = (unquote(proxy.username), unquote(proxy.password or "")) if proxy.username else None
    place = httpcore.URL(
        scheme=proxy.scheme, host=proxy.hostname or "", port=proxy.port, target="/"
    )
    return httpcore.Proxy(place, auth=user)


@cache
def ssl_context() -> SSLContext:
    """The certificates that are trusted; reading them takes longer than many exchanges."""
    return httpx.create_ssl_context()

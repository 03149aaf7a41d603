"""The way to one server: httpcore's connections, within limits, and through the proxy if any.

httpx opens certificates and knows what `SSL_CERT_FILE` means; httpcore keeps connections, speaks
HTTP and to proxies. `network` adds what they lack.
"""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from ssl import SSLContext, SSLError
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx

from conformance.failures import UsageError
from conformance.http.early_response import WINDOW, EarlyResponse, EarlyResponseError
from conformance.http.exchange import Exchange, Headers, Request, Response, header
from conformance.http.last_byte_sync import HeldRequest, RequestHeldError, SentStream, release
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
PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")
Connection = httpcore.ConnectionPool | httpcore.HTTP11Connection | httpcore.HTTP2Connection
Outcome = tuple[Response | None, str | None]
"""A response, or why there is none."""


@dataclass(frozen=True)
class Connecting:
    """How to connect to a server.

    `ca` is a file of certificates that are trusted besides the usual ones, `client_cert` and
    `client_key` are files with what identifies the suite to the server (mTLS); PEM, all of them.
    `http2` speaks HTTP/2 and nothing else.
    """

    ca: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    http2: bool = False


USUALLY = Connecting()
"""With the certificates that this machine trusts, and HTTP/1.1."""


class Transport:
    """Sends requests to one server; any thread may. `idle` is in seconds, as in `limits`.

    UsageError for a proxy in the environment that cannot be used, or a certificate that cannot.
    """

    def __init__(
        self,
        base_url: str,
        usual_headers: Headers = (),
        idle: float = IDLE_SECONDS,
        connecting: Connecting = USUALLY,
    ) -> None:
        url = _url_of(base_url)
        self._origin = (url.raw_scheme, url.raw_host, url.port)
        self._prefix = url.raw_path.decode("ascii").rstrip("/")
        self._usual_headers = (("Host", url.netloc.decode("ascii")), *usual_headers)
        self._idle = idle
        self._proxy = proxy_to(base_url)
        self._ssl_context = ssl_context(connecting) if url.scheme == "https" else None
        self._http2 = connecting.http2
        self._pools: deque[httpcore.ConnectionPool] = deque()

    def _new_pool(self) -> httpcore.ConnectionPool:
        return httpcore.ConnectionPool(
            ssl_context=self._ssl_context,
            proxy=self._proxy,
            max_connections=None,
            keepalive_expiry=KEEP_ALIVE_SECONDS,
            http1=not self._http2,
            http2=self._http2,
            network_backend=MeteredBackend(),
        )

    @contextmanager
    def _pool(self) -> Iterator[httpcore.ConnectionPool]:
        """A pool that no other thread uses.

        Two exchanges on one connection of HTTP/2 would count for each other's limits.
        """
        try:
            pool = self._pools.pop()
        except IndexError:
            pool = self._new_pool()
        try:
            yield pool
        finally:
            self._pools.append(pool)

    def send(self, request: Request) -> Exchange:
        """Send once. An `Exchange` with an error instead of a response where the path failed."""
        started, clock = time.time(), time.perf_counter()
        if self._http2 and len(request.body) > WINDOW:
            with self._new_pool() as pool:
                outcome = self._outcome(pool, request, early=EarlyResponse())
        else:
            with self._pool() as pool:
                outcome = self._outcome(pool, request)
        return Exchange(request, *outcome, started, time.perf_counter() - clock)

    def send_simultaneously(self, requests: Sequence[Request]) -> list[Exchange]:
        """Send all at the same moment, each on a connection of its own.

        The interval of an exchange begins before any last byte is sent, and ends when its response
        is read: it is never shorter than the truth.
        """
        with ExitStack() as closing:
            held = [self._held(request, closing) for request in requests]
            started, clock = time.time(), time.perf_counter()
            with metered(ExchangeMeter(self._idle)) as all_of_them:
                release([each for each in held if isinstance(each, HeldRequest)])
            exchanges = []
            for request, each in zip(requests, held, strict=True):
                if isinstance(each, str):
                    outcome: Outcome = (None, each)
                else:
                    outcome = self._received(request, each, all_of_them.deadline)
                seconds = time.perf_counter() - clock
                exchanges.append(Exchange(request, *outcome, started, seconds))
            return exchanges

    def _held(self, request: Request, closing: ExitStack) -> HeldRequest | str:
        """The request, sent but for its last byte; or why it could not be sent."""
        held = HeldRequest()
        closing.callback(held.close)
        try:
            with metered(ExchangeMeter(self._idle, held)) as meter, self._new_pool() as pool:
                self._response(pool, request, meter)
        except RequestHeldError:
            return held
        except FAILURES as error:
            return described(error)
        raise AssertionError("a response came before the request was sent")

    def _received(self, request: Request, held: HeldRequest, deadline: float) -> Outcome:
        """The response to a request that is sent, or why there is none."""
        kind = httpcore.HTTP2Connection if self._http2 else httpcore.HTTP11Connection
        connection = kind(self._url("").origin, SentStream(held))
        return self._outcome(connection, request, deadline)

    def _outcome(
        self,
        connection: Connection,
        request: Request,
        deadline: float | None = None,
        early: EarlyResponse | None = None,
    ) -> Outcome:
        """The response, or why there is none."""
        try:
            with metered(ExchangeMeter(self._idle, deadline=deadline, early=early)) as meter:
                return self._response(connection, request, meter), None
        except FAILURES as error:
            return None, described(error)

    def _response(
        self,
        connection: Connection,
        request: Request,
        meter: ExchangeMeter,
    ) -> Response:
        body, traced = bytearray(), meter.held or meter.early
        try:
            with connection.stream(
                request.method,
                self._url(request.target),
                headers=_encoded((*self._usual_headers, *request.headers, *_length_of(request))),
                content=request.body or None,
                extensions={"trace": traced.trace} if traced is not None else {},
            ) as response:
                for part in response.iter_stream():
                    meter.add_body(len(part))
                    body += part
                stream = response.extensions["network_stream"]
                if isinstance(stream, MeteredStream) and not self._http2:
                    stream.is_spoilt = meter.has_surplus(request.method, bytes(body))
            return _response_of(response.status, response.headers, body)
        except EarlyResponseError as early:
            return _response_of(early.status, early.headers, early.body)

    def _url(self, target: str) -> httpcore.URL:
        scheme, host, port = self._origin
        path = (self._prefix + target).encode("ascii")
        return httpcore.URL(scheme=scheme, host=host, port=port, target=path)

    def close(self) -> None:
        """Close all connections."""
        while self._pools:
            self._pools.pop().close()


def _response_of(status: int, fields: Sequence[tuple[bytes, bytes]], body: bytearray) -> Response:
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in fields)
    return Response(status, headers, decoded(bytes(body), header(headers, "content-encoding")))


def described(error: Exception) -> str:
    """A failure in words. The exception itself would keep all that was read until then."""
    return f"{type(error).__name__}: {error}"


def _length_of(request: Request) -> Headers:
    """A request that may have a body says so when it has none (RFC 9110, section 8.6)."""
    return () if request.body or request.method == "GET" else (("Content-Length", "0"),)


@lru_cache(256)
def _encoded(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Headers as httpcore wants them; a client sends the same few again and again."""
    return [(name.encode(), value.encode()) for name, value in headers]


def _url_of(base_url: str) -> httpx.URL:
    """The URL with its host as the network has it; UsageError for a host that is none."""
    try:
        return httpx.URL(base_url)
    except (httpx.InvalidURL, UnicodeError):
        raise UsageError(f"the base URL {base_url!r} has no valid host") from None


def proxy_to(base_url: str) -> httpcore.Proxy | None:
    """The proxy on the way to a server, as the environment asks for it.

    UsageError for one that is not spoken to in HTTP or SOCKS 5.
    """
    parts, proxies = urlsplit(base_url), getproxies()
    host = parts.hostname or ""
    bypass = host in LOOPBACK or proxy_bypass(host)
    url = None if bypass else proxies.get(parts.scheme) or proxies.get("all")
    if not url:
        return None
    proxy = urlsplit(url if "://" in url else f"http://{url}")
    if proxy.scheme not in PROXY_SCHEMES:
        raise UsageError(
            f"the environment's proxy for {parts.scheme} is not supported: "
            f"its URL must begin with {' or '.join(f'{s}://' for s in PROXY_SCHEMES)}"
        )
    if ":" in host:
        raise UsageError(f"the server's IPv6 address {host} cannot be reached through a proxy")
    user = None
    if proxy.username:
        user = (unquote(proxy.username).encode(), unquote(proxy.password or "").encode())
    place = httpcore.URL(
        scheme=proxy.scheme, host=proxy.hostname or "", port=proxy.port, target="/"
    )
    return httpcore.Proxy(place, auth=user)


@cache
def ssl_context(connecting: Connecting = USUALLY) -> SSLContext:
    """The certificates that are trusted, and the suite's own; reading them takes long.

    httpx takes the usual ones from `SSL_CERT_FILE` or `SSL_CERT_DIR` if these are set. UsageError
    for a file that cannot be used.
    """
    context = httpx.create_ssl_context()
    if connecting.ca:
        with _usable("CA file", connecting.ca):
            context.load_verify_locations(connecting.ca)
    if connecting.client_cert:
        with _usable("client certificate", connecting.client_cert, connecting.client_key):
            context.load_cert_chain(connecting.client_cert, connecting.client_key, _no_password)
    return context


@contextmanager
def _usable(what: str, *files: str | None) -> Iterator[None]:
    """UsageError where a file of certificates or keys cannot be read."""
    named = " and ".join(filter(None, files))
    try:
        yield
    except SSLError as error:
        reason = "wrong, or not PEM" if error.reason is None else error.reason.replace("_", " ")
        raise UsageError(f"cannot use the {what} {named}: {reason.lower()}") from None
    except OSError as error:
        raise UsageError(f"cannot read the {what} {named}: {error.strerror}") from None


def _no_password() -> str:
    """Nobody is asked for the password of an encrypted key."""
    return ""

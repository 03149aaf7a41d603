"""Bounds on one response, so that no server can hold the suite up or fill its memory (ERR-3).

Time-outs of HTTP clients run from byte to byte: a server that sends one a second never meets
them. Here a request has a deadline, whatever trickles in, and a body a greatest length.
"""

import io
import socket
import threading
import time
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import httpcore
import httpx

IDLE_SECONDS = 10.0
"""How long nothing at all may come."""
DEADLINE_SECONDS = 20.0
"""How long a whole exchange may take."""
MOST_BYTES = 32 * 2**20
"""How long a body may be, decoded."""
GZIP = 31
"""What zlib calls the only content coding that the suite asks for."""
CONNECTIONS = 64
KEEP_ALIVE_SECONDS = 2.0
"""Shorter than servers keep an idle connection, so that none is dropped under a request."""


class TooLongError(Exception):
    """A response is longer than anything that the API has to say."""

    def __init__(self) -> None:
        super().__init__(f"a body of more than {MOST_BYTES // 2**20} MiB, not read to its end")


class BadCodingError(Exception):
    """A body that its content coding does not fit."""


class Deadline:
    """The moment until which the exchange of the calling thread has to be over."""

    def __init__(self) -> None:
        self._of = threading.local()

    def begin(self) -> None:
        """An exchange begins."""
        self._of.end = time.monotonic() + DEADLINE_SECONDS

    def left(self, most: float | None) -> float:
        """Seconds that the next step may take; TimeoutError where none are left."""
        left: float = getattr(self._of, "end", time.monotonic() + DEADLINE_SECONDS)
        left -= time.monotonic()
        if left <= 0:
            raise TimeoutError(f"no whole answer in {DEADLINE_SECONDS:.0f} s")
        return left if most is None else min(left, most)


class _Stream(httpcore.NetworkStream):
    """A connection whose steps keep the deadline."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadline.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._deadline.left(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(self, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(*args, **kwargs), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.SyncBackend):
    """Opens connections that keep the deadline."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline

    def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        return _Stream(super().connect_tcp(*args, **kwargs), self._deadline)


class _Body(httpx.SyncByteStream):
    """The body of a response as httpx reads it."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        yield from self._chunks

    def close(self) -> None:
        self._chunks.close()  # type: ignore[attr-defined]


class BoundedTransport(httpx.BaseTransport):
    """httpx' way to a server, with deadlines; `proxy` is the URL of a forward proxy, if any."""

    def __init__(self, proxy: str | None) -> None:
        self.deadline = Deadline()
        settings: dict[str, Any] = {
            "ssl_context": httpx.create_ssl_context(),
            "max_connections": CONNECTIONS,
            "max_keepalive_connections": CONNECTIONS,
            "keepalive_expiry": KEEP_ALIVE_SECONDS,
            "network_backend": _Backend(self.deadline),
        }
        if proxy is None:
            self._pool = httpcore.ConnectionPool(**settings)
        else:
            self._pool = httpcore.HTTPProxy(proxy_url=proxy, **settings)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; httpcore's exceptions where the path fails."""
        self.deadline.begin()
        url = request.url
        sent = httpcore.Request(
            method=request.method,
            url=httpcore.URL(
                scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
            ),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        answer = self._pool.handle_request(sent)
        assert isinstance(answer.stream, Iterable)
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer.stream))

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()


def whole(response: httpx.Response) -> bytes:
    """The body, out of its coding.

    TooLongError where it has no end, BadCodingError where its coding is broken.
    """
    coding = response.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("", "identity", "gzip"):
        raise BadCodingError(f"content coding {coding!r}, which was not asked for")
    unpack = zlib.decompressobj(GZIP) if coding == "gzip" else None
    parts, left = [], MOST_BYTES
    for raw in response.iter_raw():
        try:
            part = unpack.decompress(raw, left + 1) if unpack else raw
        except zlib.error as error:
            raise BadCodingError(str(error)) from None
        left -= len(part)
        if left < 0:
            raise TooLongError
        parts.append(part)
    if unpack and parts and not unpack.eof:
        raise BadCodingError("gzip data that ends too early")
    return b"".join(parts)


class BoundedSocket:
    """What `http.client` reads a response from: a socket, until `end` of `perf_counter`."""

    def __init__(self, connection: socket.socket, end: float) -> None:
        self._connection = connection
        self._end = end

    def makefile(self, _mode: str) -> io.BufferedReader:
        """A reader that keeps the deadline."""
        return io.BufferedReader(_Raw(self._connection, self._end))


class _Raw(io.RawIOBase):
    def __init__(self, connection: socket.socket, end: float) -> None:
        self._connection = connection
        self._end = end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._end - time.perf_counter()
        if left <= 0:
            raise TimeoutError(f"no whole answer in {DEADLINE_SECONDS:.0f} s")
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)

"""Simultaneous requests, by holding their last bytes back.

Threads that are released one after another reach a server milliseconds apart, which hides a gap
between check and write. Here each request is sent up to its last byte on a connection of its own;
when all are, the last bytes leave in one tight loop. The server completes all requests within a
fraction of a millisecond.
"""

import ssl
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import httpcore

SIMULTANEOUS = 16
"""How many requests a concurrency scenario sends at once."""
ROUNDS = 3
"""How often it does so."""


class RequestHeldError(Exception):
    """A request is sent but for its last byte: its response cannot be read yet."""


class HeldRequest:
    """One request whose last byte is held back; `stream` is the connection, once there is one.

    `sent` counts its bytes, the last one included.
    """

    def __init__(self) -> None:
        self.stream: httpcore.NetworkStream | None = None
        self.is_sending = False
        self.sent = 0
        self._last_byte = b""

    def trace(self, event: str, info: dict[str, Any]) -> None:
        """Begin with the request itself, not with what opens a way through a proxy.

        This is httpcore's extension `trace`.
        """
        if event.endswith(("send_connection_init.started", "send_request_headers.started")):
            self.is_sending = info["request"].method != b"CONNECT"

    def hold_back(self, stream: httpcore.NetworkStream, data: bytes) -> bytes:
        """What may be sent now: all but the last byte so far."""
        if not self.is_sending:
            return data
        self.stream = stream
        self.sent += len(data)
        ready = self._last_byte + data
        self._last_byte = ready[-1:]
        return ready[:-1]

    def close(self) -> None:
        """Close the connection."""
        if self.stream is not None:
            self.stream.close()

    def prepared(self) -> tuple[Any, bytes]:
        """What sends the last byte at once or not at all, and the byte."""
        assert self.stream is not None
        connected = self.stream.get_extra_info("socket")
        if isinstance(self.stream.get_extra_info("ssl_object"), ssl.SSLObject):
            return self.stream.write, self._last_byte  # TLS within the TLS of a proxy
        connected.settimeout(0)
        return connected.send, self._last_byte

    def send_late(self) -> None:
        """Send the last byte, which could not be sent at once; reading shows whether it worked."""
        assert self.stream is not None
        with suppress(OSError, httpcore.NetworkError, httpcore.TimeoutException):
            self.stream.write(self._last_byte)


def release(requests: Sequence[HeldRequest]) -> None:
    """Send all last bytes. Nothing else happens within the loop: it would spread them."""
    late: list[HeldRequest] = []
    ready = [(request, *request.prepared()) for request in requests]
    for request, send, last_byte in ready:
        try:
            send(last_byte)
        except (OSError, httpcore.NetworkError, httpcore.TimeoutException):
            late.append(request)
    for request in late:
        request.send_late()


class SentStream(httpcore.NetworkStream):
    """A connection on which the request has been sent already, though httpcore sends it again."""

    def __init__(self, held: HeldRequest) -> None:
        assert held.stream is not None
        self._stream = held.stream
        self._repeated = held.sent

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what came."""
        return self._stream.read(max_bytes, timeout)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send what comes after the request: HTTP/2 acknowledges what it reads."""
        new = buffer[self._repeated :]
        self._repeated = max(self._repeated - len(buffer), 0)
        if new:
            self._stream.write(new, timeout)

    def close(self) -> None:
        """Hang up."""
        self._stream.close()

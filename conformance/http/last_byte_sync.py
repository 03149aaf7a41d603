"""Simultaneous requests, by holding their last bytes back.

Threads that are released one after another reach a server milliseconds apart, which hides a gap
between check and write. Here each request is sent up to its last byte on a connection of its own;
when all are, the last bytes leave in one tight loop. The server completes all requests within a
fraction of a millisecond.
"""

import threading
import time
from contextlib import suppress
from typing import Any

import httpcore

SIMULTANEOUS = 16
"""How many requests a concurrency scenario sends at once."""
ROUNDS = 3
"""How often it does so."""
SEND_SECONDS = 5.0
"""How long a connection that takes no byte at once may take for it."""


class LastByteSync:
    """Lets the last bytes of `count` requests leave at the same moment.

    `started` is that moment in seconds since the epoch, `clock` the same by `perf_counter`.
    """

    def __init__(self, count: int) -> None:
        self.started = self.clock = 0.0
        self._turns: list[Turn] = []
        self._all_ready = threading.Barrier(count, action=self._release)

    def turn(self) -> "Turn":
        """The part of one request; each has to wait for its turn, or to skip it."""
        turn = Turn(self._all_ready)
        self._turns.append(turn)
        return turn

    def _release(self) -> None:
        """Send all last bytes. Nothing else happens within the loop: it would spread them."""
        late: list[Turn] = []
        ready = [(turn, *turn.prepared()) for turn in self._turns if turn.stream is not None]
        self.started, self.clock = time.time(), time.perf_counter()
        for turn, send, last_byte in ready:
            try:
                send(last_byte)
            except OSError:
                late.append(turn)
        for turn in late:
            turn.send_late()


class Turn:
    """Holds one request's last byte back until all requests are ready.

    `stream` is the connection, None before anything was held back.
    """

    def __init__(self, all_ready: threading.Barrier) -> None:
        self.stream: httpcore.NetworkStream | None = None
        self._all_ready = all_ready
        self._is_sending = self._is_over = False
        self._held = b""

    def trace(self, event: str, info: dict[str, Any]) -> None:
        """Begin with the request itself, not with what opens a way through a proxy.

        This is httpcore's extension `trace`.
        """
        if event.endswith("send_request_headers.started"):
            self._is_sending = info["request"].method != b"CONNECT"

    def hold_back(self, stream: httpcore.NetworkStream, data: bytes) -> bytes:
        """What may be sent now: all but the last byte so far."""
        if not self._is_sending or self._is_over:
            return data
        self.stream = stream
        ready = self._held + data
        self._held = ready[-1:]
        return ready[:-1]

    def wait(self) -> None:
        """The request is sent but for its last byte: wait until all are."""
        if self._is_sending:
            self.skip()

    def skip(self) -> None:
        """Keep nobody waiting, also where the request could not be sent."""
        if not self._is_over:
            self._is_over = True
            self._all_ready.wait()

    def prepared(self) -> tuple[Any, bytes]:
        """What sends the last byte at once or not at all, and the byte."""
        assert self.stream is not None
        connected = self.stream.get_extra_info("socket")
        if self.stream.get_extra_info("ssl_object") not in (None, connected):
            return self.stream.write, self._held  # TLS within the TLS of a proxy
        connected.settimeout(0)
        return connected.send, self._held

    def send_late(self) -> None:
        """Send the last byte, which could not be sent at once; reading shows whether it worked."""
        assert self.stream is not None
        with suppress(OSError, httpcore.NetworkError, httpcore.TimeoutException):
            self.stream.write(self._held, SEND_SECONDS)

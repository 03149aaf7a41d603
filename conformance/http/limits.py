"""Limits of one exchange, so that no server can hold the suite up or fill its memory (ERR-3).

Time-outs of sockets run from byte to byte: a server that sends one byte a second never meets them.
Here an exchange as a whole has a deadline, and a response has a greatest length.
"""

import time
import zlib

IDLE_SECONDS = 10.0
"""How long a connection may stand still."""
DEADLINE_SECONDS = 20.0
"""How long a whole exchange may take."""
MAX_BYTES = 32 * 2**20
"""How long a body may be, decoded."""
MAX_OVERHEAD = 2**18
"""How many bytes of a response may be no body, beside `OVERHEAD_RATE` for each byte that is.

That is heads, trailers, sizes and extensions of chunks.
"""
OVERHEAD_RATE = 2
GZIP = 31
"""What zlib calls the only content coding that the suite asks for."""


class TooLongError(Exception):
    """A response is longer than any that the API has."""

    def __init__(self, what: str = f"a body of more than {MAX_BYTES // 2**20} MiB") -> None:
        super().__init__(f"{what}, not read to its end")


class BadCodingError(Exception):
    """A body does not fit its content coding."""


class Meter:
    """What one exchange has used of its limits.

    `received` counts the bytes of its response as they came, `body` those that were body. `idle` is
    how long the connection may stand still, in seconds. `deadline` is a time of `perf_counter`;
    without one it begins to run now.
    """

    def __init__(self, idle: float = IDLE_SECONDS, deadline: float | None = None) -> None:
        self.idle = idle
        self.received = self.body = 0
        self.deadline = deadline or time.perf_counter() + DEADLINE_SECONDS

    def seconds_left(self) -> float:
        """How long the next step may take; TimeoutError where no time is left."""
        left = self.deadline - time.perf_counter()
        if left <= 0:
            raise TimeoutError(f"no complete response in {DEADLINE_SECONDS:.0f} s")
        return min(left, self.idle)

    def check_overhead(self) -> None:
        """TooLongError where a server sends on and on, and none of it is body."""
        if self.received - self.body > MAX_OVERHEAD + OVERHEAD_RATE * self.body:
            raise TooLongError(f"more than {MAX_OVERHEAD // 1024} KiB besides the body")

    def add_body(self, count: int) -> None:
        """Count bytes of the body; TooLongError where there are too many."""
        self.body += count
        if self.body > MAX_BYTES:
            raise TooLongError


def decoded(body: bytes, coding: str | None) -> bytes:
    """The body without its content coding.

    TooLongError where it has no end, BadCodingError where its coding is broken.
    """
    coding = (coding or "identity").strip().lower()
    if coding in ("", "identity") or (coding == "gzip" and not body):
        return body
    if coding != "gzip":
        raise BadCodingError(f"content coding {coding!r}, which was not asked for")
    unzip = zlib.decompressobj(GZIP)
    try:
        whole = unzip.decompress(body, MAX_BYTES + 1)
    except zlib.error as error:
        raise BadCodingError(str(error)) from None
    if len(whole) > MAX_BYTES:
        raise TooLongError
    if not unzip.eof:
        raise BadCodingError("truncated gzip data")
    return whole

"""Bounds on one response, so that no server can hold the suite up or fill its memory (ERR-3).

Time-outs of sockets run from byte to byte: a server that sends one a second never meets them. Here
an exchange has a deadline, whatever trickles in, and a body a greatest length.
"""

import time
import zlib

IDLE_SECONDS = 10.0
"""How long nothing at all may come."""
DEADLINE_SECONDS = 20.0
"""How long a whole exchange may take."""
MAX_BYTES = 32 * 2**20
"""How long a body may be, decoded."""
MAX_HEAD = 100 * 1024
"""How many bytes may come that are no body: heads, trailers, chunks' extensions."""
GZIP = 31
"""What zlib calls the only content coding that the suite asks for."""


class TooLongError(Exception):
    """A response is longer than anything that the API has to say."""

    def __init__(self) -> None:
        super().__init__(f"a body of more than {MAX_BYTES // 2**20} MiB, not read to its end")


class BadCodingError(Exception):
    """A body that its content coding does not fit."""


class Deadline:
    """The moment until which an exchange has to be over, and how long its path may be `idle`."""

    def __init__(self, idle: float = IDLE_SECONDS) -> None:
        self.idle = idle
        self.seconds = DEADLINE_SECONDS
        self.end = time.perf_counter() + self.seconds

    def left(self) -> float:
        """Seconds that the next step may take; TimeoutError where none are left."""
        left = self.end - time.perf_counter()
        if left <= 0:
            raise TimeoutError(f"no whole answer in {self.seconds:.0f} s")
        return min(left, self.idle)


def unpacked(body: bytes, coding: str | None) -> bytes:
    """The body out of its content coding.

    TooLongError where it has no end, BadCodingError where its coding is broken.
    """
    coding = (coding or "identity").strip().lower()
    if coding in ("", "identity") or (coding == "gzip" and not body):
        return body
    if coding != "gzip":
        raise BadCodingError(f"content coding {coding!r}, which was not asked for")
    unpack = zlib.decompressobj(GZIP)
    try:
        whole = unpack.decompress(body, MAX_BYTES + 1)
    except zlib.error as error:
        raise BadCodingError(str(error)) from None
    if len(whole) > MAX_BYTES:
        raise TooLongError
    if not unpack.eof:
        raise BadCodingError("gzip data that ends too early")
    return whole

"""The network below httpcore: what httpcore lacks, and nothing else.

That is a deadline for a whole exchange, limits on what a server may send, the last byte held back
(see `last_byte_sync`), and connections that are not used again after surplus bytes.
"""

import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import h11
import httpcore

from conformance.http.early_response import EarlyResponse
from conformance.http.last_byte_sync import HeldRequest, RequestHeldError
from conformance.http.limits import Meter

KEPT_BYTES = 2**18
"""Of a response so long the bytes are kept; after a longer one its connection is not used again."""
_metered: ContextVar["ExchangeMeter"] = ContextVar("metered")


class ExchangeMeter(Meter):
    """A meter that keeps the bytes of the response.

    `held` holds the request's last byte back, `early` reads a response that comes before it.
    """

    def __init__(
        self,
        idle: float,
        held: HeldRequest | None = None,
        deadline: float | None = None,
        early: EarlyResponse | None = None,
    ) -> None:
        super().__init__(idle, deadline)
        self.held = held
        self.early = early
        self.kept = bytearray()

    def take(self, data: bytes) -> bytes:
        """Count and keep what came."""
        self.received += len(data)
        if len(self.kept) <= KEPT_BYTES:
            self.kept += data
        return data

    def forget(self) -> None:
        """Forget what came: whatever is sent now, that was no response to it.

        It was a proxy's, which opened the way to the server.
        """
        self.kept.clear()

    def has_surplus(self, method: str, body: bytes) -> bool:
        """Whether bytes came behind the response, or might have: they would begin the next one."""
        if len(self.kept) > KEPT_BYTES:
            return True
        head, _, rest = bytes(self.kept).partition(b"\r\n\r\n")
        is_chunked = b"transfer-encoding" in head.lower()
        has_one_end = b"\n\n" not in head and b"\n\r\n" not in head  # a line may end without CR
        is_exact = has_one_end and not is_chunked and rest == body
        return not is_exact and _surplus(method, bytes(self.kept))


def _surplus(method: str, response: bytes) -> bool:
    """Read the response once more, by a reader that says what is left of the bytes.

    True as well where the response ends only with its connection.
    """
    limit = httpcore.HTTP11Connection.MAX_INCOMPLETE_EVENT_SIZE
    reader = h11.Connection(h11.CLIENT, max_incomplete_event_size=limit)
    reader.send(h11.Request(method=method, target="/", headers=[("Host", "h")]))
    reader.send(h11.EndOfMessage())
    reader.receive_data(response)
    while True:
        try:
            event = reader.next_event()
        except h11.RemoteProtocolError:
            return True
        if isinstance(event, h11.EndOfMessage):
            return reader.trailing_data != (b"", False)
        if event in (h11.NEED_DATA, h11.PAUSED):
            return True


@contextmanager
def metered(meter: ExchangeMeter) -> Iterator[ExchangeMeter]:
    """Whatever this thread sends and receives counts for this exchange."""
    token = _metered.set(meter)
    try:
        yield meter
    finally:
        _metered.reset(token)


class MeteredStream(httpcore.NetworkStream):
    """A connection that keeps to the limits of whichever exchange is on it."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream
        self.is_spoilt = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what came; TimeoutError or TooLongError where the exchange is over its limits.

        RequestHeldError where the request is not sent to its end, EarlyResponseError where it is
        answered all the same.
        """
        del timeout  # the meter knows better
        meter = _metered.get()
        if meter.held is not None and meter.held.is_sending:
            raise RequestHeldError
        data = self._read(meter, max_bytes)
        if meter.early is not None and meter.early.is_sending and meter.early.take(data):
            while data and not meter.early.is_ended:
                data = self._read(meter, max_bytes)
                meter.early.take(data)
                meter.add_body(len(data))
            raise meter.early.response
        return data

    def _read(self, meter: ExchangeMeter, max_bytes: int) -> bytes:
        meter.check_overhead()
        left = meter.seconds_left()
        try:
            return meter.take(self._stream.read(max_bytes, left))
        except httpcore.ReadTimeout:
            meter.seconds_left()  # says so where the whole exchange took too long
            raise TimeoutError(f"nothing came for {left:.1f} s") from None

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send; the last byte of a simultaneous request is held back."""
        del timeout
        meter = _metered.get()
        meter.forget()
        ready = buffer if meter.held is None else meter.held.hold_back(self, buffer)
        if ready:
            self._stream.write(ready, meter.seconds_left())

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> "MeteredStream":
        """The same connection, encrypted."""
        del timeout
        left = _metered.get().seconds_left()
        return MeteredStream(self._stream.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        """What httpcore asks for; a spoilt connection looks as if its server had hung up."""
        if info == "is_readable" and self.is_spoilt:
            return True
        return self._stream.get_extra_info(info)

    def close(self) -> None:
        """Hang up, unless a request waits for its last byte here."""
        meter = _metered.get(None)
        if meter is None or meter.held is None or meter.held.stream is not self:
            self._stream.close()


class MeteredBackend(httpcore.NetworkBackend):
    """Opens connections that keep to the limits of their exchanges."""

    def __init__(self) -> None:
        self._backend = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> MeteredStream:
        """Connect, within the time that the exchange has left."""
        del timeout
        left = _metered.get().seconds_left()
        return MeteredStream(
            self._backend.connect_tcp(host, port, left, local_address, socket_options)
        )

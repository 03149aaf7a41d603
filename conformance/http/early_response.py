"""The response of an HTTP/2 server that answers before it has read the request to its end.

httpcore waits until such a server takes more of the body, which it never does. So a long body is
sent on a connection of its own, and what is received meanwhile is read here as well.
"""

from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import httpcore

WINDOW = 2**16 - 1
"""A body of so many bytes is sent without waiting (RFC 9113, section 6.9.2)."""
STREAM = 1
ENDS = (h2.events.StreamEnded, h2.events.StreamReset, h2.events.ConnectionTerminated)


class EarlyResponseError(Exception):
    """A response came before the request was sent; here it is."""

    def __init__(self) -> None:
        super().__init__()
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = bytearray()


class EarlyResponse:
    """Reads what a connection receives while its first request is being sent.

    `response` is to be raised once it has ended.
    """

    def __init__(self) -> None:
        self.response = EarlyResponseError()
        self.is_sending = True
        self.is_ended = False
        config = h2.config.H2Configuration(client_side=True, header_encoding=None)
        self._state = h2.connection.H2Connection(config)
        self._state.initiate_connection()
        head = {b":method": b"POST", b":authority": b"h", b":scheme": b"https", b":path": b"/"}
        self._state.send_headers(STREAM, list(head.items()))

    def trace(self, event: str, info: dict[str, Any]) -> None:
        """Notice the end of the request. This is httpcore's extension `trace`."""
        del info
        if event == "http2.send_request_body.complete":
            self.is_sending = False

    def take(self, data: bytes) -> bool:
        """Read bytes; whether a response has begun. httpcore.RemoteProtocolError for no HTTP/2."""
        try:
            events = self._state.receive_data(data)
        except h2.exceptions.ProtocolError as error:
            raise httpcore.RemoteProtocolError(str(error)) from None
        for event in events:
            if isinstance(event, h2.events.ResponseReceived):
                fields = [(bytes(name), bytes(value)) for name, value in event.headers or ()]
                self.response.status = int(dict(fields)[b":status"])
                self.response.headers = [(n, v) for n, v in fields if not n.startswith(b":")]
            elif isinstance(event, h2.events.DataReceived):
                self.response.body += event.data or b""
            self.is_ended |= isinstance(event, ENDS)
        return self.response.status != 0

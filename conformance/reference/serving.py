"""Serves the application on a socket."""

import asyncio
import gc
import os
import socket
import sys
import threading
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

KEEP_ALIVE_SECONDS = 60
GARBAGE = 10_000
"""Garbage collection starts after so many new objects; by default after 700, a few requests."""


class CoalescingTransport:
    """A transport that sends the head and the body of a response together.

    uvicorn writes them one after the other: two system calls here, and two at the client.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._held = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Hold the head until the body follows, or until the end of this turn of the event loop.

        The body is not held: asyncio closes a connection whose client sends no more.
        """
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held + data)
        else:
            self._held = data
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Send the held data."""
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held)

    def close(self) -> None:
        """Send the held data and close the connection."""
        self.flush()
        self._transport.close()


class Protocol(HttpToolsProtocol):
    """uvicorn's fast httptools protocol; h11 takes over requests for an upgrade.

    httptools stops reading after the head of such a request. This server supports no upgrade, and
    must answer the request without it, body included (RFC 9110, section 7.8).
    """

    received = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Coalesce the writes."""
        super().connection_made(cast("asyncio.Transport", CoalescingTransport(transport)))

    def data_received(self, data: bytes) -> None:
        """Keep the data: an upgrade leaves part of it unread."""
        self.received = data
        super().data_received(data)

    def _should_upgrade(self) -> bool:
        return True

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection to h11, together with the current request."""
        stopped = sys.exception()
        assert stopped is not None
        version = self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (self.scope["method"].encode(), self.url, version)]
        lines += [name + b": " + value for name, value in self.headers]
        self.connections.discard(self)
        slow = H11Protocol(self.config, self.server_state, self.app_state)
        self.transport.set_protocol(slow)
        slow.connection_made(self.transport)
        slow.data_received(b"\r\n".join([*lines, b"", self.received[stopped.args[0] :]]))


def listen(host: str, port: int) -> socket.socket:
    """A bound TCP socket; port 0 takes a free one. OSError if the address is not available."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With an explicit protocol, asyncio disables Nagle's algorithm, which delays answers by 40 ms.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    bound.listen(1024)
    return bound


def origin(bound: socket.socket) -> str:
    """The URL of the socket, without a path."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(application: ASGIApp, bound: socket.socket) -> None:
    """Answer requests on the socket until a signal stops the process."""
    gc.freeze()  # the loaded modules are not garbage
    gc.set_threshold(GARBAGE)
    server_of(application).run(sockets=[bound])


def server_of(application: ASGIApp) -> uvicorn.Server:
    """The HTTP server of the application, not yet running."""
    config = uvicorn.Config(
        application,
        http=Protocol,
        ws="none",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        lifespan="off",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        server_header=False,
    )
    return uvicorn.Server(config)


def serve_for_parent(application: ASGIApp) -> None:
    """Print one line, the URL, once a socket listens; serve until the parent ends."""
    bound = listen("127.0.0.1", 0)
    print(origin(bound), flush=True)
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    serve(application, bound)


def _stop_with_parent() -> None:
    """End this process when its standard input closes, as it does when the parent dies."""
    sys.stdin.buffer.read()
    os._exit(0)

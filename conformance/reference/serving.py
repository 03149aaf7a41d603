"""Runs the application on a socket."""

import os
import socket
import sys
import threading

import uvicorn
from starlette.applications import Starlette

KEEP_ALIVE_SECONDS = 60


def listen(host: str, port: int) -> socket.socket:
    """A bound TCP socket; port 0 takes a free one. OSError where the address is not to be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio turns Nagle's algorithm off; else each answer waits 40 ms.
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
    """The URL under which the socket answers, without a path."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(application: Starlette, bound: socket.socket) -> None:
    """Answer requests on the socket until the process is asked to stop."""
    server_of(application).run(sockets=[bound])


def server_of(application: Starlette) -> uvicorn.Server:
    """The HTTP server of the application, not yet running."""
    config = uvicorn.Config(
        application,
        # h11 and no upgrades: httptools stops reading at an Upgrade header and loses the body.
        http="h11",
        ws="none",
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        server_header=False,
    )
    return uvicorn.Server(config)


def serve_for_parent(application: Starlette, host: str = "127.0.0.1", port: int = 0) -> None:
    """Print one line, the URL, once the socket listens; serve until the parent is gone."""
    bound = listen(host, port)
    print(origin(bound), flush=True)
    stop_with_parent()
    serve(application, bound)


def stop_with_parent() -> None:
    """End this process once its standard input closes, which it does when the parent dies."""

    def watch() -> None:
        sys.stdin.buffer.read()
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()

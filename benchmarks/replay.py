"""Sends recorded requests again on one connection and judges nothing: the floor of `verdict.py`.

The server makes other ids than before, so a few more answers are 404.
"""

import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

from conformance.lifecycle.bundled_target import running_server


def replayed(recording: Path) -> float:
    """Seconds in which a reference server answers the requests that `stopwatch.py` recorded."""
    requests = [file.read_bytes() for file in sorted(recording.iterdir())]
    with running_server() as url:
        connection = connect(url)
        started = time.perf_counter()
        for request in requests:
            try:
                exchange(connection, request)
            except ConnectionError:  # the server did not read the request before to its end
                connection = connect(url)
                exchange(connection, request)
        return time.perf_counter() - started


def connect(url: str) -> socket.socket:
    """A connection that sends without delay."""
    address = urlsplit(url)
    connection = socket.create_connection((str(address.hostname), int(address.port or 80)))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def exchange(connection: socket.socket, request: bytes) -> None:
    """Send a request and read its answer."""
    connection.sendall(request)
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += receive(connection)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    left = length - len(body)
    while left:
        left -= len(receive(connection))


def receive(connection: socket.socket) -> bytes:
    """The bytes that are there; ConnectionError at the end."""
    part = connection.recv(65536)
    if not part:
        raise ConnectionError("the server closed the connection")
    return part

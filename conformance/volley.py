"""Simultaneous requests.

Threads of a client are released one after another and reach a server milliseconds apart, which
hides a gap between check and write. Here every request is sent up to its last byte on a
connection of its own, and then the last bytes go out in one tight loop: the server completes all
requests within a fraction of a millisecond.
"""

import http.client
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass

import httpx

from conformance.bounds import Deadline, TooLongError
from conformance.connection import Connection, Route, written

SIMULTANEOUS = 16
"""How many requests a concurrency scenario sends at once."""
ROUNDS = 3
"""How often it does so."""
FAILURES = (OSError, http.client.HTTPException, TooLongError)


@dataclass(frozen=True)
class Shot:
    """What became of one request: an answer, or why there is none.

    Its interval is never shorter than the truth: `started`, seconds since the epoch, is before the
    last byte was sent, and `seconds` go on until the answer was read.
    """

    answer: httpx.Response | str
    started: float
    seconds: float


def fire(route: Route, requests: Sequence[httpx.Request], deadline: Deadline) -> list[Shot]:
    """Send all requests at once; what became of them in the order of the requests."""
    with ExitStack() as closing:
        sent = [written(request, route) for request in requests]
        connections = [_prepared(route, data, deadline, closing) for data in sent]
        started, clock = time.time(), time.perf_counter()
        for connection, data in zip(connections, sent, strict=True):
            if isinstance(connection, Connection):
                with suppress(OSError):  # reading the answer tells
                    connection.send(data[-1:], deadline)
        shots = []
        for connection, request in zip(connections, requests, strict=True):
            answer = _answer(connection, request.method, deadline)
            shots.append(Shot(answer, started, time.perf_counter() - clock))
        return shots


def _prepared(
    route: Route, data: bytes, deadline: Deadline, closing: ExitStack
) -> Connection | str:
    """A connection that has sent all of the data but its last byte, or why there is none."""
    try:
        connection = Connection(route, deadline)
        closing.callback(connection.close)
        connection.send(data[:-1], deadline)
    except FAILURES as error:
        return told(error)
    return connection


def _answer(connection: Connection | str, method: str, deadline: Deadline) -> httpx.Response | str:
    if not isinstance(connection, Connection):
        return connection
    try:
        return connection.receive(method, deadline).as_httpx()
    except FAILURES as error:
        return told(error)


def told(error: Exception) -> str:
    """A failure in words. The exception itself would keep all that was read until then."""
    return f"{type(error).__name__}: {error}"

"""Simultaneous requests.

Threads of a client are released one after another and reach a server milliseconds apart, which
hides a gap between check and write. Here every request is sent up to its last byte on a
connection of its own, and then the last bytes go out in one tight loop: the server completes all
requests within a fraction of a millisecond.
"""

import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass

import httpx

from conformance.http.connection import FAILURES, HUNG_UP, Connection, Route
from conformance.http.limits import DEADLINE_SECONDS, Deadline

SIMULTANEOUS = 16
"""How many requests a concurrency scenario sends at once."""
ROUNDS = 3
"""How often it does so."""


@dataclass(frozen=True)
class Shot:
    """What became of one request: an answer, or why there is none.

    Its interval is never shorter than the truth: `started`, seconds since the epoch, is before the
    last byte was sent, and `seconds` go on until the answer was read.
    """

    answer: httpx.Response | str
    started: float
    seconds: float


def fire(route: Route, requests: Sequence[httpx.Request]) -> list[Shot]:
    """Send all requests at once; what became of them in the order of the requests."""
    with ExitStack() as closing:
        loaded = [_loaded(route, request, closing) for request in requests]
        deadline = Deadline(DEADLINE_SECONDS)
        started, clock = time.time(), time.perf_counter()
        for one in loaded:
            if not isinstance(one, str):
                connection, last = one
                with suppress(OSError):  # reading the answer tells
                    connection.send(last, deadline)
        shots = []
        for one, request in zip(loaded, requests, strict=True):
            answer = one if isinstance(one, str) else _answer(one[0], request.method, deadline)
            shots.append(Shot(answer, started, time.perf_counter() - clock))
        return shots


def _loaded(
    route: Route, request: httpx.Request, closing: ExitStack
) -> tuple[Connection, bytes] | str:
    """A connection that has sent all of a request but its last byte, and that byte."""
    deadline = Deadline(DEADLINE_SECONDS)
    try:
        connection = Connection(route, deadline)
        closing.callback(connection.close)
        data = connection.written(request)
        with suppress(*HUNG_UP):
            connection.send(data[:-1], deadline)
    except FAILURES as error:
        return describe(error)
    return connection, data[-1:]


def _answer(connection: Connection, method: str, deadline: Deadline) -> httpx.Response | str:
    try:
        return connection.receive(method, deadline).response
    except FAILURES as error:
        return describe(error)


def describe(error: Exception) -> str:
    """A failure in words. The exception itself would keep all that was read until then."""
    return f"{type(error).__name__}: {error}"

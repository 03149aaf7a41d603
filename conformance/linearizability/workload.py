"""Runs simultaneous clients, each with its calls in order, and records their history."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from conformance.client.recorder import PLACE, new_group
from conformance.http.exchange import Place
from conformance.linearizability.models import Call

Action = Callable[[], Call]
"""Makes one call and returns it without its times."""


def run_concurrently(
    clients: Sequence[Sequence[Action]], afterwards: Sequence[Action]
) -> list[Call]:
    """Run all clients at once, then the calls `afterwards`; returns the history of all calls.

    Times are in seconds since the beginning. The interval of a call is never shorter than the call.
    If a client raises, its calls end; the exception is raised once the other clients are done.
    """
    together = threading.Barrier(len(clients))
    group, begun = new_group(), time.perf_counter()

    def act(lane: int, calls: Sequence[Action]) -> list[Call]:
        PLACE.set(Place(group, lane))  # of this thread alone
        together.wait()
        return [timed(call, begun) for call in calls]

    with ThreadPoolExecutor(len(clients)) as pool:
        acting = [pool.submit(act, *numbered) for numbered in enumerate(clients)]
    history = [event for client in acting for event in client.result()]
    return [*history, *(timed(call, begun) for call in afterwards)]


def timed(call: Action, begun: float) -> Call:
    """Make the call, and add its times."""
    started = time.perf_counter() - begun
    event = call()
    return event.at(started, time.perf_counter() - begun)

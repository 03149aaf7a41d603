"""Clients side by side, each with its calls in order, and the history that they make."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from conformance.linearizability.models import Call

Action = Callable[[], Call]
"""Makes one call and tells what it did; the times are put in by whoever runs it."""


def run_concurrently(
    clients: Sequence[Sequence[Action]], afterwards: Sequence[Action]
) -> list[Call]:
    """Run all clients at once, then the calls `afterwards`; the history of all.

    Times are seconds since its beginning, and the interval of a call is never shorter than the
    truth. An exception of a client ends its calls, and is raised when the others are done.
    """
    together = threading.Barrier(len(clients))
    begun = time.perf_counter()

    def act(calls: Sequence[Action]) -> list[Call]:
        together.wait()
        return [timed(call, begun) for call in calls]

    with ThreadPoolExecutor(len(clients)) as pool:
        acting = [pool.submit(act, calls) for calls in clients]
    history = [event for client in acting for event in client.result()]
    return [*history, *(timed(call, begun) for call in afterwards)]


def timed(call: Action, begun: float) -> Call:
    """The call with its times."""
    started = time.perf_counter() - begun
    event = call()
    return event.at(started, time.perf_counter() - begun)

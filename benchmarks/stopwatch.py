"""A pytest plugin that measures where the time of a run goes (see `verdict.py`).

Each process writes the seconds of its main thread to a file in the folder `STOPWATCH`: HTTP,
checking (judging, redacting, recording), generating cases, scenarios, reporting; and when it began
its first request, and how many generated cases it checked. With `RECORDING`, it writes each request
to a file in that folder, except simultaneous ones.
"""

import json
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from conformance.client.channel import Channel
from conformance.http.exchange import Exchange, Request
from conformance.http.transport import Transport
from conformance.plugin.conclusion import Conclusion

SPENT: dict[str, float] = defaultdict(float)
FIRST: dict[str, float] = {}
"""When each watched function was first called."""
CALLS: dict[str, int] = defaultdict(int)
_running: list[str] = []


@contextmanager
def timing(part: str) -> Iterator[None]:
    """Count the seconds of the main thread for a part, and not for the part that runs it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    started = time.perf_counter()
    _running.append(part)
    try:
        yield
    finally:
        _running.pop()
        seconds = time.perf_counter() - started
        SPENT[part] += seconds
        if _running:
            SPENT[_running[-1]] -= seconds


def watched(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, whose seconds count for a part."""
    name = function.__qualname__

    def call(*arguments: Any, **named: Any) -> Any:
        FIRST.setdefault(name, time.time())
        CALLS[name] += 1
        with timing(part):
            return function(*arguments, **named)

    return call


def recorded(send: Callable[[Transport, Request], Exchange]) -> Callable[..., Exchange]:
    """The function that sends a request, which keeps a copy of it."""
    numbers = count()

    def call(transport: Transport, request: Request) -> Exchange:
        lines = [f"{request.method} {request.target} HTTP/1.1", "Host: replay"]
        lines += [f"{name}: {value}" for name, value in request.headers]
        lines += [f"Content-Length: {len(request.body)}", "", ""]
        file = Path(os.environ["RECORDING"], f"{os.getpid()}-{next(numbers):06}")
        file.write_bytes("\r\n".join(lines).encode() + request.body)
        return send(transport, request)

    return call


def _patch() -> None:
    send = watched("http", Transport.send)
    Transport.send = recorded(send) if "RECORDING" in os.environ else send  # type: ignore[method-assign]
    together = watched("http", Transport.send_simultaneously)
    Transport.send_simultaneously = together  # type: ignore[method-assign]
    Channel._record = watched("checking", Channel._record)  # type: ignore[method-assign]
    Channel._judge = watched("checking", Channel._judge)  # type: ignore[method-assign]
    Conclusion.finish = watched("reporting", Conclusion.finish)  # type: ignore[method-assign]


def pytest_collection_finish() -> None:
    """Patch what is only loaded with the scenarios."""
    from conformance.fuzzing.fuzzer import Fuzzer  # noqa: PLC0415 - the start-up is measured too

    Fuzzer.check = watched("scenarios", Fuzzer.check)  # type: ignore[method-assign]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Any:
    """What a generating test spends outside its requests and checks is generation."""
    generates = "generated" in item.nodeid or "sequence" in item.nodeid
    with timing("generation" if generates else "scenarios"):
        return (yield)


def pytest_unconfigure() -> None:
    """Write what was measured."""
    measured = {
        "spent": SPENT,
        "first": FIRST.get("Transport.send"),
        "cases": CALLS["Fuzzer.check"],
    }
    Path(os.environ["STOPWATCH"], f"{os.getpid()}.json").write_text(json.dumps(measured))


_patch()

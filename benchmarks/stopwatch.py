"""A pytest plugin that tells where the time of a run goes (see `verdict.py`).

Each process writes the seconds of its main thread to a file in the folder `STOPWATCH`: what it
spent in HTTP, in checking (judging, redacting, recording), in generating cases, in reporting, and
when it began its first request. With `RECORDING`, every request is appended there as it was sent.
"""

import json
import os
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conformance.client.channel import Channel
from conformance.http.exchange import Exchange, Request
from conformance.http.transport import Transport
from conformance.plugin.conclusion import Conclusion

SPENT: dict[str, float] = defaultdict(float)
FIRST: list[float] = []
COUNTS: Counter[str] = Counter()
_running: list[str] = []


def watched(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, whose own seconds on the main thread count for a part."""

    def call(*arguments: Any, **named: Any) -> Any:
        if threading.current_thread() is not threading.main_thread():
            return function(*arguments, **named)
        begun = time.perf_counter()
        _running.append(part)
        try:
            return function(*arguments, **named)
        finally:
            _running.pop()
            seconds = time.perf_counter() - begun
            SPENT[part] += seconds
            if _running:  # what is called from another part is not that part's own
                SPENT[_running[-1]] -= seconds

    return call


def noted(send: Callable[..., Any]) -> Callable[..., Any]:
    """The function, which notes when it was first called."""

    def call(*arguments: Any, **named: Any) -> Any:
        if not FIRST:
            FIRST.append(time.time())
        return send(*arguments, **named)

    return call


def counted(check: Callable[..., Any]) -> Callable[..., Any]:
    """The check of a generated case, counted."""

    def call(*arguments: Any, **named: Any) -> Any:
        COUNTS["cases"] += 1
        return check(*arguments, **named)

    return call


def recorded(send: Callable[[Transport, Request], Exchange]) -> Callable[..., Exchange]:
    """The function that sends requests, which keeps a copy of each."""
    file = Path(os.environ["RECORDING"], f"{os.getpid()}.requests").open("ab")  # noqa: SIM115
    lock = threading.Lock()

    def call(transport: Transport, request: Request) -> Exchange:
        lines = [f"{request.method} {request.target} HTTP/1.1", "Host: replay"]
        lines += [f"{name}: {value}" for name, value in request.headers]
        lines += [f"Content-Length: {len(request.body)}", "", ""]
        data = "\r\n".join(lines).encode() + request.body
        with lock:
            file.write(len(data).to_bytes(4, "big") + data)
            file.flush()
        return send(transport, request)

    return call


def _patch() -> None:
    send = noted(watched("http", Transport.send))
    Transport.send = recorded(send) if "RECORDING" in os.environ else send  # type: ignore[method-assign]
    together = watched("http", Transport.send_simultaneously)
    Transport.send_simultaneously = together  # type: ignore[method-assign]
    Channel._judge_and_record = watched("checking", Channel._judge_and_record)  # type: ignore[method-assign]
    Conclusion.finish = watched("reporting", Conclusion.finish)  # type: ignore[method-assign]


def pytest_collection_finish() -> None:
    """Patch what is only loaded with the scenarios."""
    from conformance.fuzzing import fuzzer  # noqa: PLC0415 - the start-up is measured too

    fuzzer.Fuzzer.check = counted(watched("scenarios", fuzzer.Fuzzer.check))  # type: ignore[method-assign]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Any:
    """What a generating test spends outside its requests and checks is generation."""
    part = "generation" if "generated" in item.nodeid or "sequence" in item.nodeid else "scenarios"
    begun = time.perf_counter()
    _running.append(part)
    try:
        return (yield)
    finally:
        _running.pop()
        SPENT[part] += time.perf_counter() - begun


def pytest_unconfigure() -> None:
    """Write what was measured."""
    measured = {"spent": dict(SPENT), "first": FIRST, "counts": dict(COUNTS)}
    Path(os.environ["STOPWATCH"], f"{os.getpid()}.json").write_text(json.dumps(measured))


_patch()

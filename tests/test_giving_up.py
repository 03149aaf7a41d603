"""A server that cannot be tested is given up soon, and nobody is accused."""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send
from support import ROOT, Runner, run_suite, serving

from conformance import resources
from conformance.client.network_health import NetworkHealth
from conformance.failures import Inconclusive
from conformance.reference.app import BASE_PATH, Settings, create_app
from conformance.reference.world import load_world

REQUESTS = 300
"""What a run may ask before it gives up; a whole one asks 17,000."""
LONGEST = 1002
"""A worker that does not read ends the test that it is in: at most this many writes."""
BUSY = JSONResponse(
    {"error": {"code": "rate_limited", "message": "busy"}}, 429, {"Retry-After": "1"}
)
OUT_OF_ORDER = JSONResponse({"error": {"code": "unavailable", "message": "later"}}, 503)


class Partly:
    """The reference server, of which some requests get another answer."""

    def __init__(self, answer: JSONResponse, *, only_reads: bool, every: int = 1) -> None:
        self.server = create_app(load_world(resources.world_file()), Settings(window=1))
        self.answer, self.only_reads, self.every = answer, only_reads, every
        self.asked: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked["all"] += 1
        ping = scope["path"] == f"{BASE_PATH}/ping"
        if not ping and (scope["method"] == "GET" or not self.only_reads):
            self.asked["odd"] += 1
            if self.asked["odd"] % self.every == 0:
                await Request(scope, receive).body()
                await self.answer(scope, receive, send)
                return
        await self.server(scope, receive, send)


@contextmanager
def partly(
    answer: JSONResponse, *, only_reads: bool, every: int = 1
) -> Iterator[tuple[str, Partly]]:
    application = Partly(answer, only_reads=only_reads, every=every)
    with serving(application) as url:
        yield url, application


@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_server_whose_reads_are_out_of_order_is_given_up(processes: str, tmp_path: Path) -> None:
    with partly(OUT_OF_ORDER, only_reads=True) as (url, server):
        ended = run_suite(tmp_path, "-q", "-n", processes, url=url)
    assert ended.code == 3, ended.output
    assert ended.document["verdict"]["outcomes"]["MUST"]["failed"] == 0
    why = "verdict: inconclusive: given up: the server answers pings, but no read of a player"
    assert why in ended.output
    assert server.asked["all"] < REQUESTS + LONGEST
    assert ended.document["cleanup"]["left"] == 0


def test_a_server_that_fails_a_read_now_and_then_is_tested(run_suite: Runner) -> None:
    with partly(OUT_OF_ORDER, only_reads=True, every=10) as (url, _):
        ended = run_suite("-q", "-k", "test_acks or test_bans", url=url)
    assert ended.code == 0, ended.output
    assert not ended.with_outcome("failed", "inconclusive", "blocked")


IMPATIENT = """
from conformance.client import network_health
network_health.PATIENCE_SECONDS = 2.0
"""


@pytest.mark.parametrize("preflight", [(), ("--trust-target",)], ids=["preflight", "tests"])
def test_a_server_that_refuses_everything_with_429_is_given_up(
    preflight: tuple[str, ...],
    run_suite: Runner,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "impatient.py").write_text(IMPATIENT)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(ROOT)]))
    with partly(BUSY, only_reads=False) as (url, server):
        ended = run_suite("-q", "-n", "2", "-p", "impatient", *preflight, url=url)
    assert ended.code == 3, ended.output
    assert "given up: the server answered nothing but 429 for" in ended.output
    assert server.asked["all"] < REQUESTS


def test_a_429_is_waited_out_for_longer_than_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    health = NetworkHealth()
    health.note_429(60)
    now = 60.0
    health.note_answer()
    health.note_429(60)
    now = 120.0
    with pytest.raises(Inconclusive, match="nothing but 429 for 60 seconds"):
        health.note_429(60)
    with pytest.raises(Inconclusive, match="nothing but 429"):
        health.check("getPlayer")
    health.try_once_more()
    health.check("getPlayer")
    with pytest.raises(Inconclusive):
        health.note_429(1)

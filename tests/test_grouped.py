"""Tests that send many requests name each one that breaks the server, with its evidence."""

from importlib import import_module
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from support import Runner

from conformance.client.recorder import Recorder
from conformance.failures import Inconclusive, Mismatch
from conformance.http.exchange import Exchange
from conformance.http.exchange import Request as Sent
from conformance.http.exchange import Response as Answered
from conformance.reference.app import Server, Settings
from conformance.reference.operations import Operation

expect_no_crash: Any = import_module("scenarios.test_errors").expect_no_crash
CRASH = JSONResponse({"error": {"code": "internal_error", "message": "m"}}, 500)


class Fragile(Server):
    """Crashes on two kinds of bodies, whatever the operation."""

    async def answer(self, operation: Operation, request: Request) -> Response:
        body = await request.body()
        crashes = b"\\u0000b" in body or b"[null, 1" in body
        return CRASH if crashes else await super().answer(operation, request)


def crash(run_suite: Runner, selection: str) -> dict[str, Any]:
    """The check of ERR-3 that fails on the fragile server."""
    return run_suite("-k", selection, server=Settings(window=1, server=Fragile)).failure("ERR-3")


def test_all_bodies_that_break_an_operation_are_named(run_suite: Runner) -> None:
    check = crash(run_suite, "test_no_body_breaks and banPlayer")
    assert "500 for NUL, 500 for null rows" in check["received"]
    assert [exchange["status"] for exchange in check["exchanges"]] == [500]
    assert "$KRATY_SERVER_KEY" in check["exchanges"][0]["curl"]


def test_odd_texts_come_with_what_was_arranged_for_them(run_suite: Runner) -> None:
    check = crash(run_suite, "test_no_text and debitWallet")
    operations = [exchange["operation"] for exchange in check["exchanges"]]
    assert "500 for NUL in idempotencyKey" in check["received"]
    assert operations[-2:] == ["creditWallet", "debitWallet"]


class Scripted:
    """A client that gets one answer after the other: a status, or nothing."""

    def __init__(self, *answers: int | None) -> None:
        self.answers = list(answers)
        self.channel = self
        self.recorder = Recorder()

    def send_repeatable(self, request: Sent) -> Exchange:
        answer = self.answers.pop(0)
        if answer is None:
            raise Inconclusive("slow?")
        return Exchange(request, Answered(answer, (), b""), None, 0.0, 0.0)


def requests(*kinds: str) -> list[tuple[str, Sent]]:
    return [(kind, Sent("ping", "GET", "/", (), b"")) for kind in kinds]


def test_a_request_that_the_path_lost_hides_no_crash() -> None:
    client: Any = Scripted(None, 500, 200, 501)
    with pytest.raises(Mismatch, match="received 500 for b, 501 for d"):
        expect_no_crash(client, requests("a", "b", "c", "d"))


def test_a_request_that_the_path_lost_proves_nothing() -> None:
    client: Any = Scripted(200, None, 200)
    with pytest.raises(Inconclusive, match="slow"):
        expect_no_crash(client, requests("a", "b", "c"))
    assert client.answers == []


class Surrogates(Server):
    """Answers with text that no encoding has bytes for, in a status that nothing documents."""

    async def answer(self, operation: Operation, request: Request) -> Response:
        if not request.url.path.endswith("/ban"):
            return await super().answer(operation, request)
        body = b'{"error": {"code": "\\ud800", "message": "\\udfff"}}'
        return Response(body, 418, media_type="application/json")


@pytest.mark.parametrize("processes", ["0", "2"])
def test_text_that_cannot_be_encoded_loses_no_results(processes: str, run_suite: Runner) -> None:
    ended = run_suite(
        "-k", "test_bans", "-n", processes, server=Settings(window=1, server=Surrogates)
    )

    assert ended.code == 1, ended.output
    assert ended.outcome("BAN-1") == "failed"
    assert "\\ud800" in str(ended.document)
    assert "Traceback" not in ended.output

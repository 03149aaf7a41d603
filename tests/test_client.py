"""The client on a failing path, behind a failing gateway, and with a spent budget."""

import socket
from collections.abc import Callable

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from support import json_of, raw_server, read_head, reference, suite_client

from conformance.failures import Inconclusive, Mismatch
from conformance.reference.app import Server, Settings
from conformance.reference.operations import Operation
from conformance.settings.names import Names

ERROR = {"error": {"code": "not_found", "message": "no"}}


def reading(answer: Callable[[int], Response | None]) -> Settings:
    """A server that answers its nth profile read by `answer(n)`, or not at all."""

    class Odd(Server):
        reads = 0

        async def answer(self, operation: Operation, request: Request) -> Response:
            if operation.path != "/players/{externalId}":
                return await super().answer(operation, request)
            Odd.reads += 1
            response = answer(Odd.reads)
            while response is None and (await request.receive())["type"] != "http.disconnect":
                pass
            return response or Response()

    return Settings(server=Odd)


def test_a_hang_that_repeats_breaks_err_3() -> None:
    with reference(reading(lambda _: None)) as url, suite_client(url, idle=0.2) as api:
        request = api.request("getPlayer", path={"externalId": "x"})
        with pytest.raises(Mismatch) as raised:
            api.send_repeatable(request)
    assert raised.value.requirement == "ERR-3"
    assert "TimeoutError: nothing came for 0.2 s" in raised.value.received


def test_a_read_that_the_path_failed_is_repeated() -> None:
    reads: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        while head := read_head(connection):
            is_read = b"/players/x" in head
            reads.extend([head] * is_read)
            if is_read and len(reads) == 1:
                return
            connection.sendall(json_of(b"{}", b"404 Not Found" if is_read else b"200 OK"))

    with raw_server(serve) as url, suite_client(url) as api:
        answer = api.get_player("x")
        failures = api.channel.transport.health.transit_failures
    assert (answer.status, answer.retried, failures) == (404, True, 1)


def test_a_server_that_is_gone_is_inconclusive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conformance.client.repetition.REACH_SECONDS", 0.1)
    with suite_client("http://127.0.0.1:1") as api, pytest.raises(Inconclusive):
        api.send_repeatable(api.request("ping"))


def behind_a_gateway(status: int) -> Settings:
    """A server behind a gateway that fails its first credit, after the server has had it."""

    class Behind(Server):
        credits = 0

        async def answer(self, operation: Operation, request: Request) -> Response:
            answered = await super().answer(operation, request)
            if not operation.path.endswith("/credit"):
                return answered
            Behind.credits += 1
            return Response("", status) if Behind.credits == 1 else answered

    return Settings(server=Behind)


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_write_that_the_path_failed_is_inconclusive(status: int) -> None:
    with (
        reference(behind_a_gateway(status)) as url,
        suite_client(url) as api,
        pytest.raises(Inconclusive, match="applied"),
    ):
        api.credit_wallet("x", "gold", {"amount": 1})


def test_a_persistent_client_repeats_a_write_and_says_so() -> None:
    body = {"amount": 3, "idempotencyKey": "once"}
    with reference(behind_a_gateway(503)) as url, suite_client(url) as api:
        answer = api.with_retries().credit_wallet("x", "gold", body)
        assert answer.retried
        assert answer.data["balance"] == 3


def test_a_gateway_status_that_repeats_breaks_err_3() -> None:
    always = reading(lambda _: Response("", 503))
    with reference(always) as url, suite_client(url) as api, pytest.raises(Mismatch) as raised:
        api.get_player("x")
    assert raised.value.requirement == "ERR-3"


def test_a_429_is_waited_out() -> None:
    limited = JSONResponse(ERROR, 429, {"Retry-After": "1"})
    once = reading(lambda n: limited if n == 1 else JSONResponse(ERROR, 404))
    with reference(once) as url, suite_client(url) as api:
        answer = api.get_player("x")
        statuses = [e.response.status for e in api.channel.recorder.exchanges if e.response]
    assert answer.status == 404
    assert statuses == [429, 404]


def test_simultaneous_requests_are_all_answered_in_order() -> None:
    with reference() as url, suite_client(url) as api:
        requests = [api.request("getPlayer", path={"externalId": f"p{n}"}) for n in range(16)]
        answers = api.send_simultaneously([*requests, api.request("ping")])
        recorded = [exchange.request.target for exchange in api.channel.recorder.exchanges]
    assert [answer.status for answer in answers] == [404] * 16 + [200]
    assert recorded == [*(request.target for request in requests), "/server/v1/ping"]


def test_no_name_is_a_part_of_another() -> None:
    names = Names("kc-test")
    made = [names.player() for _ in range(200)] + [names.key() for _ in range(200)]
    assert len(set(made)) == 400
    assert not any(one in other for one in made for other in made if one != other)

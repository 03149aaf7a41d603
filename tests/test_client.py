"""What the client makes of a path that fails, a gateway that fails, and a spent budget."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from support import keys, reference

from conformance import resources
from conformance.client.api import Api
from conformance.client.channel import Channel, PacedTransport
from conformance.client.recorder import Recorder
from conformance.contract.openapi import load_spec
from conformance.failures import Inconclusive, Mismatch
from conformance.http.redaction import Redactor
from conformance.reference.app import Server, Settings
from conformance.reference.operations import Operation
from conformance.settings.names import Names

PATIENCE_SECONDS = 0.2
FOREVER_SECONDS = 3


@contextmanager
def client(url: str) -> Iterator[Api]:
    transport = PacedTransport(url, idle=PATIENCE_SECONDS)
    token = keys()["KRATY_SERVER_KEY"]
    line = Channel(
        transport, load_spec(resources.spec_file()), Redactor({"server": token}), Recorder()
    )
    yield Api(line, token, "game")
    transport.close()


def odd_server(odd: Callable[[int], Response | None]) -> type[Server]:
    """A server that answers its nth profile read by `odd(n)`; None stands for no answer."""

    class Odd(Server):
        reads = 0

        async def answer(self, operation: Operation, request: Request) -> Response:
            if operation.path != "/players/{externalId}":
                return await super().answer(operation, request)
            Odd.reads += 1
            response = odd(Odd.reads)
            if response is None:
                await asyncio.sleep(FOREVER_SECONDS)
            return response or await super().answer(operation, request)

    return Odd


def unknown() -> Response:
    return JSONResponse({"error": {"code": "not_found", "message": "no"}}, 404)


def test_a_hang_that_repeats_breaks_err_3() -> None:
    hanging = Settings(server=odd_server(lambda _: None))
    with reference(hanging) as url, client(url) as api:
        request = api.request("getPlayer", path={"externalId": "x"})
        with pytest.raises(Mismatch) as raised:
            api.send_repeatable(request)
    assert raised.value.requirement == "ERR-3"
    assert "TimeoutError: nothing came for 0.2 s" in raised.value.received


def test_a_read_that_the_path_failed_is_repeated() -> None:
    once = Settings(server=odd_server(lambda n: None if n == 1 else unknown()))
    with reference(once) as url, client(url) as api:
        answer = api.get_player("x")
        assert (answer.status, answer.retried, api.channel.transport.health.transit_failures) == (
            404,
            True,
            1,
        )


def test_a_server_that_is_gone_is_inconclusive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conformance.client.repetition.REACH_SECONDS", 0.1)
    with client("http://127.0.0.1:1") as api, pytest.raises(Inconclusive):
        api.send_repeatable(api.request("ping"))


def gateway(status: int) -> type[Server]:
    """A server behind a gateway that fails its first credit, after the server has had it."""

    class Behind(Server):
        credits = 0

        async def answer(self, operation: Operation, request: Request) -> Response:
            answered = await super().answer(operation, request)
            if not operation.path.endswith("/credit"):
                return answered
            Behind.credits += 1
            return Response("", status) if Behind.credits == 1 else answered

    return Behind


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_write_that_the_path_failed_is_inconclusive(status: int) -> None:
    once = Settings(server=gateway(status))
    with reference(once) as url, client(url) as api, pytest.raises(Inconclusive, match="applied"):
        api.credit_wallet("x", "gold", {"amount": 1})


def test_a_persistent_client_repeats_a_write_and_says_so() -> None:
    once = Settings(server=gateway(503))
    body = {"amount": 3, "idempotencyKey": "once"}
    with reference(once) as url, client(url) as api:
        answer = api.with_retries().credit_wallet("x", "gold", body)
        assert answer.retried
        assert answer.data["balance"] == 3


def test_a_gateway_status_that_repeats_breaks_err_3() -> None:
    always = Settings(server=odd_server(lambda _: Response("", 503)))
    with reference(always) as url, client(url) as api, pytest.raises(Mismatch) as raised:
        api.get_player("x")
    assert raised.value.requirement == "ERR-3"


def test_a_429_is_waited_out() -> None:
    limited = {"error": {"code": "rate_limited", "message": "wait"}}
    once = Settings(
        server=odd_server(
            lambda n: JSONResponse(limited, 429, {"Retry-After": "1"}) if n == 1 else unknown()
        )
    )
    with reference(once) as url, client(url) as api:
        answer = api.get_player("x")
        statuses = [e.response.status for e in api.channel.recorder.exchanges if e.response]
    assert answer.status == 404
    assert statuses == [429, 404]


def test_simultaneous_requests_are_all_answered_in_order() -> None:
    with reference() as url, client(url) as api:
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

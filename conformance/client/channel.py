"""Sends requests as they are, and sees to it that each is judged, redacted and recorded."""

import time
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import urlsplit

import httpx

from conformance import __version__
from conformance.client.created_players import Player, Players
from conformance.client.network_health import Path, failed_in_transit
from conformance.client.rate_limit import Pacer
from conformance.client.recorder import Recorder
from conformance.contract.exchange_rules import judge
from conformance.contract.openapi import Spec
from conformance.http.connection import FAILURES, Transport, route_to
from conformance.http.exchange import Exchange, Headers, Request, Response, header
from conformance.http.last_byte_sync import Shot, describe, fire
from conformance.http.limits import IDLE_SECONDS, BadCodingError, TooLongError, unpacked
from conformance.http.redaction import Redactor

USUAL_HEADERS = (
    ("User-Agent", f"kraty-conformance/{__version__}"),
    ("Accept-Encoding", "gzip"),
)


class Wire:
    """One pool of connections to one server. `send` may be called from many threads."""

    def __init__(
        self, base_url: str, pacer: Pacer | None = None, idle: float = IDLE_SECONDS
    ) -> None:
        self.base_url = base_url
        self.pacer = pacer or Pacer()
        self.path = Path()
        self.connections = Transport(route_to(base_url), idle)
        self._url = httpx.URL(base_url)
        self._prefix = urlsplit(base_url).path

    def send(self, request: Request) -> Exchange:
        """Send once. An `Exchange` with an error instead of a response where the path failed."""
        authorization = authorization_of(request)
        self.pacer.take(authorization)
        self.path.requests += 1
        started, clock = time.time(), time.perf_counter()
        answer: httpx.Response | str
        try:
            answer = self.connections.handle_request(self.prepared(request))
        except FAILURES as error:
            answer = describe(error)
        exchange = exchange_of(request, Shot(answer, started, time.perf_counter() - clock))
        self.pacer.learn(authorization, exchange.response)
        return exchange

    def volley(self, requests: Sequence[Request]) -> list[Exchange]:
        """Send all at the same moment."""
        for authorization, count in Counter(map(authorization_of, requests)).items():
            self.pacer.take(authorization, count)
        self.path.requests += len(requests)
        prepared = [self.prepared(request, ("Connection", "close")) for request in requests]
        shots = fire(self.connections.route, prepared)
        exchanges = [exchange_of(*pair) for pair in zip(requests, shots, strict=True)]
        self.path.transit_failures += sum(failed_in_transit(exchange) for exchange in exchanges)
        for exchange in exchanges:
            self.pacer.learn(authorization_of(exchange.request), exchange.response)
        return exchanges

    def prepared(self, request: Request, *more: tuple[str, str]) -> httpx.Request:
        """The request with what HTTP wants besides: who asks, host, length, that gzip will do."""
        return httpx.Request(
            request.method,
            self._url,
            headers=_encoded((*USUAL_HEADERS, *request.headers, *more)),
            content=request.body or None,
            extensions={"target": (self._prefix + request.target).encode("ascii")},
        )

    def close(self) -> None:
        """Close the connections."""
        self.connections.close()


@lru_cache(256)
def _encoded(headers: Headers) -> httpx.Headers:
    """Headers as httpx wants them; a client sends the same few again and again."""
    return httpx.Headers([(name.encode(), value.encode()) for name, value in headers])


def authorization_of(request: Request) -> str | None:
    """The header that says whose budget a request is taken from."""
    return header(request.headers, "authorization")


def exchange_of(request: Request, shot: Shot) -> Exchange:
    """What became of a request, its body out of its coding."""
    response, error = None, None
    if isinstance(shot.answer, str):
        error = shot.answer
    else:
        try:
            response = response_of(shot.answer)
        except (TooLongError, BadCodingError) as failure:
            error = describe(failure)
    return Exchange(request, response, error, shot.started, shot.seconds)


def response_of(answer: httpx.Response) -> Response:
    """A response as the suite keeps it; TooLongError and BadCodingError where it has none."""
    raw = answer.headers.raw
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in raw)
    assert isinstance(answer.stream, httpx.ByteStream)  # it has been read already
    body = unpacked(b"".join(answer.stream), header(headers, "content-encoding"))
    return Response(answer.status_code, headers, body)


class Channel:
    """A wire together with the spec, the secrets and the recorder of one test."""

    def __init__(
        self,
        wire: Wire,
        spec: Spec,
        redactor: Redactor,
        recorder: Recorder,
        players: Players | None = None,
    ) -> None:
        self.wire = wire
        self.players = players
        self.spec = spec
        self.redactor = redactor
        self.recorder = recorder

    def send(self, request: Request) -> Exchange:
        """Send, judge what came (HTTP-1, HTTP-2, ERR-1 …), record it redacted and return that."""
        noted = self._note(request)
        return self._take(self.wire.send(request), noted)

    def volley(self, requests: Sequence[Request]) -> list[Exchange]:
        """Send requests at the same moment; judge and record each as `send` does."""
        noted = [self._note(request) for request in requests]
        exchanges = self.wire.volley(requests)
        return [self._take(*pair) for pair in zip(exchanges, noted, strict=True)]

    def _note(self, request: Request) -> frozenset[Player]:
        if self.players is None:
            return frozenset()
        return self.players.sending(self.spec.operations.get(request.operation), request)

    def _take(self, exchange: Exchange, noted: frozenset[Player]) -> Exchange:
        if self.players is not None:
            self.players.answered(noted, exchange)
        redacted = self.redactor.exchange(exchange)
        self.recorder.add(redacted)
        operation = self.spec.operations.get(exchange.request.operation)
        if operation is not None and exchange.response is not None:
            for breach in judge(operation, exchange.request, exchange.response, self.redactor):
                self.recorder.find(breach)
        return redacted

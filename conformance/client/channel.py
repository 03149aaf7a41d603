"""Sends requests, and judges, redacts and records each exchange."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from conformance import __version__
from conformance.client.created_players import Player, Players
from conformance.client.network_health import NetworkHealth, failed_in_transit
from conformance.client.rate_limit import Pacer
from conformance.client.recorder import PLACE, Recorder, new_group
from conformance.client.waiting import Waiting
from conformance.contract.exchange_rules import judge
from conformance.contract.openapi import Spec
from conformance.http.exchange import Exchange, Place, Request, header
from conformance.http.limits import IDLE_SECONDS
from conformance.http.redaction import Redactor
from conformance.http.transport import USUALLY, Connecting, Transport

USUAL_HEADERS = (
    ("User-Agent", f"kraty-conformance/{__version__}"),
    ("Accept-Encoding", "gzip"),
)


class PacedTransport:
    """Sends to one server, within the rate budgets. All tests and threads of a process share it."""

    def __init__(
        self,
        base_url: str,
        pacer: Pacer | None = None,
        idle: float = IDLE_SECONDS,
        connecting: Connecting = USUALLY,
    ) -> None:
        self.base_url = base_url
        self.pacer = pacer or Pacer()
        self.health = NetworkHealth()
        self._transport = Transport(base_url, USUAL_HEADERS, idle, connecting)

    @property
    def waiting(self) -> Waiting:
        """What sleeps for the tests."""
        return self.pacer.waiting

    def send(self, request: Request) -> Exchange:
        """Send once, as soon as the budget of its key allows it."""
        authorization = authorization_of(request)
        self.pacer.take(authorization)
        self.health.requests += 1
        exchange = self._transport.send(request)
        self.pacer.learn(authorization, exchange.response, exchange.started)
        return exchange

    def send_simultaneously(self, requests: Sequence[Request]) -> list[Exchange]:
        """Send all requests at the same moment."""
        for authorization, count in Counter(map(authorization_of, requests)).items():
            self.pacer.take(authorization, count)
        self.health.requests += len(requests)
        exchanges = self._transport.send_simultaneously(requests)
        self.health.transit_failures += sum(failed_in_transit(exchange) for exchange in exchanges)
        for exchange in exchanges:
            sender = authorization_of(exchange.request)
            self.pacer.learn(sender, exchange.response, exchange.started)
        return exchanges

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()


def authorization_of(request: Request) -> str | None:
    """The Authorization header. Each of its values has a rate budget of its own."""
    return header(request.headers, "authorization")


class Channel:
    """The transport, together with the spec, the secrets and the recorder of one test."""

    def __init__(
        self,
        transport: PacedTransport,
        spec: Spec,
        redactor: Redactor,
        recorder: Recorder,
        players: Players | None = None,
    ) -> None:
        self.transport = transport
        self.players = players
        self.spec = spec
        self.redactor = redactor
        self.recorder = recorder

    def send(self, request: Request) -> Exchange:
        """Send once. Judge the response, record the redacted exchange, and return it."""
        named = self._note(request)
        exchange, place = self.transport.send(request), PLACE.get()
        if place is not None:
            exchange = replace(exchange, place=place)
        redacted = self._record(exchange, named)
        self._judge(exchange)
        return redacted

    def send_simultaneously(self, requests: Sequence[Request]) -> list[Exchange]:
        """Send requests at the same moment; judge and record each as `send` does."""
        named = [self._note(request) for request in requests]
        group = new_group()
        exchanges = [
            replace(exchange, place=Place(group, lane))
            for lane, exchange in enumerate(self.transport.send_simultaneously(requests))
        ]
        redacted = [self._record(*pair) for pair in zip(exchanges, named, strict=True)]
        for exchange in exchanges:  # a breach in any of them has all of them as evidence
            self._judge(exchange)
        return redacted

    def _note(self, request: Request) -> frozenset[Player]:
        self.recorder.remarks.note(request)
        if self.players is None:
            return frozenset()
        return self.players.sending(self.spec.operations.get(request.operation), request)

    def _record(self, exchange: Exchange, named: frozenset[Player]) -> Exchange:
        if self.players is not None:
            self.players.answered(named, exchange)
        redacted = self.redactor.exchange(exchange)
        self.recorder.add(redacted)
        return redacted

    def _judge(self, exchange: Exchange) -> None:
        operation = self.spec.operations.get(exchange.request.operation)
        if operation is not None and exchange.response is not None:
            for breach in (
                *judge(operation, exchange.request, exchange.response, self.redactor),
                *self.recorder.remarks.judge(operation, exchange),
            ):
                self.recorder.add_breach(breach)

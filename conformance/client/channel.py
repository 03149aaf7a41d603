"""Sends requests as they are, and sees to it that each is judged, redacted and recorded."""

from collections import Counter
from collections.abc import Sequence

from conformance import __version__
from conformance.client.created_players import Player, Players
from conformance.client.network_health import Path, failed_in_transit
from conformance.client.rate_limit import Pacer
from conformance.client.recorder import Recorder
from conformance.contract.exchange_rules import judge
from conformance.contract.openapi import Spec
from conformance.http.exchange import Exchange, Request, header
from conformance.http.limits import IDLE_SECONDS
from conformance.http.redaction import Redactor
from conformance.http.transport import USUALLY, Connecting, Transport

USUAL_HEADERS = (
    ("User-Agent", f"kraty-conformance/{__version__}"),
    ("Accept-Encoding", "gzip"),
)


class Wire:
    """The way to one server that all tests of a process share. Any thread may send."""

    def __init__(
        self,
        base_url: str,
        pacer: Pacer | None = None,
        idle: float = IDLE_SECONDS,
        connecting: Connecting = USUALLY,
    ) -> None:
        self.base_url = base_url
        self.pacer = pacer or Pacer()
        self.path = Path()
        self.transport = Transport(base_url, USUAL_HEADERS, idle, connecting)

    def send(self, request: Request) -> Exchange:
        """Send once, as soon as the budget of its key allows it."""
        authorization = authorization_of(request)
        self.pacer.take(authorization)
        self.path.requests += 1
        exchange = self.transport.send(request)
        self.pacer.learn(authorization, exchange.response)
        return exchange

    def volley(self, requests: Sequence[Request]) -> list[Exchange]:
        """Send all at the same moment."""
        for authorization, count in Counter(map(authorization_of, requests)).items():
            self.pacer.take(authorization, count)
        self.path.requests += len(requests)
        exchanges = self.transport.send_simultaneously(requests)
        self.path.transit_failures += sum(failed_in_transit(exchange) for exchange in exchanges)
        for exchange in exchanges:
            self.pacer.learn(authorization_of(exchange.request), exchange.response)
        return exchanges

    def close(self) -> None:
        """Close the connections."""
        self.transport.close()


def authorization_of(request: Request) -> str | None:
    """The header that says whose budget a request is taken from."""
    return header(request.headers, "authorization")


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

"""Sends requests as they are, and sees to it that each is judged, redacted and recorded."""

import time
from collections import Counter
from collections.abc import Sequence
from http.cookiejar import CookieJar, DefaultCookiePolicy
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx

from conformance.bounds import IDLE_SECONDS, BadCodingError, BoundedTransport, TooLongError, whole
from conformance.exchange import Exchange, Redactor, Request, Response, header
from conformance.pacing import Pacer
from conformance.path import Path, troubled
from conformance.players import Player, Players
from conformance.recorder import Recorder
from conformance.rules import judge
from conformance.spec import Spec
from conformance.volley import fire

PATH_FAILURES = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    TimeoutError,
    OSError,
    TooLongError,
    BadCodingError,
)


class Wire:
    """One pool of connections to one server. `send` may be called from many threads."""

    def __init__(
        self, base_url: str, pacer: Pacer | None = None, idle: float = IDLE_SECONDS
    ) -> None:
        self.base_url = base_url
        self.pacer = pacer or Pacer()
        self.path = Path()
        self._client = httpx.Client(
            transport=BoundedTransport(proxy_of(base_url)),
            timeout=idle,
            follow_redirects=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            headers={"Accept-Encoding": "gzip"},
        )
        self._url = httpx.URL(base_url)
        self._prefix = urlsplit(base_url).path

    def send(self, request: Request) -> Exchange:
        """Send once. An `Exchange` with an error instead of a response where the path failed."""
        authorization = authorization_of(request)
        self.pacer.take(authorization)
        self.path.requests += 1
        started, clock = time.time(), time.perf_counter()
        response, error = None, None
        try:
            with self._client.stream(
                request.method,
                self._url.copy_with(raw_path=(self._prefix + request.target).encode("ascii")),
                headers=[(name.encode(), value.encode()) for name, value in request.headers],
                content=request.body or None,
            ) as answer:
                headers = tuple(
                    (name.decode("latin-1"), value.decode("latin-1"))
                    for name, value in answer.headers.raw
                )
                response = Response(answer.status_code, headers, whole(answer))
        except PATH_FAILURES as failure:
            error = f"{type(failure).__name__}: {failure}"
        self.pacer.learn(authorization, response)
        return Exchange(request, response, error, started, time.perf_counter() - clock)

    def volley(self, requests: Sequence[Request]) -> list[Exchange]:
        """Send all at the same moment."""
        for authorization, count in Counter(map(authorization_of, requests)).items():
            self.pacer.take(authorization, count)
        self.path.requests += len(requests)
        exchanges = fire(self.base_url, requests)
        self.path.troubles += sum(troubled(exchange) for exchange in exchanges)
        for exchange in exchanges:
            self.pacer.learn(authorization_of(exchange.request), exchange.response)
        return exchanges

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def authorization_of(request: Request) -> str | None:
    """The header that says whose budget a request is taken from."""
    return header(request.headers, "authorization")


def proxy_of(base_url: str) -> str | None:
    """The forward proxy that the environment asks for; none for this machine itself."""
    parts = urlsplit(base_url)
    if parts.hostname in ("127.0.0.1", "localhost", "::1") or proxy_bypass(parts.hostname or ""):
        return None
    return getproxies().get(parts.scheme)


class Line:
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

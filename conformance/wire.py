"""Sends requests as they are, and sees to it that each is judged, redacted and recorded."""

import time
from collections.abc import Sequence
from urllib.parse import urlsplit

import httpx

from conformance.exchange import Exchange, Redactor, Request, Response
from conformance.recorder import Recorder
from conformance.rules import judge
from conformance.spec import Spec
from conformance.volley import fire

TIMEOUT_SECONDS = 10.0
CONNECTIONS = 64
KEEP_ALIVE_SECONDS = 2.0
"""Shorter than servers keep an idle connection, so that none is dropped under a request."""


class Wire:
    """One pool of connections to one server. `send` may be called from many threads."""

    def __init__(self, base_url: str, timeout: float = TIMEOUT_SECONDS) -> None:
        self.base_url = base_url
        loopback = urlsplit(base_url).hostname in ("127.0.0.1", "localhost", "::1")
        self._client = httpx.Client(
            timeout=timeout,
            follow_redirects=False,
            trust_env=not loopback,
            limits=httpx.Limits(
                max_connections=CONNECTIONS,
                max_keepalive_connections=CONNECTIONS,
                keepalive_expiry=KEEP_ALIVE_SECONDS,
            ),
        )
        self._url = httpx.URL(base_url)
        self._prefix = urlsplit(base_url).path

    def send(self, request: Request) -> Exchange:
        """Send once. An `Exchange` with an error instead of a response where the path failed."""
        started, clock = time.time(), time.perf_counter()
        response, error = None, None
        try:
            answer = self._client.request(
                request.method,
                self._url.copy_with(raw_path=(self._prefix + request.target).encode("ascii")),
                headers=[(name.encode(), value.encode()) for name, value in request.headers],
                content=request.body or None,
            )
            headers = tuple(
                (name.decode("latin-1"), value.decode("latin-1"))
                for name, value in answer.headers.raw
            )
            response = Response(answer.status_code, headers, answer.content)
        except (httpx.TransportError, httpx.DecodingError) as failure:
            error = f"{type(failure).__name__}: {failure}"
        return Exchange(request, response, error, started, time.perf_counter() - clock)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


class Line:
    """A wire together with the spec, the secrets and the recorder of one test."""

    def __init__(self, wire: Wire, spec: Spec, redactor: Redactor, recorder: Recorder) -> None:
        self.wire = wire
        self.spec = spec
        self.redactor = redactor
        self.recorder = recorder

    def send(self, request: Request) -> Exchange:
        """Send, judge what came (HTTP-1, HTTP-2, ERR-1 …), record it redacted and return that."""
        return self._take(self.wire.send(request))

    def volley(self, requests: Sequence[Request]) -> list[Exchange]:
        """Send requests at the same moment; judge and record each as `send` does."""
        return [self._take(exchange) for exchange in fire(self.wire.base_url, requests)]

    def _take(self, exchange: Exchange) -> Exchange:
        redacted = self.redactor.exchange(exchange)
        self.recorder.add(redacted)
        operation = self.spec.operations.get(exchange.request.operation)
        if operation is not None and exchange.response is not None:
            for breach in judge(operation, exchange.request, exchange.response, self.redactor):
                self.recorder.find(breach)
        return redacted

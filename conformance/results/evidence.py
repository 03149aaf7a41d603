"""Exchanges as results keep them: redacted, readable, of bounded size."""

import msgspec

from conformance.http.exchange import Exchange, Headers

MAX_TEXT = 20_000
MAX_EXCHANGES = 30


class ShownExchange(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One exchange; `curl` is a command that repeats its request, None for a very long one.

    `status` is None where there was no response; then `error` says why. `started_at` is in seconds
    since the epoch.
    """

    operation: str
    method: str
    target: str
    request_headers: Headers
    request_body: str
    status: int | None
    response_headers: Headers
    response_body: str
    error: str | None
    started_at: float
    seconds: float
    curl: str | None

    @property
    def ending(self) -> str:
        """The status, or why there is none."""
        return str(self.status or self.error)


def evidence(exchanges: tuple[Exchange, ...], base_url: str) -> tuple[ShownExchange, ...]:
    """The exchanges for `results.json`; of many the last `MAX_EXCHANGES`."""
    return tuple(shown(exchange, base_url) for exchange in exchanges[-MAX_EXCHANGES:])


def shown(exchange: Exchange, base_url: str) -> ShownExchange:
    """One exchange, with a curl command that repeats its request."""
    request, response = exchange.request, exchange.response
    return ShownExchange(
        operation=request.operation,
        method=request.method,
        target=request.target,
        request_headers=_cut(request.headers),
        request_body=text(request.body),
        status=response.status if response else None,
        response_headers=_cut(response.headers) if response else (),
        response_body=text(response.body) if response else "",
        error=exchange.error,
        started_at=exchange.started,
        seconds=round(exchange.seconds, 6),
        curl=request.curl(base_url) if len(request.body) <= MAX_TEXT else None,
    )


def _cut(headers: Headers) -> Headers:
    return tuple((name, value[:MAX_TEXT]) for name, value in headers)


def text(body: bytes) -> str:
    """A body for reading: undecodable bytes are escaped, a long one is cut."""
    decoded = body[: MAX_TEXT + 1].decode("utf-8", "backslashreplace")
    if len(body) <= MAX_TEXT:
        return decoded
    return f"{decoded[:MAX_TEXT]}… ({len(body)} bytes in all)"

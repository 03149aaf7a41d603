"""Exchanges in the document: redacted, readable, of limited size."""

import msgspec

from conformance.http.exchange import Exchange, Headers

MAX_TEXT = 20_000
MAX_EXCHANGES = 30


class ShownExchange(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One exchange.

    `status` is None if there was no response; then `error` says why. `started_at` is in seconds
    since the epoch. `curl` is a command that repeats the request; None if that is very long.
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
    """The last `MAX_EXCHANGES` exchanges, for the document."""
    return tuple(shown(exchange, base_url) for exchange in exchanges[-MAX_EXCHANGES:])


def shown(exchange: Exchange, base_url: str) -> ShownExchange:
    """One exchange, for the document."""
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
    """A body as text: bytes that are not UTF-8 are escaped, and a long text is cut."""
    decoded = body[: MAX_TEXT + 1].decode("utf-8", "backslashreplace")
    if len(body) <= MAX_TEXT:
        return decoded
    return f"{decoded[:MAX_TEXT]}… ({len(body)} bytes in all)"

"""Exchanges in the document: redacted, readable, of limited size."""

import hashlib
from collections.abc import Callable

import msgspec

from conformance.http.exchange import Exchange, Headers

MAX_TEXT = 20_000
MAX_EXCHANGES = 1500
"""Of one check; a longer one says how many earlier exchanges it leaves out."""
BODIES = "bodies"
"""The folder, beside the results, of bodies that the document does not hold exactly."""


class ShownExchange(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One exchange.

    `status` is None if there was no response; then `error` says why. `started_at` is in seconds
    since the epoch. `curl` is a command that repeats the request; None if that is very long.
    Exchanges of one `group` were simultaneous, but for those of one `lane`, which followed each
    other. `request_file` and `response_file` name a file in the folder `bodies` where the text of
    the body is cut, or is not what was sent.
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
    group: int | None = None
    lane: int | None = None
    request_file: str | None = None
    response_file: str | None = None

    @property
    def ending(self) -> str:
        """The status, or why there is none."""
        return str(self.status or self.error)


Keep = Callable[[str, bytes], None]
"""Keeps a body under a name."""


def evidence(
    exchanges: tuple[Exchange, ...], base_url: str, keep: Keep
) -> tuple[ShownExchange, ...]:
    """The last `MAX_EXCHANGES` exchanges, for the document."""
    return tuple(shown(exchange, base_url, keep) for exchange in exchanges[-MAX_EXCHANGES:])


def shown(exchange: Exchange, base_url: str, keep: Keep) -> ShownExchange:
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
        group=exchange.place and exchange.place.group,
        lane=exchange.place and exchange.place.lane,
        request_file=_kept(request.body, keep),
        response_file=_kept(response.body, keep) if response else None,
    )


def _kept(body: bytes, keep: Keep) -> str | None:
    """The name under which a body is kept that its text does not hold exactly."""
    if text(body).encode() == body:
        return None
    name = hashlib.sha256(body).hexdigest()[:16]
    keep(name, body)
    return name


def _cut(headers: Headers) -> Headers:
    return tuple((name, value[:MAX_TEXT]) for name, value in headers)


def text(body: bytes) -> str:
    """A body as text: bytes that are not UTF-8 are escaped, and a long text is cut."""
    decoded = body[: MAX_TEXT + 1].decode("utf-8", "backslashreplace")
    if len(body) <= MAX_TEXT:
        return decoded
    return f"{decoded[:MAX_TEXT]}… ({len(body)} bytes in all)"

"""Exchanges as results keep them: redacted, readable, of bounded size."""

from typing import Any

from conformance.http.exchange import Exchange, Headers

MAX_TEXT = 20_000
MAX_EXCHANGES = 30


def evidence(exchanges: tuple[Exchange, ...], base_url: str) -> list[dict[str, Any]]:
    """Plain values for `results.json`; of many exchanges the last `MAX_EXCHANGES`."""
    return [shown(exchange, base_url) for exchange in exchanges[-MAX_EXCHANGES:]]


def shown(exchange: Exchange, base_url: str) -> dict[str, Any]:
    """One exchange, with a curl command that repeats its request."""
    request, response = exchange.request, exchange.response
    return {
        "operation": request.operation,
        "method": request.method,
        "target": request.target,
        "requestHeaders": pairs(request.headers),
        "requestBody": text(request.body),
        "status": response.status if response else None,
        "responseHeaders": pairs(response.headers) if response else [],
        "responseBody": text(response.body) if response else "",
        "error": exchange.error,
        "startedAt": exchange.started,
        "seconds": round(exchange.seconds, 6),
        "curl": request.curl(base_url) if len(request.body) <= MAX_TEXT else None,
    }


def pairs(headers: Headers) -> list[list[str]]:
    """Headers as lists of name and value."""
    return [[name, value[:MAX_TEXT]] for name, value in headers]


def text(body: bytes) -> str:
    """A body for reading: undecodable bytes are escaped, a long one is cut."""
    decoded = body[: MAX_TEXT + 1].decode("utf-8", "backslashreplace")
    if len(body) <= MAX_TEXT:
        return decoded
    return f"{decoded[:MAX_TEXT]}… ({len(body)} bytes in all)"

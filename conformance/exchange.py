"""What went over the wire: requests, responses, and how they are shown."""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain
from typing import Any

SHORTEST_SECRET = 8
"""A shorter text stands in responses by chance."""
_MASK = re.compile(r"\[(\w+) key\]")
Headers = tuple[tuple[str, str], ...]


def header(headers: Headers, name: str) -> str | None:
    """The first header of this name, in any case of letters."""
    wanted = name.lower()
    for key, value in headers:
        if key.lower() == wanted:
            return value
    return None


@dataclass(frozen=True)
class Request:
    """A request as it is sent. `target` is the encoded path with its query."""

    operation: str
    method: str
    target: str
    headers: Headers
    body: bytes

    def curl(self, base_url: str) -> str:
        """A shell command that sends the same; keys come from the environment."""
        parts = ["curl", "-i", "-X", self.method, shlex.quote(base_url + self.target)]
        for name, value in self.headers:
            masked = _MASK.search(value)
            if masked:
                scheme = value[: masked.start()].strip()
                parts += ["-H", f'"{name}: {scheme} $KRATY_{masked[1].upper()}_KEY"']
            else:
                parts += ["-H", shlex.quote(f"{name}: {value}")]
        if self.body:
            text = self.body.decode("utf-8", "backslashreplace")
            parts += ["--data-binary", shlex.quote(text)]
        return " ".join(parts)


@dataclass(frozen=True)
class Response:
    """A response as it came; the body is decoded from its transfer and content codings."""

    status: int
    headers: Headers
    body: bytes

    @cached_property
    def json(self) -> Any:
        """The body as JSON; ValueError for whatever is none (NaN and Infinity are none)."""
        try:
            return _STRICT.decode(self.body.decode("utf-8"))
        except RecursionError:
            raise ValueError("nested too deep") from None

    @cached_property
    def media_type(self) -> str:
        """The content type without its parameters, in lower case."""
        return (header(self.headers, "content-type") or "").partition(";")[0].strip().lower()


@dataclass(frozen=True)
class Exchange:
    """A request and what became of it. `started` is seconds since the epoch.

    `retried` tells that an earlier try of the same request met a failing path, so that it may
    have reached the server before.
    """

    request: Request
    response: Response | None
    error: str | None
    started: float
    seconds: float
    retried: bool = False

    def describe(self) -> str:
        """One line: method, target and status."""
        ending = str(self.response.status) if self.response else self.error
        return f"{self.request.method} {self.request.target} -> {ending}"


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_STRICT = json.JSONDecoder(parse_constant=_no_constant)


class Redactor:
    """Takes the secrets of a run out of everything that is kept or shown.

    A key is shown as its role in brackets, a secret alone likewise. An `Authorization` that holds
    no key of the run is shown by its scheme only: it may be a key with one letter changed.
    """

    def __init__(self, tokens: Mapping[str, str]) -> None:
        masks = {
            secret: f"[{role} key]"
            for role, token in tokens.items()
            for secret in (token, _secret(token))
            if len(secret) >= SHORTEST_SECRET
        }
        self._masks = dict(sorted(masks.items(), key=lambda pair: len(pair[0]), reverse=True))
        self._secrets = [(secret.encode(), mask.encode()) for secret, mask in self._masks.items()]
        # A text without these is without the others, which contain one of them.
        self._parts = [part for part in masks if not any(o in part for o in masks if o != part)]
        self._encoded_parts = [part.encode() for part in self._parts]
        self._seen: tuple[Response | None, bool] = (None, False)
        # A client sends the same few headers again and again.
        self._request_headers = lru_cache(256)(self._headers)

    def _is_in(self, value: bytes) -> bool:
        return any(part in value for part in self._encoded_parts)

    def text(self, value: str) -> str:
        """The text without any secret, and without lone surrogates: no file could hold them."""
        if not value.isascii():
            value = value.encode("utf-8", "backslashreplace").decode()
        if any(part in value for part in self._parts):
            for secret, mask in self._masks.items():
                value = value.replace(secret, mask)
        return value

    def bytes(self, value: bytes) -> bytes:
        """The bytes without any secret."""
        if self._is_in(value):
            for secret, mask in self._secrets:
                value = value.replace(secret, mask)
        return value

    def leaks(self, response: Response) -> bool:
        """Whether the response shows a secret (AUTH-6)."""
        seen, known = self._seen  # it is asked twice, to redact the response and to judge it
        if seen is response:
            return known
        head = "\n".join(chain(*response.headers)).encode()
        leaks = self._is_in(b"\n".join([head, response.body]))
        self._seen = (response, leaks)
        return leaks

    def exchange(self, exchange: Exchange) -> Exchange:
        """The exchange without any secret."""
        request, response = exchange.request, exchange.response
        return Exchange(
            Request(
                request.operation,
                request.method,
                self.text(request.target),
                self._request_headers(request.headers),
                self.bytes(request.body),
            ),
            response and self._response(response),
            exchange.error and self.text(exchange.error),
            exchange.started,
            exchange.seconds,
            exchange.retried,
        )

    def _response(self, response: Response) -> Response:
        if not self.leaks(response) and header(response.headers, "authorization") is None:
            return response
        return Response(response.status, self._headers(response.headers), self.bytes(response.body))

    def _headers(self, headers: Headers) -> Headers:
        return tuple((self.text(name), self._header(name, value)) for name, value in headers)

    def _header(self, name: str, value: str) -> str:
        clean = self.text(value)
        if name.lower() == "authorization" and clean == value and value:
            return f"{value.partition(' ')[0][:20]} [not a key of the run]"
        return clean


def _secret(token: str) -> str:
    """The part of a key that nobody may see: what stands behind the first dot."""
    return token.partition(".")[2] or token

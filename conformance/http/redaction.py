"""Takes secrets out of whatever is kept or shown."""

from collections.abc import Mapping
from functools import lru_cache
from itertools import chain

from conformance.http.exchange import Exchange, Headers, Request, Response, header

SHORTEST_SECRET = 8
"""A shorter text stands in responses by chance."""


ZEROS = "0" * 32
"""What a wrong key may have for its secret."""


class Redactor:
    """Takes the secrets of a run out of everything that is kept or shown.

    A key is shown as its role in brackets, a secret alone likewise. An `Authorization` that holds
    no key of the run is shown by its scheme and by how it was made from a key, as far as that is
    known: it may be a key with one letter changed.
    """

    def __init__(self, tokens: Mapping[str, str]) -> None:
        masks = {
            secret: f"[{role} key]"
            for role, token in tokens.items()
            for secret in (token, _secret(token))
            if len(secret) >= SHORTEST_SECRET
        }
        self._wrong = {
            wrong: f"[{role} key, {how}]"
            for role, token in tokens.items()
            for how, wrong in _wrong_keys(token).items()
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
            exchange.place,
        )

    def _response(self, response: Response) -> Response:
        if not self.leaks(response) and header(response.headers, "authorization") is None:
            return response
        return Response(response.status, self._headers(response.headers), self.bytes(response.body))

    def _headers(self, headers: Headers) -> Headers:
        return tuple((self.text(name), self._header(name, value)) for name, value in headers)

    def _header(self, name: str, value: str) -> str:
        clean = self.text(value)
        if name.lower() != "authorization" or not value:
            return clean
        scheme, _, credential = value.partition(" ")
        if credential in self._wrong or clean == value:
            return f"{scheme[:20]} {self._wrong.get(credential, '[not a key of the run]')}"
        return clean


def _wrong_keys(token: str) -> dict[str, str]:
    """Wrong keys that are made from a key, by how they are made."""
    prefix, dot, secret = token.partition(".")
    behind = {"secret only": secret, "empty secret": prefix + dot, "zeros": f"{prefix}.{ZEROS}"}
    return {
        "other case": token.swapcase(),
        "other last character": token[:-1] + ("b" if token.endswith("a") else "a"),
        "cut short": token[:-1],
        "prefix only": prefix,
        **(behind if dot else {}),
    }


def _secret(token: str) -> str:
    """The part of a key that nobody may see: what stands behind the first dot."""
    return token.partition(".")[2] or token

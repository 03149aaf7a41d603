"""What went over the wire: requests, responses, and how they are shown."""

import json
import re
import shlex
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

_MASK = re.compile(r"\[(\w+) key\]")
GATEWAY_STATUSES = frozenset([502, 503, 504])
"""Sent by a gateway that does not reach the API: one of them alone accuses nobody."""
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
            if _MASK.search(value):
                text = re.sub(r'(["\\$`])', r"\\\1", value)
                expanded = _MASK.sub(lambda mask: f"$KRATY_{mask[1].upper()}_KEY", text)
                parts += ["-H", f'"{name}: {expanded}"']
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


class Place(NamedTuple):
    """Where an exchange stands among simultaneous ones.

    Those of one `group` are simultaneous, but for those of one `lane`, which follow each other.
    """

    group: int
    lane: int


@dataclass(frozen=True)
class Exchange:
    """A request and what became of it. `started` is seconds since the epoch.

    `retried` tells that an earlier try of the same request met a failing path, so that it may
    have reached the server before. `place` is set for simultaneous exchanges.
    """

    request: Request
    response: Response | None
    error: str | None
    started: float
    seconds: float
    retried: bool = False
    place: Place | None = None

    @property
    def status(self) -> int | None:
        """The status; None where there is no response."""
        return self.response.status if self.response else None

    def describe(self) -> str:
        """One line: method, target and status."""
        ending = self.status or self.error
        return f"{self.request.method} {self.request.target} -> {ending}"


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_STRICT = json.JSONDecoder(parse_constant=_no_constant)

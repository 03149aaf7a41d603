"""Finds values that the server made and that later requests send: a script reads them anew."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from conformance.results.evidence import ShownExchange

MADE = re.compile(r"(?=.*\d)[A-Za-z0-9_.:~-]{8,}", re.ASCII)
"""Ids and cursors; words such as `pending` are not made for one run."""
BEGINNING = 0.6
"""A request may send an id with its end changed: so much of it must be the same."""
MOMENT = re.compile(r'(?<=")\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ(?=")')
DAY = 86_400
NEAR = 400 * DAY
"""A date-time within so many seconds of the run was computed from its start."""


@dataclass(frozen=True)
class Extraction:
    """A shell variable that holds a member of an earlier answer; `path` leads to it."""

    variable: str
    number: int
    path: tuple[str | int, ...]


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Each text in a JSON value with its path."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from leaves(part, (*path, name))
    elif isinstance(value, list):
        for place, part in enumerate(value):
            yield from leaves(part, (*path, place))
    elif isinstance(value, str):
        yield value, path


def texts_of(exchange: ShownExchange) -> str:
    """All that a request says, in one text."""
    values = "\n".join(value for _, value in exchange.request_headers)
    return f"{exchange.target}\n{unquote(exchange.target)}\n{exchange.request_body}\n{values}"


def extractions(
    exchanges: Sequence[ShownExchange], prefix: str
) -> tuple[dict[str, str], list[Extraction]]:
    """Shell expansions by the texts that they replace, and the variables in them."""
    expansions: dict[str, str] = {}
    found: dict[str, Extraction] = {}
    known: dict[str, tuple[int, tuple[Any, ...]]] = {}
    said = ""
    for number, exchange in enumerate(exchanges, 1):
        text = texts_of(exchange)
        for value, (origin, path) in known.items():
            sent = _sent(value, text)
            if sent is None or (sent in said and value not in found):
                continue
            if value not in found:
                found[value] = Extraction(f"ID{len(found) + 1}", origin, path)
            end = "" if sent == value else f"%{'?' * (len(value) - len(sent))}"
            expansions[sent] = f"${{{found[value].variable}{end}}}"
        said += text
        for value, path in _made(exchange, prefix):
            if value not in said:
                known.setdefault(value, (number, path))
    return expansions, list(found.values())


def _made(exchange: ShownExchange, prefix: str) -> Iterator[tuple[str, tuple[Any, ...]]]:
    try:
        body = json.loads(exchange.response_body)
    except (ValueError, RecursionError):
        return
    for value, path in leaves(body):
        if MADE.fullmatch(value) and prefix not in value:
            yield value, path


def _sent(value: str, text: str) -> str | None:
    """The value, or its beginning, if the text has it."""
    if value in text:
        return value
    shortest = max(8, round(len(value) * BEGINNING))
    if len(value) < 16 or value[:shortest] not in text:
        return None
    return next(value[:n] for n in range(len(value) - 1, 0, -1) if value[:n] in text)


def moments(exchanges: Iterable[ShownExchange]) -> dict[str, int]:
    """Date-times in requests that were computed from the time, with the seconds from then."""
    found = {}
    for exchange in exchanges:
        for text in MOMENT.findall(exchange.request_body):
            try:
                seconds = datetime.fromisoformat(text).timestamp() - exchange.started_at
            except ValueError:
                continue
            if abs(seconds) < NEAR:
                found[text] = round(seconds)
    return found


def literals(exchanges: Iterable[ShownExchange], hidden: Iterable[str]) -> set[str]:
    """The texts that requests send, but for those that the server made."""
    found = set()
    for exchange in exchanges:
        found |= {unquote(part) for part in re.split(r"[/?&=]", exchange.target)}
        try:
            found |= {value for value, _ in leaves(json.loads(exchange.request_body))}
        except (ValueError, RecursionError):
            continue
    return {text for text in found if text and not any(made in text for made in hidden)}

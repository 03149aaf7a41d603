"""`report.html`: one file without a network, made from the results by a template.

What the page shows is prepared here: bounded in size, pretty-printed, and with nothing in it that
could steer a browser or a reader. The template escapes everything.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from itertools import groupby
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

SYMBOLS = {
    "passed": "✓",
    "failed": "✗",
    "known_failure": "≈",
    "warned": "!",
    "inconclusive": "?",
    "blocked": "⊘",
    "not_exercised": "–",
}
TELLING = ("failed", "known_failure", "warned", "inconclusive", "blocked")
"""Outcomes that the page shows with their exchanges."""
MAX_CHECKS = 5
"""Checks of a requirement that are shown with exchanges; the others by their message."""
MAX_EXCHANGES = 8
MAX_BODY = 4000
MAX_OPENED = 10
"""Requirements that are open when the page opens."""


@cache
def _template(name: str) -> Template:
    environment = Environment(
        loader=PackageLoader("conformance.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["visible"] = visible
    environment.filters["words"] = lambda text: text.replace("_", " ")
    return environment.get_template(name)


def render_template(name: str, **values: Any) -> str:
    """A page from a template of this package, with everything escaped."""
    return _template(name).render(**values)


def render_html(document: dict[str, Any]) -> str:
    """The page of one run."""
    rows = document["requirements"]
    telling = [row["id"] for row in rows if row["outcome"] in TELLING]
    families = [(family, list(found)) for family, found in groupby(rows, key=_family)]
    first = [("What did not pass", [row for row in rows if row["outcome"] in TELLING])]
    others = [(f, [row for row in found if row["id"] not in telling]) for f, found in families]
    return render_template(
        "report.html.j2",
        document=document,
        families=families,
        groups=[(title, found) for title, found in first + others if found],
        symbols=SYMBOLS,
        evidence={row["id"]: evidence_of(row) for row in rows},
        opened=set(telling[:MAX_OPENED]),
        missing=missing_of(rows),
        heat=heat_of(document["traffic"]),
        chart=chart_of(document["timeline"]),
        operations=[row["operation"] for row in document["traffic"]],
    )


def _family(row: dict[str, Any]) -> str:
    return str(row["family"])


@dataclass(frozen=True)
class Shown:
    """An exchange as the page shows it: bodies as lines, each with whether it is marked."""

    title: str
    status: str
    milliseconds: float
    marked: bool
    request: list[tuple[str, bool]]
    response: list[tuple[str, bool]]
    curl: str | None


def evidence_of(row: dict[str, Any]) -> list[tuple[dict[str, Any], list[Shown]]]:
    """The telling checks of a requirement, the shortest first, a few with their exchanges."""
    if row["outcome"] not in TELLING:
        return []
    telling = [check for check in row["checks"] if check["outcome"] == row["outcome"]]
    telling.sort(key=lambda check: len(check["exchanges"]))
    return [
        (check, shown_of(check) if place < MAX_CHECKS else [])
        for place, check in enumerate(telling)
    ]


def shown_of(check: dict[str, Any]) -> list[Shown]:
    """The last exchanges of a check; in the very last, what differs is marked."""
    exchanges = check["exchanges"][-MAX_EXCHANGES:]
    return [shown(exchange, check, last=exchange is exchanges[-1]) for exchange in exchanges]


def shown(exchange: dict[str, Any], check: dict[str, Any], *, last: bool) -> Shown:
    """One exchange for reading."""
    status = str(exchange["status"] or exchange["error"])
    received = f"{check['received'] or ''}"
    differs = partial(differing, check) if last else _never
    return Shown(
        title=visible(f"{exchange['method']} {exchange['target']}")[:500],
        status=visible(status)[:200],
        milliseconds=exchange["seconds"] * 1000,
        marked=last and received.startswith(f"status {exchange['status']}"),
        request=[
            *_plain(f"{exchange['method']} {exchange['target']}", exchange["requestHeaders"]),
            *body_lines(exchange["requestBody"], _never),
        ],
        response=[
            *_plain(status, exchange["responseHeaders"]),
            *body_lines(exchange["responseBody"], differs),
        ],
        curl=exchange["curl"] and visible(exchange["curl"]),
    )


def _plain(first: str, headers: list[list[str]]) -> list[tuple[str, bool]]:
    lines = [first, *(f"{name}: {value}" for name, value in headers), ""]
    return [(visible(line)[:MAX_BODY], False) for line in lines]


def body_lines(body: str, differs: Callable[[str], bool]) -> list[tuple[str, bool]]:
    """A body line by line, JSON pretty-printed, each with whether it is marked."""
    try:
        text = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        text = body
    if len(text) > MAX_BODY:
        text = f"{text[:MAX_BODY]}… (cut; the whole is in exchanges.har)"
    return [(visible(line), differs(line)) for line in text.splitlines()]


def _never(line: str) -> bool:
    del line
    return False


def differing(check: dict[str, Any], line: str) -> bool:
    """Whether a line of JSON is what differs.

    That is: a member that the expectation names (`status 'merged', toPlayerId 'p'`), or one with
    the very value that was received.
    """
    found = re.match(r'\s*"([^"]+)": (.*?),?$', line)
    if not found:
        return False
    expected, received = check["expected"] or "", check["received"] or ""
    named = re.search(rf"\b{re.escape(found[1])}\b", expected)
    return bool(named) or found[2].strip('"') == received.strip("'")


def visible(text: str) -> str:
    """Text that shows what it holds: what steers a terminal or turns the line is escaped."""
    return "".join(
        c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text
    )


def missing_of(rows: list[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """Why requirements were not exercised, and which: each reason once."""
    reasons: dict[str, list[str]] = {}
    for row in rows:
        for check in row["checks"] or [{"outcome": "not_exercised", "message": row["reason"]}]:
            if check["outcome"] == "not_exercised" and row["outcome"] == "not_exercised":
                ids = reasons.setdefault(str(check["message"]), [])
                ids.extend([row["id"]] if row["id"] not in ids else [])
    return list(reasons.items())


def heat_of(traffic: list[dict[str, Any]]) -> tuple[list[str], list[dict[str, Any]]]:
    """The statuses that are documented or came, and for each operation what came how often."""
    endings = {ending for row in traffic for ending in (*row["documented"], *row["endings"])}
    columns = sorted(endings, key=lambda ending: (not ending.isdigit(), ending))
    return columns, [
        {
            "operation": row["operation"],
            "cells": [_heat_cell(row, ending) for ending in columns],
            "latencies": row["latencies"],
            "most": max(row["latencies"], default=0),
        }
        for row in traffic
    ]


def _heat_cell(row: dict[str, Any], ending: str) -> dict[str, Any]:
    count, documented = row["endings"].get(ending, 0), ending in row["documented"]
    kind = "documented" if documented else "undocumented"
    return {"count": count, "documented": documented, "kind": kind if count or documented else ""}


def chart_of(timeline: list[dict[str, Any]]) -> dict[str, Any]:
    """Bars of requests a second and lines of what remained, in a box of 1000 by 100."""
    if not timeline:
        return {"bars": [], "lines": {}, "seconds": 0, "most": 0}
    seconds = max(point["second"] for point in timeline) + 1
    most = max(point["requests"] for point in timeline)
    width = 1000 / seconds
    bars = [
        (round(p["second"] * width, 2), round(width, 2), round(100 * p["requests"] / most, 1))
        for p in timeline
    ]
    roles = {role for point in timeline for role in point["remaining"]}
    return {
        "bars": bars,
        "lines": {role: _line(timeline, role, width) for role in sorted(roles)},
        "seconds": seconds,
        "most": most,
    }


def _line(timeline: list[dict[str, Any]], role: str, width: float) -> dict[str, Any]:
    known = [(p["second"], p["remaining"][role]) for p in timeline if role in p["remaining"]]
    top = max(remaining for _, remaining in known) or 1
    points = " ".join(
        f"{(second + 0.5) * width:.1f},{100 - 100 * remaining / top:.1f}"
        for second, remaining in known
    )
    return {"points": points, "top": top, "least": min(remaining for _, remaining in known)}

"""`report.html`: one file that needs no network, made from the results by a template.

This module cuts and pretty-prints what the page shows, and makes control characters visible. The
template escapes everything.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from conformance.http.exchange import Headers
from conformance.http.traffic import Moment
from conformance.report.folding import (
    Fold,
    Round,
    endings_of,
    most_telling_first,
    rounds,
    telling,
    title_of,
    where_to_begin,
)
from conformance.report.reproduction import reproduction_of
from conformance.report.text import visible
from conformance.results.check import Check, Outcome
from conformance.results.document import Document, OperationTraffic, RequirementResult
from conformance.results.evidence import ShownExchange

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
MAX_KINDS = 5
"""Kinds of failures of a requirement that are shown with exchanges; the others by their message."""
MAX_ROUNDS = 8
MAX_AT_ONCE = 16
"""Exchanges of one moment that are shown."""
MAX_SCRIPT = 60_000
"""A longer script is linked, not shown."""
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


def render_html(document: Document) -> str:
    """The page of one run."""
    rows = document.requirements
    first = most_telling_first(row for row in rows if row.outcome in TELLING)
    told = [row.id for row in first]
    families = [
        (family, list(found)) for family, found in groupby(rows, key=lambda row: row.family)
    ]
    others = [(f, [row for row in found if row.id not in told]) for f, found in families]
    return render_template(
        "report.html.j2",
        document=document,
        families=families,
        groups=[(f, found) for f, found in [("What did not pass", first), *others] if found],
        symbols=SYMBOLS,
        evidence={row.id: evidence_of(row) for row in rows},
        scripts=scripts_of(document),
        opened=set(told[:MAX_OPENED]),
        begin=where_to_begin(check for row in rows for check in row.checks),
        missing=missing_of(rows),
        heat=heat_of(document.traffic),
        chart=chart_of(document.timeline),
        operations=[row.operation for row in document.traffic],
    )


@dataclass(frozen=True)
class Shown:
    """An exchange as the page shows it: bodies as lines, each with whether it is marked."""

    title: str
    status: str
    milliseconds: float
    group: int | None
    marked: bool
    request: list[tuple[str, bool]]
    response: list[tuple[str, bool]]
    curl: str | None


@dataclass(frozen=True)
class ShownRound:
    """Exchanges of one moment, nearly always a single one."""

    title: str
    endings: str
    exchanges: list[Shown]


def evidence_of(row: RequirementResult) -> list[tuple[Fold, list[ShownRound]]]:
    """What is wrong with a requirement, equal failures once, a few with their exchanges."""
    if row.outcome not in TELLING:
        return []
    return [
        (one, shown_of(one.check) if place < MAX_KINDS else [])
        for place, one in enumerate(telling(row))
    ]


def shown_of(check: Check) -> list[ShownRound]:
    """The last exchanges of a check; in the very last, what differs is marked."""
    found = rounds(check.exchanges)[-MAX_ROUNDS:]
    return [_shown_round(one, check if one is found[-1] else None) for one in found]


def _shown_round(one: Round, check: Check | None) -> ShownRound:
    single = len(one) == 1
    return ShownRound(
        title=visible(title_of(one))[:500],
        endings=visible(endings_of(one))[:200],
        exchanges=[shown(each, check if single else None) for each in one[:MAX_AT_ONCE]],
    )


def scripts_of(document: Document) -> dict[str, str]:
    """The scripts by requirement; a very long one is empty here."""
    made = {row.id: reproduction_of(row, document) for row in document.requirements}
    return {
        id: visible(found.script) if len(found.script) <= MAX_SCRIPT else ""
        for id, found in made.items()
        if found is not None
    }


def shown(exchange: ShownExchange, check: Check | None) -> Shown:
    """One exchange; with a check, its differences are marked."""
    first = f"{exchange.method} {exchange.target}"
    received = (check and check.received) or ""
    return Shown(
        title=visible(first)[:500],
        status=visible(exchange.ending)[:200],
        milliseconds=exchange.seconds * 1000,
        group=exchange.group,
        marked=received.startswith(f"status {exchange.status}"),
        request=_lines(first, exchange.request_headers, exchange.request_body, None),
        response=_lines(exchange.ending, exchange.response_headers, exchange.response_body, check),
        curl=exchange.curl and visible(exchange.curl),
    )


def _lines(first: str, headers: Headers, body: str, check: Check | None) -> list[tuple[str, bool]]:
    """A message line by line, JSON pretty-printed, each with whether it is marked."""
    head = [first, *(f"{name}: {value}" for name, value in headers), ""]
    try:
        text = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        text = body
    if len(text) > MAX_BODY:
        text = f"{text[:MAX_BODY]}… (cut; the whole is in exchanges.har)"
    lines = [(visible(line)[:MAX_BODY], False) for line in head]
    return [*lines, *((visible(line), differs(check, line)) for line in text.splitlines())]


def differs(check: Check | None, line: str) -> bool:
    """Whether a line of JSON differs from what the check expects.

    Its member is named in the expectation (`status 'merged', toPlayerId 'p'`), or has the value
    that was received.
    """
    found = re.match(r'\s*"([^"]+)": (.*?),?$', line)
    if check is None or not found:
        return False
    expected, received = check.expected or "", check.received or ""
    named = re.search(rf"\b{re.escape(found[1])}\b", expected)
    return bool(named) or found[2].strip('"') == received.strip("'")


def missing_of(rows: Sequence[RequirementResult]) -> list[tuple[str, list[str]]]:
    """Each reason why requirements were not exercised, with their ids."""
    reasons: dict[str, list[str]] = {}
    for row in rows:
        if row.outcome is not Outcome.NOT_EXERCISED:
            continue
        found = [check.message for check in row.checks if check.outcome is row.outcome]
        for reason in dict.fromkeys(found or [row.reason or ""]):
            reasons.setdefault(reason, []).append(row.id)
    return list(reasons.items())


@dataclass(frozen=True)
class HeatRow:
    """An operation: for each status a count and a CSS class; `most` is the largest latency."""

    operation: str
    cells: list[tuple[int, str]]
    latencies: tuple[int, ...]
    most: int


def heat_of(traffic: Sequence[OperationTraffic]) -> tuple[list[str], list[HeatRow]]:
    """The statuses that are documented or were received, and a row for each operation."""
    endings = {ending for row in traffic for ending in (*row.documented, *row.endings)}
    columns = sorted(endings, key=lambda ending: (not ending.isdigit(), ending))
    return columns, [
        HeatRow(
            row.operation,
            [_heat_cell(row, ending) for ending in columns],
            row.latencies,
            max(row.latencies, default=0),
        )
        for row in traffic
    ]


def _heat_cell(row: OperationTraffic, ending: str) -> tuple[int, str]:
    count = row.endings.get(ending, 0)
    if ending in row.documented:
        return count, "documented received" if count else "documented"
    return count, "undocumented" if count else ""


@dataclass(frozen=True)
class BudgetLine:
    """The remaining budget of a key: SVG points, the largest and the least number."""

    points: str
    top: int
    least: int


@dataclass(frozen=True)
class Chart:
    """Bars of requests a second (x, width, height) and lines by role, in a box of 1000 by 100."""

    bars: list[tuple[float, float, float]]
    lines: dict[str, BudgetLine]
    seconds: int
    most: int


def chart_of(timeline: Sequence[Moment]) -> Chart:
    """The chart of a run's requests and budgets over time."""
    if not timeline:
        return Chart([], {}, 0, 0)
    seconds = max(point.second for point in timeline) + 1
    most = max(point.requests for point in timeline)
    width = 1000 / seconds
    bars = [
        (round(p.second * width, 2), round(width, 2), round(100 * p.requests / most, 1))
        for p in timeline
    ]
    roles = {role for point in timeline for role in point.remaining}
    lines = {role: _budget_line(timeline, role, width) for role in sorted(roles)}
    return Chart(bars, lines, seconds, most)


def _budget_line(timeline: Sequence[Moment], role: str, width: float) -> BudgetLine:
    known = [(p.second, p.remaining[role]) for p in timeline if role in p.remaining]
    top = max(remaining for _, remaining in known) or 1
    points = " ".join(
        f"{(second + 0.5) * width:.1f},{100 - 100 * remaining / top:.1f}"
        for second, remaining in known
    )
    return BudgetLine(points, top, min(remaining for _, remaining in known))

"""`report.html`: one file without a network, made from the results by a template.

What the page shows is prepared here: bounded in size, pretty-printed, and with nothing in it that
could steer a browser or a reader. The template escapes everything.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import groupby
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from conformance.http.exchange import Headers
from conformance.http.traffic import Moment
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


def render_html(document: Document) -> str:
    """The page of one run."""
    rows = document.requirements
    telling = [row.id for row in rows if row.outcome in TELLING]
    families = [
        (family, list(found)) for family, found in groupby(rows, key=lambda row: row.family)
    ]
    first = [("What did not pass", [row for row in rows if row.outcome in TELLING])]
    others = [(f, [row for row in found if row.id not in telling]) for f, found in families]
    return render_template(
        "report.html.j2",
        document=document,
        families=families,
        groups=[(title, found) for title, found in first + others if found],
        symbols=SYMBOLS,
        evidence={row.id: evidence_of(row) for row in rows},
        opened=set(telling[:MAX_OPENED]),
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
    marked: bool
    request: list[tuple[str, bool]]
    response: list[tuple[str, bool]]
    curl: str | None


def evidence_of(row: RequirementResult) -> list[tuple[Check, list[Shown]]]:
    """The telling checks of a requirement, the shortest first, a few with their exchanges."""
    if row.outcome not in TELLING:
        return []
    telling = [check for check in row.checks if check.outcome == row.outcome]
    telling.sort(key=lambda check: len(check.exchanges))
    return [
        (check, shown_of(check) if place < MAX_CHECKS else [])
        for place, check in enumerate(telling)
    ]


def shown_of(check: Check) -> list[Shown]:
    """The last exchanges of a check; in the very last, what differs is marked."""
    exchanges = check.exchanges[-MAX_EXCHANGES:]
    return [shown(exchange, check, last=exchange is exchanges[-1]) for exchange in exchanges]


def shown(exchange: ShownExchange, check: Check, *, last: bool) -> Shown:
    """One exchange for reading."""
    status = exchange.ending
    received = check.received or ""
    differs = partial(differing, check) if last else _never
    return Shown(
        title=visible(f"{exchange.method} {exchange.target}")[:500],
        status=visible(status)[:200],
        milliseconds=exchange.seconds * 1000,
        marked=last and received.startswith(f"status {exchange.status}"),
        request=[
            *_plain(f"{exchange.method} {exchange.target}", exchange.request_headers),
            *body_lines(exchange.request_body, _never),
        ],
        response=[
            *_plain(status, exchange.response_headers),
            *body_lines(exchange.response_body, differs),
        ],
        curl=exchange.curl and visible(exchange.curl),
    )


def _plain(first: str, headers: Headers) -> list[tuple[str, bool]]:
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


def differing(check: Check, line: str) -> bool:
    """Whether a line of JSON is what differs.

    That is: a member that the expectation names (`status 'merged', toPlayerId 'p'`), or one with
    the very value that was received.
    """
    found = re.match(r'\s*"([^"]+)": (.*?),?$', line)
    if not found:
        return False
    expected, received = check.expected or "", check.received or ""
    named = re.search(rf"\b{re.escape(found[1])}\b", expected)
    return bool(named) or found[2].strip('"') == received.strip("'")


def visible(text: str) -> str:
    """Text that shows what it holds: what steers a terminal or turns the line is escaped."""
    return "".join(
        c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text
    )


def missing_of(rows: Sequence[RequirementResult]) -> list[tuple[str, list[str]]]:
    """Why requirements were not exercised, and which: each reason once."""
    reasons: dict[str, list[str]] = {}
    for row in rows:
        if row.outcome is not Outcome.NOT_EXERCISED:
            continue
        found = [check.message for check in row.checks if check.outcome is row.outcome]
        for reason in dict.fromkeys(found or [row.reason or ""]):
            reasons.setdefault(reason, []).append(row.id)
    return list(reasons.items())


@dataclass(frozen=True)
class HeatCell:
    """How often an operation gave a status; `kind` is how the page shows that."""

    count: int
    documented: bool
    kind: str


@dataclass(frozen=True)
class HeatRow:
    """An operation: a cell for each status; `most` is the longest bar of `latencies`."""

    operation: str
    cells: list[HeatCell]
    latencies: tuple[int, ...]
    most: int


def heat_of(traffic: Sequence[OperationTraffic]) -> tuple[list[str], list[HeatRow]]:
    """The statuses that are documented or came, and for each operation what came how often."""
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


def _heat_cell(row: OperationTraffic, ending: str) -> HeatCell:
    count, documented = row.endings.get(ending, 0), ending in row.documented
    kind = "documented" if documented else "undocumented"
    return HeatCell(count, documented, kind if count or documented else "")


@dataclass(frozen=True)
class BudgetLine:
    """What remained of a key's budget: SVG points, and between which numbers."""

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

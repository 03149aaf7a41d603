"""`summary.md` for a job summary or a merge request, and `badge.json` for shields.io."""

import html
import json
import re
from collections.abc import Mapping, Sequence

from conformance.contract.requirements import Level
from conformance.report.folding import Fold, most_telling_first, telling, where_to_begin
from conformance.results.check import Outcome
from conformance.results.document import Document, RequirementResult
from conformance.results.known_status import KnownStatus
from conformance.results.verdict import Verdict

COLOURS = {
    "conformant": "brightgreen",
    "conformant but for known failures": "yellow",
    "no failure found": "yellow",
    "too little exercised": "red",
    "not conformant": "red",
    "known failures outdated": "red",
    "inconclusive": "lightgrey",
}
SYMBOLS = {
    "conformant": "✅",
    "conformant but for known failures": "☑️",
    "no failure found": "◐",
    "too little exercised": "❌",
    "not conformant": "❌",
    "known failures outdated": "❌",
    "inconclusive": "❔",
}
TITLES = {
    "failed": "Not met",
    "known_failure": "Known failures",
    "warned": "Recommendations not met",
    "inconclusive": "Undecided",
    "blocked": "Blocked",
}
MAX_ROWS = 50
MAX_TEXT = 300
_SPECIAL = re.compile(r"([\\`*_{}\[\]#|~!@])")


def render_summary(document: Document) -> str:
    """The verdict, the counts and what did not pass, in GitHub's Markdown."""
    verdict, target, run = document.verdict, document.target, document.run
    lines = [
        f"## {SYMBOLS[verdict.verdict]} {verdict.verdict}: {plain(target.name)}",
        "",
        f"{plain(verdict.reason)}.",
        "",
        f"Kraty Server API at {plain(target.base_url)}, environment "
        f"{plain(target.environment or 'unknown')}, {run.started_at}, {run.seconds:.0f} s, "
        f"{run.requests} requests, seed {run.seed}, suite {document.suite.version}.",
        "",
        *_counts(verdict.outcomes),
    ]
    begin = where_to_begin(check for row in document.requirements for check in row.checks)
    lines += [f"**{plain(begin)}**", ""] if begin else []
    for outcome, title in TITLES.items():
        rows = [row for row in most_telling_first(document.requirements) if row.outcome == outcome]
        lines += _rows(title, rows)
    lines += _not_exercised(document)
    lines += _known(document.known_failures)
    lines += [f"> {plain(notice)}" for notice in document.notices]
    return "\n".join(lines).rstrip() + "\n"


def _counts(outcomes: Mapping[Level, Mapping[Outcome, int]]) -> list[str]:
    head = ["level", *(name.replace("_", " ") for name in Outcome)]
    rows = [[level, *(str(counts[n]) for n in Outcome)] for level, counts in outcomes.items()]
    return [*markdown_table(head, rows), ""]


def _rows(title: str, rows: Sequence[RequirementResult]) -> list[str]:
    if not rows:
        return []
    cells = []
    for row in rows[:MAX_ROWS]:
        first, *others = telling(row)
        cells.append(
            [plain(row.id), plain(row.sentence), plain(first.check.message) + _more(first, others)]
        )
    if len(rows) > MAX_ROWS:
        cells.append(["", f"and {len(rows) - MAX_ROWS} more", ""])
    table = markdown_table(["requirement", "sentence", "received"], cells)
    return [f"### {title}", "", *table, ""]


def _more(first: Fold, others: Sequence[Fold]) -> str:
    """How many tests failed like the first, and how many did elsewhere or otherwise."""
    rest = sum(len(one.tests) for one in others)
    counts = [(first.others, "more like it"), (rest, "elsewhere or otherwise")]
    said = ", ".join(f"{count} {words}" for count, words in counts if count)
    return f" ({said})" if said else ""


def not_exercised(document: Document) -> dict[str, list[str]]:
    """The MUSTs that the run says nothing about, by what would change that."""
    found: dict[str, list[str]] = {}
    for row in document.requirements:
        if row.level is Level.MUST and row.outcome is Outcome.NOT_EXERCISED:
            found.setdefault(row.reason or "", []).append(row.id)
    return found


def _not_exercised(document: Document) -> list[str]:
    found = not_exercised(document)
    if not found:
        return []
    rows = [f"| {plain(reason)} | {plain(', '.join(ids))} |" for reason, ids in found.items()]
    return ["### Not exercised", "", "| why | MUSTs |", "| --- | --- |", *rows, ""]


def _known(entries: Sequence[KnownStatus]) -> list[str]:
    """The list of known failures, each with its status."""
    if not entries:
        return []
    cells = [(e.name, e.status, e.reason, e.expires or "", e.issue or "") for e in entries]
    head = ["known failure", "now", "reason", "until", "issue"]
    table = markdown_table(head, [list(map(plain, row)) for row in cells])
    return ["### Known failures as listed", "", *table, ""]


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table."""
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def plain(text: str) -> str:
    """One line that Markdown shows unchanged; a long one is cut."""
    cut = text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…"
    line = "".join(c if c.isprintable() else " " for c in cut)
    return _SPECIAL.sub(r"\\\1", html.escape(line, quote=False))


def render_badge(document: Document) -> str:
    """The endpoint format of shields.io."""
    verdict = document.verdict
    failed = len(verdict.failed)
    message = f"{failed} failed" if failed else str(verdict.verdict)
    if verdict.verdict in (Verdict.NO_FAILURE, Verdict.TOO_LITTLE):
        message += f", {verdict.musts_exercised} of {verdict.musts} MUSTs"
    badge = {
        "schemaVersion": 1,
        "label": "Kraty Server API",
        "message": message,
        "color": COLOURS[verdict.verdict],
        "isError": COLOURS[verdict.verdict] == "red",
    }
    return json.dumps(badge) + "\n"

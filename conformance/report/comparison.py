"""Results side by side: which implementation, or which run, passes what."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from rich.table import Table

from conformance.report.html import SYMBOLS, render_template
from conformance.report.summary import plain
from conformance.results.check import Outcome
from conformance.results.document import Document, RequirementResult

SAID_NOTHING = (Outcome.NOT_EXERCISED, Outcome.BLOCKED, Outcome.INCONCLUSIVE)
ABSENT = "absent"
"""The results are of a suite that did not know the requirement."""


class Change(StrEnum):
    """How the last results differ from the first, worst first."""

    REGRESSION = "regression"
    """It passed, and fails or warns now."""
    LOST = "no longer decided"
    """It passed, and nothing is said now."""
    TOLERATED = "now a known failure"
    """It passed, and fails now, which its team knows."""
    FAILING = "still failing"
    FIXED = "fixed"
    """It passes now."""
    OTHER = "differs"
    SAME = "same"


@dataclass(frozen=True)
class Column:
    """One of the results: its name, when it was made, its verdict."""

    name: str
    started_at: str
    verdict: str


@dataclass(frozen=True)
class ComparedRequirement:
    """A requirement with its outcome in each of the results."""

    id: str
    level: str
    sentence: str
    outcomes: tuple[str, ...]
    change: Change


@dataclass(frozen=True)
class Comparison:
    """The results compared, in the order that they were given; the first is what counts."""

    columns: tuple[Column, ...]
    lines: tuple[ComparedRequirement, ...]

    @property
    def regressed(self) -> bool:
        """Whether a MUST that passed in the first fails in any later ones, and nobody knew."""
        return any(line.level == "MUST" and line.change is Change.REGRESSION for line in self.lines)

    def counts(self) -> dict[str, int]:
        """How many requirements changed how."""
        changes = [line.change for line in self.lines]
        return {str(change): changes.count(change) for change in Change if change in changes}


def compare(documents: Sequence[Document]) -> Comparison:
    """Compare results, requirement by requirement; the worst changes come first."""
    rows = [{row.id: row for row in document.requirements} for document in documents]
    ids = list(dict.fromkeys(id for by_id in rows for id in by_id))
    lines = [line_of(id, [by_id.get(id) for by_id in rows]) for id in ids]
    order = list(Change)
    lines.sort(key=lambda line: (order.index(line.change), line.level))
    columns = tuple(Column(d.target.name, d.run.started_at, d.verdict.verdict) for d in documents)
    return Comparison(columns, tuple(lines))


def line_of(id: str, rows: Sequence[RequirementResult | None]) -> ComparedRequirement:
    """One requirement over all results."""
    known = next(row for row in rows if row is not None)
    outcomes = tuple(row.outcome if row else ABSENT for row in rows)
    return ComparedRequirement(id, known.level, known.sentence, outcomes, change_of(outcomes))


def change_of(outcomes: Sequence[str]) -> Change:
    """How later outcomes differ from the first; of several the worst counts."""
    first, *later = outcomes
    accused = (Outcome.FAILED, Outcome.WARNED)
    broken = (*accused, Outcome.KNOWN)
    if first == Outcome.PASSED and any(outcome in accused for outcome in later):
        return Change.REGRESSION
    if first == Outcome.PASSED and any(outcome in (*SAID_NOTHING, ABSENT) for outcome in later):
        return Change.LOST
    if first == Outcome.PASSED and Outcome.KNOWN in later:
        return Change.TOLERATED
    if first in broken and any(outcome in broken for outcome in later):
        return Change.FAILING
    if first in broken and all(outcome == Outcome.PASSED for outcome in later):
        return Change.FIXED
    return Change.SAME if len(set(outcomes)) == 1 else Change.OTHER


def comparison_table(comparison: Comparison) -> Table:
    """What differs or fails, for a terminal."""
    table = Table(box=None, pad_edge=False)
    for name in ("change", "requirement", "level", *headings(comparison)):
        table.add_column(name, overflow="fold")
    for line in differing(comparison):
        cells = (f"{SYMBOLS.get(o, '?')} {o.replace('_', ' ')}" for o in line.outcomes)
        table.add_row(line.change, line.id, line.level, *cells)
    return table


def comparison_markdown(comparison: Comparison) -> str:
    """What differs or fails, in GitHub's Markdown."""
    names = [plain(name) for name in headings(comparison)]
    lines = ["## Conformance compared", ""]
    lines += [f"{', '.join(f'{n} {change}' for change, n in comparison.counts().items())}", ""]
    lines += [f"| change | requirement | level | {' | '.join(names)} |"]
    lines += [f"| --- | --- | --- |{' --- |' * len(names)}"]
    for line in differing(comparison):
        cells = " | ".join(f"{SYMBOLS.get(o, '?')} {o.replace('_', ' ')}" for o in line.outcomes)
        lines.append(f"| {line.change} | {plain(line.id)} | {line.level} | {cells} |")
    return "\n".join(lines) + "\n"


def comparison_html(comparison: Comparison) -> str:
    """A page with every requirement; whatever the results hold is escaped."""
    return render_template("compare.html.j2", comparison=comparison, symbols=SYMBOLS)


def headings(comparison: Comparison) -> list[str]:
    """A name for each column, with its time where names are the same."""
    names = [column.name for column in comparison.columns]
    return [
        f"{column.name} ({column.started_at})" if names.count(column.name) > 1 else column.name
        for column in comparison.columns
    ]


def differing(comparison: Comparison) -> list[ComparedRequirement]:
    """The lines that say something: all but those that are the same."""
    return [line for line in comparison.lines if line.change is not Change.SAME]

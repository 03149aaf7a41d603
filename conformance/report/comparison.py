"""Compares results: which implementation, or which run, passes what."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from rich.table import Table

from conformance.report.html import SYMBOLS, render_template
from conformance.report.summary import markdown_table, plain
from conformance.results.check import Outcome
from conformance.results.document import Document, RequirementResult

ABSENT = "absent"
"""The results are of a suite that did not know the requirement."""
ACCUSED = (Outcome.FAILED, Outcome.WARNED)
BROKEN = (*ACCUSED, Outcome.KNOWN)
UNDECIDED = (Outcome.NOT_EXERCISED, Outcome.BLOCKED, Outcome.INCONCLUSIVE, ABSENT)


class Change(StrEnum):
    """How the last results differ from the first, worst first."""

    REGRESSION = "regression"
    """It passed, and fails or warns now."""
    LOST = "no longer decided"
    """It passed, and is undecided now."""
    TOLERATED = "now a known failure"
    """It passed, and is on the list of known failures now."""
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

    def cells(self) -> list[str]:
        """The outcomes with their symbols."""
        return [f"{SYMBOLS.get(o, '?')} {o.replace('_', ' ')}" for o in self.outcomes]


@dataclass(frozen=True)
class Comparison:
    """The results in the order given; each is compared with the first."""

    columns: tuple[Column, ...]
    lines: tuple[ComparedRequirement, ...]

    @property
    def regressed(self) -> bool:
        """Whether a MUST that passed in the first results fails in later ones, not as known."""
        return any(line.level == "MUST" and line.change is Change.REGRESSION for line in self.lines)

    def counts(self) -> dict[str, int]:
        """How many requirements have each change."""
        changes = Counter(line.change for line in self.lines)
        return {str(change): changes[change] for change in Change if change in changes}

    def headings(self) -> list[str]:
        """A name for each column, with its time where names are the same."""
        names = Counter(column.name for column in self.columns)
        return [
            f"{column.name} ({column.started_at})" if names[column.name] > 1 else column.name
            for column in self.columns
        ]

    def differing(self) -> list[ComparedRequirement]:
        """The requirements that changed or still fail."""
        return [line for line in self.lines if line.change is not Change.SAME]


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
    """One requirement in all results."""
    known = next(row for row in rows if row is not None)
    outcomes = tuple(row.outcome if row else ABSENT for row in rows)
    return ComparedRequirement(id, known.level, known.sentence, outcomes, change_of(outcomes))


def change_of(outcomes: Sequence[str]) -> Change:
    """How later outcomes differ from the first; of several the worst counts."""
    first, *later = outcomes
    if first == Outcome.PASSED:
        if any(outcome in ACCUSED for outcome in later):
            return Change.REGRESSION
        if any(outcome in UNDECIDED for outcome in later):
            return Change.LOST
        if Outcome.KNOWN in later:
            return Change.TOLERATED
    if first in BROKEN:
        if any(outcome in BROKEN for outcome in later):
            return Change.FAILING
        if all(outcome == Outcome.PASSED for outcome in later):
            return Change.FIXED
    return Change.SAME if len(set(outcomes)) == 1 else Change.OTHER


def comparison_table(comparison: Comparison) -> Table:
    """The requirements that changed or still fail, for a terminal."""
    table = Table(box=None, pad_edge=False)
    for name in ("change", "requirement", "level", *comparison.headings()):
        table.add_column(name, overflow="fold")
    for line in comparison.differing():
        table.add_row(line.change, line.id, line.level, *line.cells())
    return table


def comparison_markdown(comparison: Comparison) -> str:
    """The requirements that changed or still fail, in GitHub's Markdown."""
    counts = ", ".join(f"{n} {change}" for change, n in comparison.counts().items())
    head = ["change", "requirement", "level", *map(plain, comparison.headings())]
    rows = [[e.change, plain(e.id), e.level, *e.cells()] for e in comparison.differing()]
    lines = ["## Conformance compared", "", counts, "", *markdown_table(head, rows)]
    return "\n".join(lines) + "\n"


def comparison_html(comparison: Comparison) -> str:
    """A page with every requirement; all text from the results is escaped."""
    return render_template("compare.html.j2", comparison=comparison)

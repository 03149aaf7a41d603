"""What did not pass, as lines for a terminal: the most telling failure first, equal ones once."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from conformance.report.folding import (
    Fold,
    most_telling_first,
    rounds,
    telling,
    waiting,
    where_to_begin,
)
from conformance.report.text import (
    difference,
    exchanges_shown,
    explain,
    printable,
    reproduction,
)
from conformance.results.check import Check, Outcome
from conformance.results.document import RequirementResult
from conformance.results.verdict import counted

LISTED = (Outcome.FAILED, Outcome.KNOWN, Outcome.WARNED, Outcome.INCONCLUSIVE)
"""Outcomes that are listed by requirement; what is blocked is listed by what blocks it."""
MAX_LINES = 150
"""With what else a run prints, it stays below 200 lines."""
MAX_OF_ONE = 60
MAX_LINE = 300
MAX_ROUNDS = 8
MAX_KINDS = 3
"""Kinds of failures of one requirement that are shown beside the first."""
MAX_PLACES = 6


def digest(rows: Iterable[RequirementResult]) -> list[str]:
    """At most `MAX_LINES`: each requirement in brief, and in full as far as there is room."""
    ordered = [row for row in most_telling_first(rows) if row.outcome in LISTED]
    checks = [check for row in rows for check in row.checks]
    begin, blocked = where_to_begin(checks), list(_blocked(checks))
    briefs = [_brief(row) for row in ordered]
    room = MAX_LINES - 1 - len(blocked) - sum(map(len, briefs))
    lines = [begin] if begin else []
    for row, brief in zip(ordered, briefs, strict=True):
        full = _full(row) if row.outcome is Outcome.FAILED else brief
        if len(full) <= MAX_OF_ONE and len(full) - len(brief) <= room:
            room -= len(full) - len(brief)
            lines += full
        else:
            lines += brief
    return _cut([*lines, *blocked])


def everything(rows: Iterable[RequirementResult]) -> list[str]:
    """The same for `-v`: every failure with all exchanges, however many lines that takes."""
    ordered = [row for row in most_telling_first(rows) if row.outcome in (*LISTED, Outcome.BLOCKED)]
    begin = where_to_begin(check for row in ordered for check in row.checks)
    lines = [begin] if begin else []
    for row in ordered:
        for check in row.checks:
            if check.outcome in (*LISTED, Outcome.BLOCKED):
                lines += [f"{_word(check.outcome)} {check.test}", *explain(check).splitlines()]
    return lines


def _cut(lines: list[str]) -> list[str]:
    if len(lines) <= MAX_LINES:
        return lines
    return [*lines[: MAX_LINES - 1], "and more, in the report"]


def _word(outcome: Outcome) -> str:
    return outcome.upper().replace("_", " ")


def _head(row: RequirementResult) -> str:
    return printable(f"{_word(row.outcome)} {row.id}: {row.sentence}", MAX_LINE)


def _brief(row: RequirementResult) -> list[str]:
    """A requirement in a few lines: its clearest failure, and where else it failed."""
    first, *others = telling(row)
    return [_head(row), _line(first), *_others(first, others)]


def _line(one: Fold) -> str:
    return printable(f"  {one.check.test}{one.more}: {one.check.message}", MAX_LINE)


def _full(row: RequirementResult) -> list[str]:
    """A requirement with the evidence of its clearest failure."""
    first, *others = telling(row)
    return [
        _head(row),
        f"  {first.check.test}{first.more}",
        *_evidence(first.check),
        *_others(first, others),
    ]


def _evidence(check: Check) -> Iterator[str]:
    yield from (f"  {printable(line, MAX_LINE)}" for line in difference(check))
    found = rounds(check.exchanges)
    earlier = len(found) - MAX_ROUNDS
    if earlier > 0:
        yield f"    {earlier} earlier exchanges are in the report"
    shown = found[max(earlier, 0) :]
    yield from exchanges_shown(shown, max(earlier, 0) + 1)
    commands = list(reproduction(found if earlier <= 0 else found[-1:]))
    if commands:
        last = f" (the last; all are in reproduce/{check.requirement}.sh of the report)"
        yield f"    reproduce{last if earlier > 0 else ''}:"
        yield from (f"  {command}" for command in commands)


def _others(first: Fold, others: Sequence[Fold]) -> Iterator[str]:
    """Where else it failed: with the same expectation as places, with others by their messages."""
    same = [one for one in others if one.expectation == first.expectation]
    kinds = [one for one in others if one.expectation != first.expectation]
    if same:
        places = ", ".join(map(_place, same[:MAX_PLACES]))
        yield printable(f"  the same on: {places}{_rest(same[MAX_PLACES:])}", MAX_LINE)
    for one in kinds[:MAX_KINDS]:
        yield printable(f"  also {one.check.test}{one.more}: {one.check.message}", MAX_LINE)
    if kinds[MAX_KINDS:]:
        yield f"  {_rest(kinds[MAX_KINDS:]).removeprefix(', ')}"


def _place(one: Fold) -> str:
    return f"{one.where} ×{len(one.tests)}" if one.others else one.where


def _rest(folds: Sequence[Fold]) -> str:
    tests = sum(len(one.tests) for one in folds)
    kinds = counted(len(folds), "other kind")
    return f", and {counted(tests, 'more test')} of {kinds}" if folds else ""


def _blocked(checks: Iterable[Check]) -> Iterator[str]:
    """A line for each requirement that blocks tests, the most wanted first."""
    found = [check for check in checks if check.outcome is Outcome.BLOCKED]
    for blamed, tests in waiting(found).items():
        own = [check for check in found if check.blamed == blamed]
        ids = ", ".join(Counter(check.requirement for check in own))
        first = min(own, key=lambda check: len(check.message))
        yield printable(f"BLOCKED by {blamed}: {counted(tests, 'test')}, of {ids}", MAX_LINE)
        yield printable(f"  {first.test}: {first.message}", MAX_LINE)

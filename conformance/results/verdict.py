"""The verdict, as a pure function of the outcomes."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from conformance.contract.requirements import Level
from conformance.results.check import Outcome


class Verdict(StrEnum):
    """What a run says about a server."""

    CONFORMANT = "conformant"
    TOLERATED = "conformant but for known failures"
    NO_FAILURE = "no failure found"
    NOT_CONFORMANT = "not conformant"
    OUTDATED = "known failures outdated"
    TOO_LITTLE = "too little exercised"
    INCONCLUSIVE = "inconclusive"


EXIT_CODES = {
    Verdict.CONFORMANT: 0,
    Verdict.TOLERATED: 0,
    Verdict.NO_FAILURE: 0,
    Verdict.NOT_CONFORMANT: 1,
    Verdict.OUTDATED: 1,
    Verdict.TOO_LITTLE: 1,
    Verdict.INCONCLUSIVE: 3,
}
EXIT_USAGE = 2


@dataclass(frozen=True)
class Judgement:
    """A verdict and its reason, with the number of exercised MUSTs and of all MUSTs."""

    verdict: Verdict
    reason: str
    exercised: int
    total: int

    def __str__(self) -> str:
        return f"{self.verdict}: {self.reason}"


EXERCISED = (Outcome.PASSED, Outcome.FAILED, Outcome.KNOWN, Outcome.WARNED)
"""Outcomes of a requirement on which there is a word; a MUST is never just warned of."""


def judge_run(
    outcomes: Iterable[tuple[Level, Outcome]],
    abort_reason: str | None = None,
    outdated: Sequence[str] = (),
    shortfall: str | None = None,
) -> Judgement:
    """The verdict on all requirements.

    `abort_reason` says why the run stopped early, `outdated` what is wrong with the list of known
    failures, `shortfall` what `--require` asks for beyond what the run exercised. Even then, a
    failed requirement makes the server not conformant. Only a run that exercised every MUST calls
    it conformant. A SHOULD fails only if the user turned its warning into an error.
    """
    rows = list(outcomes)
    musts = Counter(outcome for level, outcome in rows if level is Level.MUST)
    total = musts.total()
    exercised = sum(musts[outcome] for outcome in EXERCISED)
    failed = sum(outcome is Outcome.FAILED for _, outcome in rows)
    undecided = musts[Outcome.BLOCKED] + musts[Outcome.INCONCLUSIVE]
    known = sum(outcome is Outcome.KNOWN for _, outcome in rows)
    warned = sum(outcome is Outcome.WARNED for _, outcome in rows)
    known_ones = f"{counted(known, 'requirement')} failed as known"
    rules = (
        (failed, Verdict.NOT_CONFORMANT, f"{counted(failed, 'requirement')} failed"),
        (outdated, Verdict.OUTDATED, "; ".join(outdated)),
        (abort_reason, Verdict.INCONCLUSIVE, abort_reason or ""),
        (undecided, Verdict.INCONCLUSIVE, f"{counted(undecided, 'MUST')} undecided"),
        (not exercised, Verdict.INCONCLUSIVE, "no MUST was exercised"),
        (shortfall, Verdict.TOO_LITTLE, shortfall or ""),
        (exercised < total, Verdict.NO_FAILURE, f"beyond {known} known" if known else ""),
        (known, Verdict.TOLERATED, known_ones),
        (True, Verdict.CONFORMANT, "every MUST passed"),
    )
    verdict, reason = next((verdict, reason) for holds, verdict, reason in rules if holds)
    reasons = [
        reason,
        abort_reason if abort_reason != reason else "",
        f"{counted(warned, 'SHOULD')} not met" if warned else "",
        f"{exercised} of {total} MUSTs exercised",
    ]
    return Judgement(verdict, ", ".join(filter(None, reasons)), exercised, total)


def counted(number: int, noun: str) -> str:
    """A number with its noun, in the plural if needed."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

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
    NOT_CONFORMANT = "not conformant"
    OUTDATED = "known failures outdated"
    INCONCLUSIVE = "inconclusive"


EXIT_CODES = {
    Verdict.CONFORMANT: 0,
    Verdict.TOLERATED: 0,
    Verdict.NOT_CONFORMANT: 1,
    Verdict.OUTDATED: 1,
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


DECIDED = (Outcome.PASSED, Outcome.FAILED, Outcome.KNOWN)


def judge_run(
    outcomes: Iterable[tuple[Level, Outcome]],
    abort_reason: str | None = None,
    outdated: Sequence[str] = (),
) -> Judgement:
    """The verdict on all requirements.

    `abort_reason` says why the run stopped early, `outdated` what is wrong with the list of known
    failures. Even then, a failed requirement makes the server not conformant. A SHOULD fails only
    if the user turned its warning into an error.
    """
    rows = list(outcomes)
    musts = Counter(outcome for level, outcome in rows if level is Level.MUST)
    total = musts.total()
    exercised = sum(musts[outcome] for outcome in DECIDED)
    failed = sum(outcome is Outcome.FAILED for _, outcome in rows)
    undecided = musts[Outcome.BLOCKED] + musts[Outcome.INCONCLUSIVE]
    known = sum(outcome is Outcome.KNOWN for _, outcome in rows)
    warned = sum(outcome is Outcome.WARNED for _, outcome in rows)
    progress = f"{exercised} of {total} MUSTs exercised"
    if failed:
        verdict, reason = Verdict.NOT_CONFORMANT, f"{counted(failed, 'requirement')} failed"
    elif outdated:
        verdict, reason = Verdict.OUTDATED, "; ".join(outdated)
    elif abort_reason:
        verdict, reason = Verdict.INCONCLUSIVE, abort_reason
    elif undecided:
        verdict, reason = Verdict.INCONCLUSIVE, f"{counted(undecided, 'MUST')} undecided"
    elif not exercised:
        verdict, reason = Verdict.INCONCLUSIVE, "no MUST was exercised"
    elif known:
        verdict, reason = Verdict.TOLERATED, f"{counted(known, 'requirement')} failed as known"
    else:
        verdict, reason = Verdict.CONFORMANT, "every exercised MUST passed"
    if abort_reason and abort_reason not in reason:
        reason += f", {abort_reason}"
    if warned:
        reason += f", {counted(warned, 'SHOULD')} not met"
    return Judgement(verdict, f"{reason}, {progress}", exercised, total)


def counted(number: int, noun: str) -> str:
    """A number with its noun, in the plural if needed."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

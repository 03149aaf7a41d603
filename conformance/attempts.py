"""Whether what a test found is to be believed, or the test is to be repeated with fresh names.

A test that the path has spoilt says nothing; a test that fails on a path that loses requests may
have been spoilt too. Both are run again: until a test is through, or has failed so often that no
path explains it. On a path without a failure the first word counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from conformance.path import MOST_REPETITIONS, Path
from conformance.results import Outcome

ACCUSING = (Outcome.FAILED, Outcome.KNOWN, Outcome.WARNED)
MOST_ATTEMPTS = 24
MOST_SECONDS = 120.0


@dataclass(frozen=True)
class Attempt:
    """One run of a test: how it ended, and on how many exchanges that rests.

    `troubles` is how often the path failed meanwhile, `seconds` what it took.
    """

    outcome: Outcome
    exchanges: int
    troubles: int
    seconds: float


def to_be_repeated(attempts: Sequence[Attempt], path: Path) -> bool:
    """Whether another attempt may say more."""
    last = attempts[-1]
    spent = len(attempts) >= MOST_ATTEMPTS or sum(a.seconds for a in attempts) > MOST_SECONDS
    if spent or path.gone:
        return False
    if last.outcome in ACCUSING:
        needed = path.repetitions(last.exchanges)
        return needed is not None and accusations(attempts) < needed
    if last.outcome is Outcome.BLOCKED and path.troubles:
        blocked = sum(attempt.outcome is Outcome.BLOCKED for attempt in attempts)
        return blocked < (path.repetitions(last.exchanges) or MOST_REPETITIONS)
    return last.outcome is Outcome.INCONCLUSIVE and last.troubles > 0


def accusations(attempts: Sequence[Attempt]) -> int:
    """How many of the attempts accuse the server."""
    return sum(attempt.outcome in ACCUSING for attempt in attempts)


def doubt(attempts: Sequence[Attempt], path: Path) -> str | None:
    """Why the attempts decide nothing although one of them accuses; None where they do."""
    accusing, last = accusations(attempts), attempts[-1]
    if not accusing:
        return None
    needed = path.repetitions(last.exchanges)
    if last.outcome in ACCUSING and needed is not None and accusing >= needed:
        return None
    tried = f"{accusing} of {len(attempts)} attempts failed"
    return f"{tried}, on a path that failed {path.troubles} of {path.requests} requests"

"""Many mutants in parallel, with a journal to resume from."""

from collections.abc import Generator, Sequence
from contextlib import closing
from functools import partial

from conformance.failures import UsageError
from conformance.faults.campaign import in_parallel
from conformance.faults.mutants.journal import MutantJournal, Tried
from conformance.faults.mutants.mutation import Mutant, all_mutants, sample
from conformance.faults.mutants.reach import Reach
from conformance.faults.mutants.trial import try_mutant

LEAST_SECONDS = 60.0
"""No trial has less time: a busy machine is no hang."""
TIMES = 5
"""A trial may take so many times as long as the run on the unchanged server."""


def chosen(keys: Sequence[str], reach: Reach, *, size: int, seed: int) -> list[Mutant]:
    """The mutants with these keys, or a sample of those that a run comes across.

    UsageError for a key that no mutant has.
    """
    mutants = all_mutants()
    if not keys:
        return sample((one for one in mutants if one.line in reach.of(one.module)), size, seed)
    by_key = {one.key: one for one in mutants}
    unknown = [key for key in keys if key not in by_key]
    if unknown:
        raise UsageError(f"there is no mutant {unknown[0]!r}")
    return [by_key[key] for key in keys]


def try_mutants(
    mutants: Sequence[Mutant], reach: Reach, journal: MutantJournal, *, workers: int, seed: int
) -> Generator[Tried]:
    """Yield what the journal has of these mutants, then what comes of each other one.

    Closing the generator kills the running trials.
    """
    yield from [journal.known[one.key] for one in mutants if one.key in journal.known]
    waiting = [one for one in mutants if one.key not in journal.known]
    limit = max(LEAST_SECONDS, TIMES * reach.seconds)
    attempt = partial(try_mutant, seed=seed, limit=limit)
    with closing(in_parallel(waiting, attempt, workers)) as ended:
        for _, tried in ended:
            journal.add(tried)
            yield tried
    journal.rewrite()

"""Accuses a server of a history that nothing explains."""

import math
from collections.abc import Callable, Sequence

from conformance.failures import Mismatch
from conformance.histories.models import Done, Kind
from conformance.histories.search import State, Step, Unexplained, unexplained

EXPECTED = "some order of these simultaneous calls to explain every answer"


def expect_order(
    history: Sequence[Done],
    initial: State,
    step: Step[State, Done],
    broken: Callable[[Unexplained[State, Done], Sequence[Done]], str],
) -> None:
    """Mismatch with the requirement that `broken` names for the part that no order explains."""
    part = unexplained(history, initial, step)
    if part is None:
        return
    *before, culprit = (str(event) for event in part.events)
    states = " or ".join(sorted(str(state) for state in part.states))
    calls = f"beside: {'; '.join(before)}" if before else "whichever other calls took effect"
    received = f"{culprit}, which none explains, {calls}; all began from {states}"
    raise Mismatch(EXPECTED, received, broken(part, history))


def expect_no_early_conflict(history: Sequence[Done]) -> None:
    """Mismatch (GRANT-2) where a create was refused though no merge had begun to move the grant."""
    begun = min((event.started for event in history if event.kind is Kind.MERGE), default=math.inf)
    refused = [event for event in history if event.kind is Kind.CREATE and event.status == 409]
    early = [str(event) for event in refused if event.ended < begun]
    if early:
        raise Mismatch("a replay of the create to be answered 200 or 201", early[0], "GRANT-2")

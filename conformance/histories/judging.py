"""Accuses a server of a history that nothing explains."""

from collections.abc import Callable, Sequence

from conformance.failures import Mismatch
from conformance.histories.models import Done
from conformance.histories.search import State, Step, Unexplained, unexplained

EXPECTED = "some order of these simultaneous calls to explain every answer"


def expect_order(
    history: Sequence[Done],
    initial: State,
    step: Step[State, Done],
    broken: Callable[[Unexplained[State, Done]], str],
) -> None:
    """Mismatch with the requirement that `broken` names for the part that no order explains."""
    part = unexplained(history, initial, step)
    if part is None:
        return
    *before, culprit = (str(event) for event in part.events)
    states = " or ".join(sorted(str(state) for state in part.states))
    calls = f"beside: {'; '.join(before)}" if before else "whichever other calls took effect"
    received = f"{culprit}, which none explains, {calls}; all began from {states}"
    raise Mismatch(EXPECTED, received, broken(part))

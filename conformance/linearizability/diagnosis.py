"""Names the requirement that a history breaks if no order explains it."""

import math
from collections.abc import Callable, Sequence

from conformance.failures import Mismatch
from conformance.linearizability.checker import State, Step, Unexplained, unexplained
from conformance.linearizability.models import Call, GrantState, Holding, Kind

EXPECTED = "some order of these simultaneous calls to explain every answer"


def expect_order(
    history: Sequence[Call],
    initial: State,
    step: Step[State, Call],
    broken: Callable[[Unexplained[State, Call], Sequence[Call]], str],
) -> None:
    """Mismatch if no order explains the history; `broken` names the requirement."""
    part = unexplained(history, initial, step)
    if part is None:
        return
    *before, culprit = (str(event) for event in part.events)
    states = " or ".join(sorted(str(state) for state in part.states))
    others = f"together with {'; '.join(before)}" if before else "whichever other calls took effect"
    received = f"{culprit}, which no order explains {others}; before these calls: {states}"
    raise Mismatch(EXPECTED, received, broken(part, history))


def expect_no_early_conflict(history: Sequence[Call]) -> None:
    """Mismatch (GRANT-2) if a replayed create was refused before any merge began."""
    begun = min((event.started for event in history if event.kind is Kind.MERGE), default=math.inf)
    refused = [event for event in history if event.kind is Kind.CREATE and event.status == 409]
    early = [str(event) for event in refused if event.ended < begun]
    if early:
        raise Mismatch("a replay of the create to be answered 200 or 201", early[0], "GRANT-2")


def of_changes(part: Unexplained[Holding, Call], history: Sequence[Call]) -> str:
    """LEDGER-3 if an unexplained change of a holding involves a replay, LEDGER-6 otherwise."""
    so_far = [event.key for event in history if event.started <= part.culprit.ended]
    replayed = any(event.key and so_far.count(event.key) > 1 for event in part.events)
    return "LEDGER-3" if replayed else "LEDGER-6"


def of_grant(part: Unexplained[GrantState, Call], history: Sequence[Call]) -> str:
    """The requirement that an unexplained answer about a grant breaks, in a history with one merge.

    During the merge two causes are possible, such as a late ack or a merge that lost the ack;
    MERGE-3 covers both. Before and after it there is only one.
    """
    *before, culprit = part.events
    merges = [event for event in history if event.kind is Kind.MERGE]
    begun = any(merge.started <= culprit.ended for merge in merges)
    under_way = begun and any(merge.ended >= culprit.started for merge in merges)
    if under_way or (begun and any(event.ended >= culprit.started for event in before)):
        return "MERGE-3"
    if culprit.kind is Kind.ACK and culprit.status == 200:
        return "ACK-3"
    owner = "target" if begun else "source"
    if culprit.kind is Kind.READ and culprit.player == owner and culprit.reported is not None:
        acked = any(event.kind is Kind.ACK and event.status == 200 for event in before)
        claimed = acked or all(state.status == "claimed" for state in part.states)
        return "ACK-4" if claimed or not begun else "MERGE-3"
    if begun:
        return "MERGE-3"
    return "ACK-1" if culprit.kind is Kind.ACK else "GRANT-8"

"""Which requirement a part of a history breaks that no order explains."""

from collections.abc import Sequence

from conformance.histories.models import Done, Holding, Kind, Promise
from conformance.histories.search import Unexplained


def of_changes(part: Unexplained[Holding, Done], history: Sequence[Done]) -> str:
    """What an unexplained change of a holding breaks: LEDGER-3 where a replay is in play."""
    so_far = [event.key for event in history if event.started <= part.culprit.ended]
    replayed = any(event.key and so_far.count(event.key) > 1 for event in part.events)
    return "LEDGER-3" if replayed else "LEDGER-6"


def of_promise(part: Unexplained[Promise, Done], history: Sequence[Done]) -> str:
    """What an unexplained answer about a grant breaks, in a history with one merge.

    While the merge is under way, answers accuse each other: an ack that came too late, or a merge
    that lost it? Of both, MERGE-3 is true. Before it and after it, only one can be wrong.
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
    if culprit.kind is Kind.READ and culprit.player == owner and culprit.told is not None:
        acked = any(event.kind is Kind.ACK and event.status == 200 for event in before)
        claimed = acked or all(state.status == "claimed" for state in part.states)
        return "ACK-4" if claimed or not begun else "MERGE-3"
    if begun:
        return "MERGE-3"
    return "ACK-1" if culprit.kind is Kind.ACK else "GRANT-8"

"""Which requirement a part of a history breaks that no order explains."""

from conformance.histories.models import Done, Holding, Kind, Promise
from conformance.histories.search import Unexplained


def of_changes(part: Unexplained[Holding, Done]) -> str:
    """What an unexplained change of a holding breaks: LEDGER-3 with keys, else LEDGER-6."""
    return "LEDGER-3" if any(event.key for event in part.events) else "LEDGER-6"


def of_promise(part: Unexplained[Promise, Done]) -> str:
    """What an unexplained answer about a grant breaks, beside a merge.

    GRANT-2, ACK-3 or ACK-4 only where nothing else can be wrong. Simultaneous answers accuse each
    other: an ack after the merge, or a merge that lost it? Of both, MERGE-3 is true.
    """
    *before, culprit = part.events
    if culprit.kind is Kind.CREATE:
        return "GRANT-2"
    if any(event.ended >= culprit.started for event in before):
        return "MERGE-3"
    if culprit.kind is Kind.ACK and culprit.status == 200:
        return "ACK-3"
    acked = any(event.kind is Kind.ACK and event.status == 200 for event in before)
    claimed = acked or all(state.status == "claimed" for state in part.states)
    return "ACK-4" if claimed and culprit.told == "pending" else "MERGE-3"

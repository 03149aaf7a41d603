"""Compares known failures with what a run found."""

from collections.abc import Iterable, Sequence
from datetime import date

import msgspec

from conformance.results.check import Check, Outcome, outcome_of
from conformance.settings.known_failures import Known


class KnownStatus(msgspec.Struct, frozen=True):
    """What the run found about a known failure; `problem` says why it fails the gate."""

    name: str
    reason: str
    expires: str | None
    issue: str | None
    status: str
    problem: str | None


def known_statuses(
    known: Sequence[Known], checks: Iterable[Check], today: date, *, whole: bool
) -> tuple[KnownStatus, ...]:
    """The status of each known failure in a run with these checks.

    Only a `whole` run, of all scenarios, can find that a known failure passes.
    """
    rows = list(checks)
    return tuple(_status_of(entry, rows, today, whole=whole) for entry in known)


def _status_of(entry: Known, checks: list[Check], today: date, *, whole: bool) -> KnownStatus:
    covered = [check for check in checks if entry.covers(check.requirement, check.test)]
    outcome = outcome_of(covered)
    problem = None
    if outcome is Outcome.PASSED and whole:
        status = "passes"
        problem = f"{entry.name} is known to fail but passes: remove it from the known failures"
    elif entry.has_expired(today):
        status = "expired"
        problem = f"{entry.name} was known to fail until {entry.expires}: fix it or renew the entry"
    elif outcome in (Outcome.KNOWN, Outcome.FAILED, Outcome.WARNED):
        status = "fails as known"
    else:
        status = "not decided"
    expires = entry.expires.isoformat() if entry.expires else None
    return KnownStatus(entry.name, entry.reason, expires, entry.issue, status, problem)


def tolerated(check: Check, known: Sequence[Known], today: date) -> Check:
    """The check; a failure that the list tolerates becomes a known failure."""
    if check.outcome is not Outcome.FAILED:
        return check
    for entry in known:
        if entry.covers(check.requirement, check.test) and not entry.has_expired(today):
            return msgspec.structs.replace(check, outcome=Outcome.KNOWN)
    return check

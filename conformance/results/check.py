"""A check: what one test found about one requirement."""

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from conformance.http.redaction import Redactor
from conformance.http.traffic import TrafficRows
from conformance.results.evidence import ShownExchange


class Outcome(StrEnum):
    """How a check or a requirement ended. Only `FAILED` accuses the server."""

    PASSED = "passed"
    FAILED = "failed"
    KNOWN = "known_failure"
    WARNED = "warned"
    NOT_EXERCISED = "not_exercised"
    BLOCKED = "blocked"
    INCONCLUSIVE = "inconclusive"


WORST_FIRST = (
    Outcome.FAILED,
    Outcome.KNOWN,
    Outcome.WARNED,
    Outcome.INCONCLUSIVE,
    Outcome.BLOCKED,
    Outcome.PASSED,
    Outcome.NOT_EXERCISED,
)
"""A requirement has the first of these outcomes that any of its checks has."""


class Check(msgspec.Struct, frozen=True):
    """What one test found about one requirement.

    `expected` and `received` are set for failures and warnings. `blamed` is the requirement that
    blocked the check. `exchanges` are the redacted requests and responses up to the outcome, in
    order; `omitted` is how many before them are left out. `started` is in seconds since the epoch.
    """

    requirement: str
    test: str
    outcome: Outcome
    message: str = ""
    expected: str | None = None
    received: str | None = None
    blamed: str | None = None
    exchanges: tuple[ShownExchange, ...] = ()
    started: float = 0.0
    seconds: float = 0.0
    omitted: int = 0


class TestResult(msgspec.Struct, frozen=True):
    """What one test reports to the controller process and to the journal.

    `given_up` is why its process tests no more.
    """

    __test__ = False  # pytest must not collect it

    checks: tuple[Check, ...]
    traffic: TrafficRows
    given_up: str | None = None


def outcome_of(checks: Iterable[Check]) -> Outcome:
    """The outcome of a requirement with these checks; not exercised if there are none."""
    outcomes = {check.outcome for check in checks}
    return next((outcome for outcome in WORST_FIRST if outcome in outcomes), Outcome.NOT_EXERCISED)


def redact_check(check: Check, redactor: Redactor) -> Check:
    """The check without secrets in its texts."""
    texts = {name: getattr(check, name) for name in ("message", "expected", "received")}
    clean = {name: redactor.text(text) for name, text in texts.items() if text is not None}
    return msgspec.structs.replace(check, **clean)

"""What a run found out: plain data, written as `results.json`, from which all else is made."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from conformance.http.redaction import Redactor
from conformance.http.traffic import Traffic

FORMAT = "kraty-conformance-results"
FORMAT_VERSION = 1


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
"""A requirement is what the first of these is that one of its checks has."""


@dataclass(frozen=True)
class Check:
    """One test's word on one requirement.

    `message` is for people; `expected` and `received` are set for failures and warnings;
    `blamed` names the requirement that a blocked check was blocked by. `exchanges` are the
    redacted requests and responses that led there, in order, as `report.evidence` shows them.
    `started` is seconds since the epoch.
    """

    requirement: str
    test: str
    outcome: Outcome
    message: str = ""
    expected: str | None = None
    received: str | None = None
    blamed: str | None = None
    exchanges: list[dict[str, Any]] = field(default_factory=list)
    started: float = 0.0
    seconds: float = 0.0


def packed(checks: Sequence[Check], traffic: Traffic) -> str:
    """What one test tells, as JSON: for another process, and for the journal."""
    return json.dumps({"checks": [vars(check) for check in checks], "traffic": traffic.packed()})


def outcome_of(checks: list[Check]) -> Outcome:
    """The outcome of a requirement from those of its checks; without any, not exercised."""
    outcomes = {check.outcome for check in checks}
    return next((outcome for outcome in WORST_FIRST if outcome in outcomes), Outcome.NOT_EXERCISED)


def footer_of(requirements: list[dict[str, Any]]) -> dict[str, int]:
    """How much the rows of requirements hold: the last member of the document says so."""
    checks = [check for row in requirements for check in row["checks"]]
    exchanges = sum(len(check["exchanges"]) for check in checks)
    return {"requirements": len(requirements), "checks": len(checks), "exchanges": exchanges}


def redact_check(check: Check, redactor: Redactor) -> Check:
    """The check with every text free of secrets."""

    def clean(text: str | None) -> str | None:
        return None if text is None else redactor.text(text)

    return replace(
        check,
        message=redactor.text(check.message),
        expected=clean(check.expected),
        received=clean(check.received),
    )

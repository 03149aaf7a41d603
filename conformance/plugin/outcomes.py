"""What the ending of a test says about requirements."""

import warnings
from collections.abc import Collection
from dataclasses import dataclass

import pytest

from conformance.client.recorder import Recorder
from conformance.contract.requirements import Level, catalogue
from conformance.failures import Blocked, Inconclusive, Mismatch, NotExercised, ShouldWarning
from conformance.http.exchange import Exchange
from conformance.http.redaction import Redactor
from conformance.plugin.session import RunSession
from conformance.plugin.test_ids import requirements_of, test_id
from conformance.report.text import explain
from conformance.results.check import Check, Outcome, outcome_of
from conformance.results.evidence import MAX_EXCHANGES, evidence

RECORDER = pytest.StashKey[Recorder]()
WARNED = pytest.StashKey[Mismatch | None]()
ATTEMPT = pytest.StashKey[int]()
"""The number of this attempt at the test, from 1."""
CHECKS = pytest.StashKey[dict[str, list[Check]]]()
"""What set-up, call and tear-down decided."""

HAR_EXCHANGES = 30
"""The last ones of a test, which a HAR file has besides those that show a breach."""
STATUS = {  # "failed" would be pytest's own category, of which it prints every report in full
    Outcome.FAILED: ("failing", "F", "FAILED"),
    Outcome.KNOWN: ("known to fail", "k", "KNOWN FAILURE"),
    Outcome.WARNED: ("warned", "w", "WARNED"),
    Outcome.INCONCLUSIVE: ("inconclusive", "?", "INCONCLUSIVE"),
    Outcome.BLOCKED: ("blocked", "b", "BLOCKED"),
    Outcome.PASSED: ("passed", ".", "PASSED"),
    Outcome.NOT_EXERCISED: ("not exercised", "-", "NOT EXERCISED"),
}
REPORTED = {
    Outcome.FAILED: "failed",
    Outcome.INCONCLUSIVE: "failed",
    Outcome.BLOCKED: "skipped",
    Outcome.KNOWN: "skipped",
    Outcome.NOT_EXERCISED: "skipped",
    Outcome.WARNED: "passed",
    Outcome.PASSED: "passed",
}
"""What pytest's own summary, `-x` and third-party plugins see."""


QUIET = (Outcome.PASSED, Outcome.NOT_EXERCISED)
"""Outcomes that need no explanation on a failing test."""


def is_should(item: pytest.Item, error: Mismatch) -> bool:
    """Whether the broken requirement is a SHOULD."""
    return severity(broken_by(error, requirements_of(item))) is Outcome.WARNED


def remember_warning(item: pytest.Item, error: Mismatch) -> None:
    """Turn a SHOULD that is not met into a warning; it raises where warnings are errors."""
    item.stash[WARNED] = error
    broken = broken_by(error, requirements_of(item))
    warnings.warn(ShouldWarning(f"{broken}: {error}"), stacklevel=2)


def severity(requirement: str) -> Outcome:
    """What a breach of the requirement is: a failure, or a warning for a SHOULD."""
    must = catalogue()[requirement].level is Level.MUST
    return Outcome.FAILED if must else Outcome.WARNED


def broken_by(error: Mismatch, own: list[str]) -> str:
    """The requirement that an accusation names; else the first one of the test."""
    return error.requirement or own[0]


@dataclass(frozen=True)
class Ending:
    """How a test ended for one requirement; for all requirements of the test where that is None."""

    outcome: Outcome
    message: str = ""
    requirement: str | None = None
    expected: str | None = None
    received: str | None = None
    blamed: str | None = None


def ending_of(
    error: BaseException | None,
    warned: Mismatch | None,
    own: list[str],
    found: Collection[str],
) -> Ending:
    """Classify the exception that ended a test; only a Mismatch accuses the server.

    `warned` is a breach that was turned into a warning, `own` are the test's requirements,
    `found` those of which its exchanges showed a breach on the way.
    """
    accusation = _accusation(error) or warned
    if accusation is not None:
        broken = broken_by(accusation, own)
        strict = isinstance(error, ShouldWarning)
        return Ending(
            Outcome.FAILED if strict else severity(broken),
            str(accusation),
            broken,
            accusation.expected,
            accusation.received,
        )
    if error is None:
        return Ending(Outcome.PASSED)
    if isinstance(error, Blocked) and error.requirement in own:
        # The step that went wrong is the very sentence that the test is about.
        return Ending(severity(error.requirement), str(error), error.requirement)
    return _undecided(error, found)


def _undecided(error: BaseException, found: Collection[str]) -> Ending:
    """An ending that says nothing about the server, and why."""
    if isinstance(error, Blocked):
        return Ending(Outcome.BLOCKED, str(error), blamed=error.requirement)
    if isinstance(error, (NotExercised, pytest.skip.Exception)):
        return Ending(Outcome.NOT_EXERCISED, str(error))
    if isinstance(error, Inconclusive):
        return Ending(Outcome.INCONCLUSIVE, str(error))
    if found:
        blamed = next(iter(found))
        message = f"blocked by {blamed}: the scenario could not read the response"
        return Ending(Outcome.BLOCKED, message, blamed=blamed)
    return Ending(Outcome.INCONCLUSIVE, f"error of the suite: {type(error).__name__}: {error}")


def _accusation(error: BaseException | None) -> Mismatch | None:
    """The accusation that an exception is or, as Hypothesis raises several, holds."""
    if isinstance(error, Mismatch):
        return error
    if isinstance(error, BaseExceptionGroup):
        accusations = (_accusation(part) for part in error.exceptions)
        return next((found for found in accusations if found is not None), None)
    return None


def checks_of(item: pytest.Item, call: pytest.CallInfo[None], session: RunSession) -> list[Check]:
    """The checks that this phase of a test decides; set-up and tear-down decide only by failing."""
    error = call.excinfo.value if call.excinfo else None
    if error is None and call.when != "call":
        return []
    own, recorder = requirements_of(item), item.stash[RECORDER]
    ending = ending_of(error, item.stash.get(WARNED, None), own, recorder.findings)
    endings = {**_of_own(own, ending), **_of_exchanges(recorder, ending)}
    base_url = session.run.target.base_url
    checks = []
    for id, ended in endings.items():
        found = recorder.findings.get(id)
        exchanges = recorder.with_arrangements(found.exchanges if found else recorder.exchanges)
        is_quiet = ended.outcome in QUIET
        check = Check(
            requirement=id,
            test=test_id(item),
            outcome=ended.outcome,
            message=ended.message,
            expected=ended.expected,
            received=ended.received,
            blamed=ended.blamed,
            exchanges=() if is_quiet else evidence(exchanges, base_url, session.files.keep_body),
            started=call.start,
            seconds=call.duration,
            omitted=0 if is_quiet else max(len(exchanges) - MAX_EXCHANGES, 0),
        )
        checks.append(session.reported(check))
    return checks


def _of_own(own: list[str], ending: Ending) -> dict[str, Ending]:
    """How the test ended for its own requirements; one that is broken leaves the others open."""
    if ending.requirement is None:
        return dict.fromkeys(own, ending)
    stopped = f"the test stopped when {ending.requirement} was broken"
    others = dict.fromkeys(own, Ending(Outcome.NOT_EXERCISED, stopped))
    return {**others, ending.requirement: ending}


def _of_exchanges(recorder: Recorder, ending: Ending) -> dict[str, Ending]:
    """The breaches that the exchanges of the test showed on the way."""
    endings = {}
    for id, finding in recorder.findings.items():
        expected, received = finding.breach.expected, finding.breach.received
        if ending.requirement == id and ending.received not in (None, received):
            # The scenario may know what the exchange alone does not show.
            received = f"{received}; {ending.received}"
        message = str(Mismatch(expected, received))
        endings[id] = Ending(severity(id), message, id, expected, received)
    return endings


def evident(checks: list[Check], recorder: Recorder) -> list[Exchange]:
    """The exchanges that show why a test did not simply pass, each once; none where it did."""
    if all(check.outcome in QUIET for check in checks):
        return []
    found = [exchange for finding in recorder.findings.values() for exchange in finding.exchanges]
    kept = [*recorder.exchanges[-HAR_EXCHANGES:], *found]
    return list({id(exchange): exchange for exchange in kept}.values())


def redact(report: pytest.TestReport, redactor: Redactor) -> None:
    """Take the secrets out of a report before anybody shows it: a debugger does so at once."""
    report.sections = [(title, redactor.text(content)) for title, content in report.sections]
    if report.outcome == "failed":
        report.longrepr = redactor.text(str(report.longrepr or ""))


def restyle(report: pytest.TestReport, checks: list[Check]) -> None:
    """Make the report say what the checks say."""
    if not checks:
        return
    outcome = outcome_of(checks)
    report.outcome = REPORTED[outcome]  # type: ignore[assignment]
    report.conformance_status = [str(word) for word in STATUS[outcome]]  # type: ignore[attr-defined]
    telling = [check for check in checks if check.outcome not in QUIET]
    words = "\n\n".join(explain(check) for check in telling)
    if report.outcome == "failed":
        decided = outcome is not Outcome.INCONCLUSIVE
        report.longrepr = words if decided else f"{words}\n\n{report.longrepr}"
    elif report.outcome == "skipped":
        path, line, _ = report.location
        report.longrepr = (path, line or 0, checks[0].message)
    else:
        report.longrepr = None

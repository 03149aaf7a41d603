"""Decides whether a test is run again, with other names.

A test that the network or the rate budget has spoilt says nothing; a test that fails on a network
that loses requests may have been spoilt too. Both run again until the test ends, or has failed so
often that the network does not explain it. On a path without a failure the first word counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import pytest
from _pytest.runner import runtestprotocol

from conformance.client.network_health import MAX_REPETITIONS, NetworkHealth
from conformance.client.recorder import Recorder
from conformance.http.traffic import Traffic
from conformance.plugin.outcomes import ATTEMPT, CHECKS, RECORDER, WARNED, restyle
from conformance.plugin.session import RunSession
from conformance.plugin.test_ids import requirements_of
from conformance.results.check import Check, Outcome, TestResult, outcome_of
from conformance.results.document import as_json

ACCUSING = (Outcome.FAILED, Outcome.KNOWN, Outcome.WARNED)
MAX_ATTEMPTS = 24
MAX_SECONDS = 120.0


@dataclass(frozen=True)
class Attempt:
    """One run of a test: how it ended, and on how many exchanges that rests.

    `transit_failures` is how often the path failed meanwhile, `seconds` what it took.
    `lacked_budget` is whether simultaneous requests met the end of a rate window.
    """

    outcome: Outcome
    exchanges: int
    transit_failures: int
    seconds: float
    lacked_budget: bool = False


def to_be_repeated(attempts: Sequence[Attempt], path: NetworkHealth) -> bool:
    """Whether another attempt may say more."""
    last = attempts[-1]
    spent = len(attempts) >= MAX_ATTEMPTS or sum(a.seconds for a in attempts) > MAX_SECONDS
    if spent or path.gone or path.given_up:
        return False
    if last.outcome in ACCUSING:
        needed = path.repetitions(last.exchanges)
        return needed is not None and accusations(attempts) < needed
    if last.outcome is Outcome.BLOCKED and path.transit_failures:
        blocked = sum(attempt.outcome is Outcome.BLOCKED for attempt in attempts)
        return blocked < (path.repetitions(last.exchanges) or MAX_REPETITIONS)
    spoilt = last.transit_failures > 0 or last.lacked_budget
    return last.outcome is Outcome.INCONCLUSIVE and spoilt


def accusations(attempts: Sequence[Attempt]) -> int:
    """How many of the attempts accuse the server."""
    return sum(attempt.outcome in ACCUSING for attempt in attempts)


def doubt(attempts: Sequence[Attempt], path: NetworkHealth) -> str | None:
    """Why the attempts decide nothing although one of them accuses; None where they do."""
    accusing, last = accusations(attempts), attempts[-1]
    if not accusing:
        return None
    if path.given_up is not None:
        return path.given_up
    needed = path.repetitions(last.exchanges)
    if last.outcome in ACCUSING and needed is not None and accusing >= needed:
        return None
    tried = f"{accusing} of {len(attempts)} attempts failed"
    return f"{tried}, on a path that failed {path.transit_failures} of {path.requests} requests"


def run_scenario(item: pytest.Item, nextitem: pytest.Item | None, session: RunSession) -> None:
    """Run the test as often as needed, and report it once."""
    path, traffic = session.transport.health, Traffic()
    attempts: list[Attempt] = []
    session.waiting.requirement = requirements_of(item)[0]
    while True:
        _forget(item, len(attempts) + 1)
        before, blamed, refused = path.transit_failures, path.blamed, path.refused_together
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
        traffic.merge(item.stash[RECORDER].traffic.packed())
        checks = [check for phase in item.stash[CHECKS].values() for check in phase]
        outcome = outcome_of(checks)
        if outcome in ACCUSING:
            session.sample_the_path()
        if path.blamed > blamed:
            path.given_up = path.given_up or session.outage()
        seconds = sum(report.duration for report in reports)
        exchanges = _exchanges(item, checks)
        lacked = path.refused_together > refused
        failed = path.transit_failures - before
        attempts.append(Attempt(outcome, exchanges, failed, seconds, lacked))
        if not to_be_repeated(attempts, path):
            break

    reason, said = doubt(attempts, path), list[Check]()
    for report in reports:
        found = item.stash[CHECKS][report.when]
        believed = [_believed(check, reason, len(attempts)) for check in found]
        restyle(report, believed)
        said += believed
    shown = informative(reports)
    # As text, on the last report: those of worker processes carry plain values only.
    result = TestResult(tuple(said), traffic.packed(), path.given_up)
    shown[-1].conformance = as_json(result)  # type: ignore[attr-defined]
    if path.given_up is not None:
        item.session.shouldstop = path.given_up
    for report in shown:
        item.ihook.pytest_runtest_logreport(report=report)


def informative(reports: list[pytest.TestReport]) -> list[pytest.TestReport]:
    """The reports of a test without those of set-up and tear-down that say nothing.

    Each report that goes from a worker to the controller costs as much as a request.
    """
    found = [
        report
        for report in reports
        if report.when == "call"
        or not report.passed
        or hasattr(report, "conformance_status")
        or report.sections  # somebody printed something
        or report.user_properties
    ]
    return found or reports[-1:]


def _forget(item: pytest.Item, attempt: int) -> None:
    """Nothing of an earlier attempt is left but its number, which makes other names."""
    item.stash[ATTEMPT] = attempt
    item.stash[RECORDER] = Recorder()
    item.stash[CHECKS] = {}
    item.stash[WARNED] = None


def _exchanges(item: pytest.Item, checks: list[Check]) -> int:
    """The exchanges that an accusation rests on."""
    recorder = item.stash[RECORDER]
    accused = {check.requirement for check in checks if check.outcome in ACCUSING}
    found = [len(recorder.findings[id].exchanges) for id in accused if id in recorder.findings]
    return len(recorder.exchanges) if len(found) < len(accused) else max(found, default=0)


def _believed(check: Check, reason: str | None, attempts: int) -> Check:
    if attempts == 1 and reason is None:
        return check
    if reason is not None:
        first = f": {check.message}" if check.message else ""
        return msgspec.structs.replace(check, outcome=Outcome.INCONCLUSIVE, message=reason + first)
    if check.message:
        return msgspec.structs.replace(check, message=f"{check.message} ({attempts} attempts)")
    return check

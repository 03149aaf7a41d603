"""Runs a scenario as often as it takes to believe it (see `conformance.attempts`)."""

from dataclasses import replace

import pytest
from _pytest.runner import runtestprotocol

from conformance.attempts import ACCUSING, Attempt, doubt, to_be_repeated
from conformance.plugin.outcomes import ATTEMPT, CHECKS, RECORDER, WARNED, restyle
from conformance.plugin.session import Conformance
from conformance.recorder import Recorder
from conformance.results import Check, Outcome, outcome_of, packed
from conformance.traffic import Traffic


def run_scenario(item: pytest.Item, nextitem: pytest.Item | None, run: Conformance) -> None:
    """Run the test until it is believed, and report it once."""
    path, traffic = run.wire.path, Traffic()
    attempts: list[Attempt] = []
    while True:
        _forget(item, len(attempts) + 1)
        before = path.troubles
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
        traffic.add_all(item.stash[RECORDER].traffic)
        checks = [check for told in item.stash[CHECKS].values() for check in told]
        outcome = outcome_of(checks)
        if outcome in ACCUSING:
            run.sound_out_the_path()
        seconds = sum(report.duration for report in reports)
        exchanges = _exchanges(item, checks)
        attempts.append(Attempt(outcome, exchanges, path.troubles - before, seconds))
        if not to_be_repeated(attempts, path):
            break

    told, said = doubt(attempts, path), list[Check]()
    for report in reports:
        found = item.stash[CHECKS][report.when]
        believed = [_believed(check, told, len(attempts)) for check in found]
        restyle(report, believed)
        said += believed
    shown = telling(reports)
    # As text, on the last report: those of worker processes carry plain values only.
    shown[-1].conformance = packed(said, traffic)  # type: ignore[attr-defined]
    for report in shown:
        item.ihook.pytest_runtest_logreport(report=report)


def telling(reports: list[pytest.TestReport]) -> list[pytest.TestReport]:
    """The reports of a test that tell more than that nothing is wrong with set-up or tear-down.

    Each report that goes from a worker to the controller costs as much as a request.
    """
    told = [
        report
        for report in reports
        if report.when == "call"
        or not report.passed
        or hasattr(report, "conformance_status")
        or report.sections  # somebody printed something
        or report.user_properties
    ]
    return told or reports[-1:]


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


def _believed(check: Check, told: str | None, attempts: int) -> Check:
    if attempts == 1 and told is None:
        return check
    if told is not None:
        first = f": {check.message}" if check.message else ""
        return replace(check, outcome=Outcome.INCONCLUSIVE, message=told + first)
    if check.message:
        return replace(check, message=f"{check.message} ({attempts} attempts)")
    return check

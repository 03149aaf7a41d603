"""Runs a scenario as often as it takes to believe it (see `conformance.attempts`)."""

import json
from dataclasses import replace
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from conformance.attempts import ACCUSING, Attempt, doubt, to_be_repeated
from conformance.plugin.outcomes import ATTEMPT, RECORDER, WARNED, restyle
from conformance.plugin.session import Conformance
from conformance.recorder import Recorder
from conformance.results import Check, Outcome, outcome_of
from conformance.traffic import Traffic


def run_scenario(item: pytest.Item, nextitem: pytest.Item | None, run: Conformance) -> None:
    """Run the test until it is believed, and report it once."""
    path, traffic = run.wire.path, Traffic()
    attempts: list[Attempt] = []
    while True:
        _forget(item, len(attempts) + 1)
        before = path.troubles
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
        for report in reports:
            traffic.merge(_told(report)["traffic"])
        checks = [check for report in reports for check in _checks(report)]
        outcome = outcome_of(checks)
        if outcome in ACCUSING:
            run.sound_out_the_path()
        seconds = sum(report.duration for report in reports)
        exchanges = _exchanges(item, checks)
        attempts.append(Attempt(outcome, exchanges, path.troubles - before, seconds))
        if not to_be_repeated(attempts, path):
            break
    told = doubt(attempts, path)
    rows = traffic.packed()
    for report in reports:
        _conclude(report, told, len(attempts), rows, run)
        rows = Traffic().packed()
        item.ihook.pytest_runtest_logreport(report=report)


def _forget(item: pytest.Item, attempt: int) -> None:
    """Nothing of an earlier attempt is left but its number, which makes other names."""
    item.stash[ATTEMPT] = attempt
    item.stash[RECORDER] = Recorder()
    item.stash[WARNED] = None


def _told(report: pytest.TestReport) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(getattr(report, "conformance", "null")) or {
        "checks": [],
        "traffic": Traffic().packed(),
    }
    return told


def _checks(report: pytest.TestReport) -> list[Check]:
    return [Check(**row) for row in _told(report)["checks"]]


def _exchanges(item: pytest.Item, checks: list[Check]) -> int:
    """The exchanges that an accusation rests on."""
    recorder = item.stash[RECORDER]
    accused = {check.requirement for check in checks if check.outcome in ACCUSING}
    found = [len(recorder.findings[id].exchanges) for id in accused if id in recorder.findings]
    return len(recorder.exchanges) if len(found) < len(accused) else max(found, default=0)


def _conclude(
    report: pytest.TestReport, told: str | None, attempts: int, rows: Any, run: Conformance
) -> None:
    """Let the report of the last attempt say what all of them came to."""
    if not hasattr(report, "conformance"):
        return
    checks = [_believed(check, told, attempts) for check in _checks(report)]
    restyle(report, checks, run, rows)


def _believed(check: Check, told: str | None, attempts: int) -> Check:
    if attempts == 1 and told is None:
        return check
    if told is not None:
        first = f": {check.message}" if check.message else ""
        return replace(check, outcome=Outcome.INCONCLUSIVE, message=told + first)
    if check.message:
        return replace(check, message=f"{check.message} ({attempts} attempts)")
    return check

"""The files of a run, read back by their readers; and the journal of a crash."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from haralyzer import HarParser
from junitparser import JUnitXml
from junitparser.junitparser import Properties
from test_report import document, exchange, failed, head, written

from conformance.contract.requirements import Level
from conformance.failures import UsageError
from conformance.http.exchange import Exchange, Request, Response
from conformance.http.traffic import LATENCY_BOUNDS, Moment, Traffic, TrafficRows, place_of
from conformance.report.har import HarPart, join_parts
from conformance.report.journal import Journal, read_journal
from conformance.report.recovery import BROKEN_OFF, document_of
from conformance.results.check import Check, Outcome, TestResult
from conformance.results.collector import Collected
from conformance.results.document import as_json


def sent(body: bytes = b'{"data": {}}', started: float = 1.0, remaining: str = "9") -> Exchange:
    request = Request(
        "getPlayer",
        "GET",
        "/server/v1/players/a?limit=2",
        (("Authorization", "Bearer [server key]"),),
        b"",
    )
    response = Response(
        200, (("content-type", "application/json"), ("RateLimit-Remaining", remaining)), body
    )
    return Exchange(request, response, None, started, 0.0042)


def har_of(folder: Path, *exchanges: Exchange) -> list[dict[str, Any]]:
    """The entries of the HAR of a run with one test."""
    HarPart(folder, "main", "http://x").add("test_a", exchanges)
    join_parts(folder)
    entries: list[dict[str, Any]]
    entries = json.loads((folder / "exchanges.har").read_text())["log"]["entries"]
    return entries


def test_a_har_reader_reads_the_exchanges_in_their_order(tmp_path: Path) -> None:
    HarPart(tmp_path, "gw0", "http://x").add("test_b", [sent(started=2.0)])
    HarPart(tmp_path, "gw1", "http://x").add("test_a", [sent(), sent(b"\xff\x00", started=1.5)])

    join_parts(tmp_path)

    page = HarParser(json.loads((tmp_path / "exchanges.har").read_text()))
    entries = page.har_data["entries"]
    assert [entry["comment"] for entry in entries] == ["test_a", "test_a", "test_b"]
    assert entries[0]["request"]["url"] == "http://x/server/v1/players/a?limit=2"
    assert entries[0]["request"]["queryString"] == [{"name": "limit", "value": "2"}]
    assert entries[1]["response"]["content"]["encoding"] == "base64"
    assert list(tmp_path.iterdir()) == [tmp_path / "exchanges.har"]


def test_a_body_of_any_size_is_whole_in_the_har(tmp_path: Path) -> None:
    (entry,) = har_of(tmp_path, sent(b'"' + b"x" * 2**22 + b'"'))
    assert len(entry["response"]["content"]["text"]) == 2**22 + 2


def test_a_request_without_an_answer_has_status_0(tmp_path: Path) -> None:
    (entry,) = har_of(tmp_path, replace(sent(), response=None, error="ReadTimeout: too late"))
    response = entry["response"]
    assert (response["status"], response["statusText"]) == (0, "ReadTimeout: too late")


def test_junitparser_reads_suites_properties_and_failures(tmp_path: Path) -> None:
    path = written(tmp_path, document(failed(), Check("ACK-1", "t", Outcome.PASSED)))
    suites = {suite.name: suite for suite in JUnitXml.fromfile(str(path / "junit.xml"))}
    assert set(suites) >= {"GRANT", "ACK"}
    case = next(iter(suites["GRANT"]))
    properties = {one.name: one.value for one in case.child(Properties)}  # type: ignore[no-untyped-call]
    assert properties == {"requirement": "GRANT-2", "level": "MUST", "outcome": "failed"}
    assert suites["GRANT"].failures == 1
    assert suites["ACK"].failures == 0


@pytest.mark.skipif(shutil.which("npx") is None, reason="Allure's command line needs npx (Node.js)")
def test_allures_command_line_reads_its_results(tmp_path: Path) -> None:
    warned = Check("MIG-9", "t", Outcome.WARNED, "expected a; received b", exchanges=(exchange(),))
    path = written(tmp_path, document(failed(), warned, Check("ACK-1", "t", Outcome.PASSED)))
    command = ["npx", "--yes", "allure@3", "generate", str(path / "allure-results"), "-o", "allure"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    results = [
        json.loads(file.read_text()) for file in (tmp_path / "allure").rglob("test-results/*.json")
    ]
    assert sorted(result["status"] for result in results) == ["failed", "passed", "passed"]
    broken = next(result for result in results if result["status"] == "failed")
    labels = {label["name"]: label["value"] for label in broken["labels"]}
    assert labels["suite"] == "GRANT"
    assert labels["story"].startswith("GRANT-2: ")
    assert labels["severity"] == "critical"


def report(outcome: Outcome, requirement: str = "PING-1") -> str:
    """The report of a test."""
    return as_json(TestResult((Check(requirement, "t", outcome, started=1002.0),), TrafficRows()))


def test_results_are_made_from_the_journal_of_a_run_that_broke_off(tmp_path: Path) -> None:
    journal = Journal(tmp_path, head())
    journal.add(report(Outcome.PASSED))
    journal.add(report(Outcome.PASSED, "PING-2"))
    with journal.path.open("a") as file:
        file.write('{"checks": [{"requirement": "PI')  # killed while it wrote

    made = document_of(tmp_path)

    assert made.verdict.verdict == "inconclusive"
    assert made.verdict.abort_reason == BROKEN_OFF
    assert made.verdict.outcomes[Level.MUST][Outcome.PASSED] == 2


@pytest.mark.parametrize("ending", [b"", b'{"checks": [{"requirement": "\xc3'])
def test_odd_text_in_a_report_does_not_hide_the_next_one(ending: bytes, tmp_path: Path) -> None:
    odd = Check("PING-1", "t", Outcome.FAILED, "\u2028 \x85 \u00e9 \ud800")
    journal = Journal(tmp_path, head())
    journal.add(as_json(TestResult((odd,), TrafficRows())))
    journal.add(report(Outcome.PASSED, "PING-2"))
    with journal.path.open("ab") as file:
        file.write(ending)
    _, results = read_journal(tmp_path)
    assert [result.checks[0].requirement for result in results] == ["PING-1", "PING-2"]


def test_what_failed_before_the_crash_is_failed(tmp_path: Path) -> None:
    Journal(tmp_path, head()).add(report(Outcome.FAILED))
    assert document_of(tmp_path).verdict.verdict == "not conformant"


@pytest.mark.parametrize("text", ["", "nonsense\n", '{"format": "other", "head": {}}\n'])
def test_a_journal_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_text(text)
    with pytest.raises(UsageError, match="not a journal"):
        read_journal(tmp_path)


def test_traffic_crosses_processes_and_adds_up() -> None:
    one, other, both = Traffic(), Traffic(), Traffic()
    one.add(sent(started=1000.2, remaining="7"))
    other.add(sent(started=1000.9, remaining="5"))
    for part in (one, other):
        both.merge(msgspec.convert(json.loads(as_json(part.packed())), TrafficRows))

    assert both.of("getPlayer") == {"200": 2}
    assert both.latencies_of("getPlayer")[place_of(4.2)] == 2
    assert both.timeline(998.0) == (Moment(second=2, requests=2, remaining={"server": 5}),)


def test_a_latency_belongs_to_the_first_bound_that_it_does_not_exceed() -> None:
    assert [place_of(ms) for ms in (0.5, 1, 1.1, 10000, 10001)] == [
        0,
        0,
        1,
        len(LATENCY_BOUNDS) - 1,
        len(LATENCY_BOUNDS),
    ]


def test_collected_results_do_not_need_a_run() -> None:
    collected = Collected()
    collected.add(msgspec.convert(json.loads(report(Outcome.PASSED)), TestResult))
    assert collected.document(head(), 2.0, None).run.seconds == 2.0

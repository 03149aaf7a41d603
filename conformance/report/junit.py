"""`junit.xml`: a suite for each family, a case for each check."""

import re
from typing import Any

from junitparser import Error, Failure, JUnitXml, Property, Skipped, TestCase, TestSuite
from junitparser.junitparser import Properties

from conformance.results.check import Outcome

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
ENDINGS = {
    Outcome.FAILED: Failure,
    Outcome.INCONCLUSIVE: Error,
    Outcome.BLOCKED: Skipped,
    Outcome.KNOWN: Skipped,
    Outcome.NOT_EXERCISED: Skipped,
}


def render_junit(document: dict[str, Any]) -> bytes:
    """The document as JUnit XML; warnings pass, with the text in `system-out`."""
    xml = JUnitXml("kraty-conformance")
    for family in dict.fromkeys(row["family"] for row in document["requirements"]):
        rows = [row for row in document["requirements"] if row["family"] == family]
        suite = TestSuite(family)
        # One by one, the library would count all again for each case.
        suite.add_testcases([_case(row, check) for row in rows for check in row["checks"]])
        xml.add_testsuite(suite)
    return bytes(xml.tostring())


def _case(row: dict[str, Any], check: dict[str, Any]) -> TestCase:
    case = TestCase(_clean(f"{row['id']} {check['test']}"), row["id"], check["seconds"])
    properties = Properties()
    for name in ("requirement", "level", "outcome"):
        value = row["id"] if name == "requirement" else {**row, **check}[name]
        properties.add_property(Property(name, str(value)))
    case.append(properties)
    outcome = Outcome(check["outcome"])
    message = _clean(check["message"])
    if outcome in ENDINGS:
        ending = ENDINGS[outcome](message, outcome)
        ending.text = _clean("\n".join(_lines(row, check)))
        case.result = [ending]
    elif outcome is Outcome.WARNED:
        case.system_out = message
    return case


def _lines(row: dict[str, Any], check: dict[str, Any]) -> list[str]:
    curls = [exchange["curl"] for exchange in check["exchanges"] if exchange["curl"]]
    return [f"{row['id']}: {row['sentence']}", check["message"], *curls]


def _clean(text: str) -> str:
    """Text that XML can hold."""
    return _NOT_XML.sub("\ufffd", text)

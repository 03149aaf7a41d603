"""`junit.xml`: a suite for each family, a case for each check."""

import re

from junitparser import Error, Failure, JUnitXml, Property, Skipped, TestCase, TestSuite
from junitparser.junitparser import Properties

from conformance.report.text import MAX_EXCHANGES
from conformance.results.check import Check, Outcome
from conformance.results.document import Document, RequirementResult

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
ENDINGS = {
    Outcome.FAILED: Failure,
    Outcome.INCONCLUSIVE: Error,
    Outcome.BLOCKED: Skipped,
    Outcome.KNOWN: Skipped,
    Outcome.NOT_EXERCISED: Skipped,
}


def render_junit(document: Document) -> bytes:
    """The document as JUnit XML; warnings pass, with the text in `system-out`."""
    xml = JUnitXml("kraty-conformance")
    for family in dict.fromkeys(row.family for row in document.requirements):
        rows = [row for row in document.requirements if row.family == family]
        suite = TestSuite(family)
        # Added one by one, each case would make the library count all cases again.
        suite.add_testcases([_case(row, check) for row in rows for check in row.checks])
        xml.add_testsuite(suite)
    return bytes(xml.tostring())


def _case(row: RequirementResult, check: Check) -> TestCase:
    case = TestCase(_clean(f"{row.id} {check.test}"), row.id, check.seconds)
    properties = Properties()
    values = {"requirement": row.id, "level": row.level, "outcome": check.outcome}
    for name, value in values.items():
        properties.add_property(Property(name, str(value)))
    case.append(properties)
    message = _clean(check.message)
    if check.outcome in ENDINGS:
        ending = ENDINGS[check.outcome](message, check.outcome)
        ending.text = _clean("\n".join(_lines(row, check)))
        case.result = [ending]
    elif check.outcome is Outcome.WARNED:
        case.system_out = message
    return case


def _lines(row: RequirementResult, check: Check) -> list[str]:
    curls = [exchange.curl for exchange in check.exchanges[-MAX_EXCHANGES:] if exchange.curl]
    return [f"{row.id}: {row.sentence}", check.message, *curls]


def _clean(text: str) -> str:
    """Replace characters that XML cannot hold."""
    return _NOT_XML.sub("\ufffd", text)

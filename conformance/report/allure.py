"""`allure-results/`, from which the Allure command line makes a report.

Families are suites, requirements are stories and links, the level is the severity, each exchange is
a step. Each check is one Allure test, so nothing is counted twice. The plugin of allure-pytest
reports tests, and a test may decide several requirements, so only its model is used.
"""

import hashlib
import json
import shutil
from pathlib import Path
from uuid import uuid4

from allure_commons.logger import AllureMemoryLogger
from allure_commons.model2 import (
    Attachment,
    Label,
    Link,
    Parameter,
    StatusDetails,
    TestResult,
    TestStepResult,
)
from allure_commons.types import LabelType, Severity

from conformance.report.text import MAX_EXCHANGES
from conformance.results.check import Check, Outcome
from conformance.results.document import Document, RequirementResult
from conformance.results.evidence import ShownExchange

STATUS = {
    Outcome.PASSED: "passed",
    Outcome.WARNED: "passed",
    Outcome.FAILED: "failed",
    Outcome.KNOWN: "skipped",
    Outcome.INCONCLUSIVE: "broken",
    Outcome.BLOCKED: "skipped",
    Outcome.NOT_EXERCISED: "skipped",
}
TAGS = {Outcome.WARNED: "warned", Outcome.KNOWN: "known failure"}
SEVERITY = {"MUST": Severity.CRITICAL, "SHOULD": Severity.MINOR}
API = "Kraty Server API"


def write_allure(directory: Path, document: Document) -> None:
    """Write a file for each check and each of its exchanges; remove all older files."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True, exist_ok=True)
    # Allure's file logger is several times as slow: it encodes in Python and renames each file.
    logger = AllureMemoryLogger()
    for row in document.requirements:
        for check in row.checks:
            logger.report_result(_result(logger, row, check))
    for case in logger.test_cases:
        _write(directory / TestResult.file_pattern.format(prefix=case["uuid"]), json.dumps(case))
    for name, text in logger.attachments.items():
        _write(directory / name, text)
    _write(directory / "environment.properties", _environment(document))


def _write(file: Path, text: str) -> None:
    file.write_bytes(text.encode("utf-8", "backslashreplace"))


def _environment(document: Document) -> str:
    values = {
        "Target": document.target.name,
        "URL": document.target.base_url,
        "Environment": document.target.environment,
        "Suite": document.suite.version,
        "Spec": document.spec.version,
        "Profile": document.run.profile,
        "Seed": document.run.seed,
        "Run": document.run.id,
        "Verdict": document.verdict.verdict,
    }
    return "".join(f"{name}={' '.join(str(value).split())}\n" for name, value in values.items())


def _result(logger: AllureMemoryLogger, row: RequirementResult, check: Check) -> TestResult:
    test, _, case = check.test.rpartition("::")[2].partition("[")
    start = round(check.started * 1000)
    identity = f"{row.id} {check.test}"
    numbered = list(enumerate(check.exchanges, 1))
    return TestResult(
        uuid=str(uuid4()),
        name=f"{row.id}: {test}",
        fullName=identity,
        historyId=_digest(identity),
        testCaseId=_digest(identity.partition("[")[0]),
        status=STATUS[check.outcome],
        statusDetails=StatusDetails(message=check.message, flaky=False),
        description=row.sentence,
        labels=[
            *_labels(row),
            *([Label(LabelType.TAG, TAGS[check.outcome])] if check.outcome in TAGS else []),
        ],
        links=[Link(type="requirement", url=f"../report.html#{row.id}", name=row.id)],
        parameters=[Parameter(name="case", value=case.removesuffix("]"))] if case else [],
        steps=[_step(logger, n, exchange) for n, exchange in numbered[-MAX_EXCHANGES:]],
        start=start,
        stop=start + round(check.seconds * 1000),
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _labels(row: RequirementResult) -> list[Label]:
    return [
        Label(LabelType.PARENT_SUITE, API),
        Label(LabelType.SUITE, row.family),
        Label(LabelType.SUB_SUITE, row.id),
        Label(LabelType.EPIC, API),
        Label(LabelType.FEATURE, row.family),
        Label(LabelType.STORY, f"{row.id}: {row.sentence}"),
        Label(LabelType.SEVERITY, SEVERITY[row.level]),
    ]


def _step(logger: AllureMemoryLogger, number: int, exchange: ShownExchange) -> TestStepResult:
    source = f"{uuid4()}-attachment.txt"
    logger.report_attached_data(as_text(exchange), source)
    start = round(exchange.started_at * 1000)
    return TestStepResult(
        name=f"{number}. {exchange.method} {exchange.target[:200]} -> {exchange.ending}",
        status="passed" if exchange.status else "broken",
        attachments=[Attachment(name="exchange", source=source, type="text/plain")],
        start=start,
        stop=start + round(exchange.seconds * 1000),
    )


def as_text(exchange: ShownExchange) -> str:
    """An exchange as HTTP writes it, with the curl command that repeats the request."""
    lines = [f"{exchange.method} {exchange.target}"]
    lines += [f"{name}: {value}" for name, value in exchange.request_headers]
    lines += ["", exchange.request_body, "", exchange.ending]
    lines += [f"{name}: {value}" for name, value in exchange.response_headers]
    lines += ["", exchange.response_body]
    if exchange.curl:
        lines += ["", exchange.curl]
    return "\n".join(lines)

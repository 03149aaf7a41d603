"""`allure-results/`: what the Allure command line makes a report of.

Families are suites, requirements are stories, the level is the severity, exchanges are
attachments. Each check is one Allure test, so nothing is counted twice.
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any
from uuid import uuid4

from allure_commons.logger import AllureMemoryLogger
from allure_commons.model2 import Attachment, Label, StatusDetails, TestResult
from allure_commons.types import LabelType, Severity

from conformance.results.check import Outcome

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


def write_allure(directory: Path, document: dict[str, Any]) -> None:
    """Write a file for each check, and one for each exchange of it, and nothing else stays."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True, exist_ok=True)
    # Allure's own file logger encodes in Python and renames each file: several times as slow.
    logger = AllureMemoryLogger()
    for row in document["requirements"]:
        for check in row["checks"]:
            logger.report_result(_result(logger, row, check))
    for case in logger.test_cases:
        _write(directory / TestResult.file_pattern.format(prefix=case["uuid"]), json.dumps(case))
    for name, text in logger.attachments.items():
        _write(directory / name, text)


def _write(file: Path, text: str) -> None:
    file.write_bytes(text.encode("utf-8", "backslashreplace"))


def _result(logger: AllureMemoryLogger, row: dict[str, Any], check: dict[str, Any]) -> TestResult:
    outcome = Outcome(check["outcome"])
    name = f"{row['id']}: {check['test'].rpartition('::')[2]}"
    start = round(check["started"] * 1000)
    return TestResult(
        uuid=str(uuid4()),
        name=name,
        fullName=f"{row['id']} {check['test']}",
        historyId=hashlib.sha256(f"{row['id']} {check['test']}".encode()).hexdigest()[:32],
        status=STATUS[outcome],
        statusDetails=StatusDetails(message=check["message"], flaky=False),
        description=row["sentence"],
        labels=[
            *_labels(row),
            *([Label(LabelType.TAG, TAGS[outcome])] if outcome in TAGS else []),
        ],
        attachments=[_attachment(logger, n, e) for n, e in enumerate(check["exchanges"], 1)],
        start=start,
        stop=start + round(check["seconds"] * 1000),
    )


def _labels(row: dict[str, Any]) -> list[Label]:
    return [
        Label(LabelType.PARENT_SUITE, API),
        Label(LabelType.SUITE, row["family"]),
        Label(LabelType.SUB_SUITE, row["id"]),
        Label(LabelType.EPIC, API),
        Label(LabelType.FEATURE, row["family"]),
        Label(LabelType.STORY, f"{row['id']}: {row['sentence']}"),
        Label(LabelType.SEVERITY, SEVERITY[row["level"]]),
    ]


def _attachment(logger: AllureMemoryLogger, number: int, exchange: dict[str, Any]) -> Attachment:
    ending = exchange["status"] or exchange["error"]
    source = f"{uuid4()}-attachment.txt"
    logger.report_attached_data(as_text(exchange), source)
    title = f"{number}. {exchange['method']} {exchange['target'][:200]} -> {ending}"
    return Attachment(name=title, source=source, type="text/plain")


def as_text(exchange: dict[str, Any]) -> str:
    """An exchange as HTTP writes it, with the curl command that repeats the request."""
    lines = [f"{exchange['method']} {exchange['target']}"]
    lines += [f"{name}: {value}" for name, value in exchange["requestHeaders"]]
    lines += ["", exchange["requestBody"], "", str(exchange["status"] or exchange["error"])]
    lines += [f"{name}: {value}" for name, value in exchange["responseHeaders"]]
    lines += ["", exchange["responseBody"]]
    if exchange["curl"]:
        lines += ["", exchange["curl"]]
    return "\n".join(lines)

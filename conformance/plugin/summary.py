"""What a run says at its end, on the terminal."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from conformance.contract.requirements import catalogue
from conformance.failures import UsageError
from conformance.plugin.run_files import RunFiles
from conformance.report.summary import not_exercised
from conformance.report.text import printable
from conformance.results.check import Check, Outcome
from conformance.results.document import Document
from conformance.results.verdict import EXIT_CODES, Verdict, counted
from conformance.settings.known_failures import write_known

MAX_LINES = 120
LISTED = (
    Outcome.FAILED,
    Outcome.KNOWN,
    Outcome.WARNED,
    Outcome.INCONCLUSIVE,
    Outcome.BLOCKED,
)
"""Outcomes that are listed, worst first."""


def summary_of(checks: list[Check]) -> list[str]:
    """An entry for each requirement that did not pass: its outcome, its first test, why."""
    lines = []
    for outcome in LISTED:
        for id, requirement in catalogue().items():
            found = [c for c in checks if c.requirement == id and c.outcome is outcome]
            if found:
                more = f" and {len(found) - 1} more" if len(found) > 1 else ""
                lines.append(f"{outcome.upper()} {id}: {requirement.sentence}")
                clearest = min(found, key=lambda check: len(check.exchanges))
                lines.append(f"  {clearest.test}{more}: {clearest.message}")
    return lines


def write_summary(terminal: Any, checks: list[Check]) -> None:
    """Print the summary with pytest's terminal reporter; of a long one the beginning."""
    entries = summary_of(checks)
    if entries:
        terminal.section("requirements that did not pass")
    for line in entries[:MAX_LINES]:
        terminal.line(printable(line, 300))
    if len(entries) > MAX_LINES:
        terminal.line("and more, all in the report")


def closing_lines(document: Document, files: RunFiles) -> list[str]:
    """The verdict, why, and where the report is, or why there is none."""
    verdict = document.verdict
    lines = [
        f"not exercised: {counted(len(ids), 'MUST')}: {printable(reason, 200)}"
        for reason, ids in not_exercised(document).items()
    ]
    lines += [f"notice: {printable(notice)}" for notice in document.notices]
    lines += [f"verdict: {verdict.verdict}: {verdict.reason}"]
    lines += [f"failed: {', '.join(verdict.failed)}"] if verdict.failed else []
    problems = [entry.problem for entry in document.known_failures if entry.problem]
    lines += [f"known failures: {problem}" for problem in problems]
    if files.unwritten is not None:
        return [*lines, f"cannot write the results to {files.path}: {files.unwritten}"]
    return [*lines, f"report: {files.path / 'report.html'}"]


def exit_code(document: Document, files: RunFiles) -> int:
    """The exit code of the verdict; a run whose results are lost decides nothing that is good."""
    code = EXIT_CODES[document.verdict.verdict]
    lost = files.unwritten is not None
    return EXIT_CODES[Verdict.INCONCLUSIVE] if lost and code == 0 else code


def begin_known_failures(file: Path, document: Document) -> str:
    """Begin a file of known failures with what failed, known or not; a line that says so."""
    found = list(failures_of(document))
    try:
        write_known(file, found)
    except OSError as error:
        return f"cannot write the known failures {file}: {error.strerror}"
    except UsageError as error:
        return str(error)
    return f"known failures: {file} ({len(found)} entries)"


def failures_of(document: Document) -> Iterator[tuple[str, str]]:
    """The requirements that failed, each with its first message."""
    for row in document.requirements:
        if row.outcome in (Outcome.FAILED, Outcome.KNOWN):
            first = next(check for check in row.checks if check.outcome is row.outcome)
            yield row.id, first.message

"""What a run says at its end, on the terminal."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from conformance.failures import UsageError
from conformance.plugin.run_files import RunFiles
from conformance.report.digest import digest, everything
from conformance.report.summary import not_exercised
from conformance.report.text import printable, visible
from conformance.results.check import Outcome
from conformance.results.document import Document, RequirementResult
from conformance.results.verdict import EXIT_CODES, Verdict, counted
from conformance.settings.known_failures import write_known

COLOURS = {
    Verdict.CONFORMANT: "green",
    Verdict.TOLERATED: "green",
    Verdict.NO_FAILURE: "yellow",
    Verdict.NOT_CONFORMANT: "red",
    Verdict.OUTDATED: "red",
    Verdict.TOO_LITTLE: "red",
    Verdict.INCONCLUSIVE: "yellow",
}


def write_summary(terminal: Any, rows: Sequence[RequirementResult], *, whole: bool) -> None:
    """Print what did not pass with pytest's terminal reporter: a digest, or the `whole` of it."""
    lines = everything(rows) if whole else digest(rows)
    if lines:
        terminal.section("requirements that did not pass")
    for line in lines:
        terminal.line(visible(line, keep=""))


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


def coloured(config: pytest.Config, lines: Sequence[str]) -> list[str]:
    """The closing lines; on a terminal with colours, the verdict has its own."""
    if config.pluginmanager.get_plugin("terminalreporter") is None:
        return list(lines)
    writer = config.get_terminal_writer()
    return [
        writer.markup(line, bold=True, **{_colour(line): True}) if is_verdict(line) else line
        for line in lines
    ]


def is_verdict(line: str) -> bool:
    """Whether a closing line is the verdict."""
    return line.startswith("verdict: ")


def _colour(line: str) -> str:
    verdict = next(each for each in Verdict if line.startswith(f"verdict: {each}: "))
    return COLOURS[verdict]


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

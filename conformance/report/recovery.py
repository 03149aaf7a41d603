"""Results of a run that broke off, made from its journal."""

from pathlib import Path
from typing import Any

from conformance.report import read_results
from conformance.report.journal import NAME, read_journal
from conformance.report.reading import RESULTS
from conformance.results.collector import Collected

BROKEN_OFF = "the run broke off before its end"


def document_of(path: Path) -> dict[str, Any]:
    """The results of a run by its directory or file: as written, else from its journal.

    UsageError where there is neither, or what there is cannot be read.
    """
    if not path.is_dir() or (path / RESULTS).exists() or not (path / NAME).exists():
        return read_results(path)
    head, reports = read_journal(path)
    collected = Collected()
    for report in reports:
        collected.add(report)
    seconds = max((check.started for check in collected.checks), default=head["started"])
    return collected.results(head, seconds - head["started"], BROKEN_OFF).document

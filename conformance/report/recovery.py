"""Makes the results of an interrupted run from its journal."""

from pathlib import Path

from conformance.report import read_results
from conformance.report.journal import NAME, read_journal
from conformance.report.reading import RESULTS
from conformance.results.collector import Collected
from conformance.results.document import Document

BROKEN_OFF = "the run broke off before its end"


def document_of(path: Path) -> Document:
    """The results of a run, by its directory or file; without results, those of its journal.

    UsageError if there is neither, or if the file cannot be read.
    """
    if not path.is_dir() or (path / RESULTS).exists() or not (path / NAME).exists():
        return read_results(path)
    head, results = read_journal(path)
    collected = Collected()
    for result in results:
        collected.add(result)
    last = max((check.started for check in collected.checks), default=head.started)
    return collected.document(head, last - head.started, BROKEN_OFF)

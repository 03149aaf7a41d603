"""`journal.jsonl`: the results of a run so far.

The first line says what is tested; each further line is the result of a test. At the end of the run
`results.json` replaces the journal; after a crash it is made from the journal.
"""

import json
from pathlib import Path

import msgspec

from conformance.failures import UsageError
from conformance.results.check import TestResult
from conformance.results.document import Head, as_json

NAME = "journal.jsonl"


class FirstLine(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="format", tag="kraty-conformance-journal"
):
    """The first line: what is tested."""

    head: Head


class Journal:
    """Appends to the journal of one run. OSError if the disk is full."""

    def __init__(self, path: Path, head: Head) -> None:
        self.path = path / NAME
        self._write("w", as_json(FirstLine(head=head)))

    def add(self, result: str) -> None:
        """Append the result of one test, as JSON."""
        self._write("a", result)

    def remove(self) -> None:
        """Remove the journal: the results are written."""
        self.path.unlink(missing_ok=True)

    def _write(self, mode: str, line: str) -> None:
        with self.path.open(mode, encoding="utf-8", errors="backslashreplace") as file:
            file.write(line + "\n")


def read_journal(directory: Path) -> tuple[Head, list[TestResult]]:
    """The head and the test results of an interrupted run, without an incomplete last line.

    UsageError for any other file.
    """
    path = directory / NAME
    first, *lines = path.read_bytes().split(b"\n")
    try:
        head = msgspec.convert(json.loads(first), FirstLine).head
    except (ValueError, msgspec.MsgspecError):
        raise UsageError(f"{path} is not a journal of kraty-conformance") from None
    results = []
    for line in lines:
        try:
            results.append(msgspec.convert(json.loads(line), TestResult))
        except (ValueError, msgspec.MsgspecError):
            break  # an incomplete line
    return head, results

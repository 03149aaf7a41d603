"""`journal.jsonl`: what a run knows so far, on disk as it comes.

A line that says what is tested, then one for each test that reported. The results replace it when
the run ends; after a crash they are made from it.
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
    """What says whose journal it is."""

    head: Head


class Journal:
    """Appends to the journal of one run. OSError where the disk is full."""

    def __init__(self, path: Path, head: Head) -> None:
        self.path = path / NAME
        self._write("w", as_json(FirstLine(head=head)))

    def add(self, result: str) -> None:
        """Keep what one test reports, as JSON."""
        self._write("a", result)

    def remove(self) -> None:
        """The results are written: the journal is of no more use."""
        self.path.unlink(missing_ok=True)

    def _write(self, mode: str, line: str) -> None:
        with self.path.open(mode, encoding="utf-8", errors="backslashreplace") as file:
            file.write(line + "\n")


def read_journal(directory: Path) -> tuple[Head, list[TestResult]]:
    """The head and the reports of a run that broke off; a line cut in its middle is left out.

    UsageError for a file that is no journal.
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
            break  # cut in its middle
    return head, results

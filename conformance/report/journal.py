"""`journal.jsonl`: what a run knows so far, on disk as it comes.

A line that says what is tested, then one for each test that reported. The results replace it when
the run ends; after a crash they are made from it.
"""

import json
from pathlib import Path
from typing import Any

from conformance.failures import UsageError

NAME = "journal.jsonl"
FORMAT = "kraty-conformance-journal"


class Journal:
    """Appends to the journal of one run. OSError where the disk is full."""

    def __init__(self, path: Path, head: dict[str, Any]) -> None:
        self.path = path / NAME
        self._write("w", json.dumps({"format": FORMAT, "head": head}))

    def add(self, report: str) -> None:
        """Keep what one test reports, as JSON."""
        self._write("a", report)

    def remove(self) -> None:
        """The results are written: the journal is of no more use."""
        self.path.unlink(missing_ok=True)

    def _write(self, mode: str, line: str) -> None:
        with self.path.open(mode, encoding="utf-8", errors="backslashreplace") as file:
            file.write(line + "\n")


def read_journal(directory: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The head and the reports of a run that broke off; a line cut in its middle is left out.

    UsageError for a file that is no journal.
    """
    path = directory / NAME
    lines = path.read_text(encoding="utf-8").splitlines()
    try:
        first = json.loads(lines[0])
        head: dict[str, Any] = first["head"]
        foreign = first["format"] != FORMAT
    except (IndexError, ValueError, KeyError, TypeError):
        foreign = True
    if foreign:
        raise UsageError(f"{path} is no journal of kraty-conformance")
    reports = []
    for line in lines[1:]:
        try:
            reports.append(json.loads(line))
        except ValueError:
            break
    return head, reports

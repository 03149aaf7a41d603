"""The directory of one run: `results.json` and everything that is made from it."""

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from conformance.failures import UsageError
from conformance.report.reading import RESULTS
from conformance.results.document import Document, as_json

LATEST = "latest"


class RunDirectory:
    """The new directory `path` of one run; `latest` beside it points at the newest."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, reports: Path, run_id: str, started: float) -> "RunDirectory":
        """Make the directory. UsageError if that fails."""
        moment = datetime.fromtimestamp(started, UTC).strftime("%Y%m%dT%H%M%SZ")
        path = reports.resolve() / f"{moment}-{run_id}"
        try:
            path.mkdir(parents=True)
        except OSError as error:
            raise UsageError(f"cannot write reports to {reports}: {error.strerror}") from None
        return cls(path)

    def announce(self) -> None:
        """Let `latest` point at the directory. UsageError if that fails."""
        try:
            _point(self.path.parent / LATEST, self.path)
        except OSError as error:
            raise UsageError(f"cannot write to {self.path.parent}: {error.strerror}") from None

    def discard(self) -> None:
        """Remove the directory if it is empty."""
        with suppress(OSError):
            self.path.rmdir()


def write_results(path: Path, document: Document) -> None:
    """Write `results.json`, whole or not at all. OSError if the disk is full."""
    text = as_json(document, indent=2)
    part = path / f"{RESULTS}.part"
    try:
        part.write_text(text + "\n", encoding="utf-8")
        part.replace(path / RESULTS)
    finally:
        part.unlink(missing_ok=True)


def _point(link: Path, path: Path) -> None:
    """Let `link` name `path`; where links cannot be made, a file holds the name instead."""
    if link.is_symlink() or link.is_file():
        link.unlink()
    try:
        link.symlink_to(path.name, target_is_directory=True)
    except (OSError, NotImplementedError):
        link.write_text(path.name + "\n", encoding="utf-8")

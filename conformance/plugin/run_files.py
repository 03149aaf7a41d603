"""What a run keeps on disk while it goes on, and at its end. A full disk ends that, not the run."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from conformance.client.created_players import Player, keep_only
from conformance.http.exchange import Exchange
from conformance.report import write_results
from conformance.report.har import HarPart
from conformance.report.journal import Journal
from conformance.results.document import Document, Head
from conformance.results.evidence import BODIES


class RunFiles:
    """The files of one run, as one process of it sees them.

    `unwritten` is why something could not be written; after the first time nothing more is tried.
    `is_erasing` is whether the run's players are being erased.
    """

    def __init__(self, directory: Path, worker: str, base_url: str) -> None:
        self.path = directory
        self.unwritten: str | None = None
        self.is_erasing = False
        self._har = HarPart(directory, worker, base_url)
        self._journal: Journal | None = None

    def begin(self, head: Head) -> None:
        """Begin the journal: this process collects what all tests report."""

        def start() -> None:
            self._journal = Journal(self.path, head)

        self._try(start)

    def add(self, report: str) -> None:
        """Keep what a test reported, as JSON."""
        if self._journal is not None:
            self._try(partial(self._journal.add, report))

    def add_exchanges(self, test: str, exchanges: Iterable[Exchange]) -> None:
        """Keep the redacted exchanges of a test whole, for `exchanges.har`."""
        self._try(lambda: self._har.add(test, exchanges))

    def keep_body(self, name: str, body: bytes) -> None:
        """Keep a redacted body that `results.json` does not hold exactly."""

        def write() -> None:
            folder = self.path / BODIES
            folder.mkdir(exist_ok=True)
            (folder / name).write_bytes(body)

        self._try(write)

    def conclude(self, document: Document) -> None:
        """Write the results and all that is made from them; then the journal has done its work."""
        self._try(partial(_write, self.path, document))
        if self.unwritten is None and self._journal is not None:
            self._journal.remove()

    def keep_players(self, left: Iterable[Player]) -> None:
        """Note who of the run's players is left on the server."""
        self._try(lambda: keep_only(self.path, left))

    def discard(self) -> None:
        """Take the journal away: nothing was tested."""
        if self._journal is not None:
            self._journal.remove()

    def _try(self, write: Callable[[], None]) -> None:
        if self.unwritten is None:
            try:
                write()
            except OSError as error:
                self.unwritten = error.strerror or str(error)


def _write(path: Path, document: Document) -> None:
    # Loaded here, since the first request of a run need not wait for what only its end needs.
    from conformance.report.forms import write_forms  # noqa: PLC0415

    write_results(path, document)
    write_forms(path, document)

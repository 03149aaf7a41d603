"""Many trials in parallel, with a journal to resume from."""

import hashlib
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from conformance import __version__, resources
from conformance.failures import UsageError
from conformance.faults.json_lines import Head, append_line, read_lines, write_lines
from conformance.faults.processes import Processes
from conformance.faults.registry import deviations
from conformance.faults.trial import Detection, Trial, attempt

T = TypeVar("T")
R = TypeVar("R")
FORMAT = "kraty-conformance-detections"


class Journal:
    """The file of a campaign: a line for suite and mode, then a line for each detection."""

    def __init__(self, path: Path, *, full: bool, resume: bool) -> None:
        self.path = path
        self.known: dict[Trial, Detection] = {}
        self._head = {
            "format": FORMAT,
            "version": __version__,
            "suite": digest(),
            "mode": "full" if full else "narrow",
        }
        if resume and path.exists():
            head, detections = read_journal(path)
            if head != self._head:
                reason = "it is of another version of the suite, or of another mode"
                raise UsageError(f"cannot resume {path}: {reason}; start anew without --resume")
            self.known = {Trial(one.id, one.seed, full): one for one in detections}
        # A killed campaign may leave half a line; the next line must not follow it.
        self.rewrite()

    def add(self, trial: Trial, detection: Detection) -> None:
        """Add a detection and write it to the file."""
        self.known[trial] = detection
        append_line(self.path, detection)

    def rewrite(self) -> None:
        """Write the whole file, in the order of the catalogue."""
        order = {id: place for place, id in enumerate(deviations())}
        known = sorted(self.known.values(), key=lambda d: (order.get(d.id, len(order)), d.seed))
        write_lines(self.path, self._head, known)


def read_journal(path: Path) -> tuple[Head, list[Detection]]:
    """The head of a journal and its detections. UsageError for any other file."""
    return read_lines(path, FORMAT, "faults run", Detection)


def digest() -> str:
    """A digest of the package, the scenarios and the spec; it identifies the suite."""
    files = [*resources.PACKAGE.rglob("*.py"), *resources.scenarios().glob("*.py")]
    content = hashlib.sha256()
    for file in [*sorted(files), resources.spec_file()]:
        content.update(file.read_bytes())
    return content.hexdigest()


def run_campaign(trials: Sequence[Trial], workers: int, journal: Journal) -> Generator[Detection]:
    """Yield the detections of the journal, then each new one.

    Closing the generator kills the running trials.
    """
    yield from [journal.known[trial] for trial in trials if trial in journal.known]
    waiting = [trial for trial in trials if trial not in journal.known]
    with closing(in_parallel(waiting, attempt, workers)) as tried:
        for trial, detection in tried:
            journal.add(trial, detection)
            yield detection
    journal.rewrite()


def in_parallel(
    waiting: Iterable[T], attempt: Callable[[T, Processes], R], workers: int
) -> Generator[tuple[T, R]]:
    """Yield each trial with its result, as they end.

    Closing the generator kills the running trials.
    """
    processes = Processes()
    with ThreadPoolExecutor(workers) as pool:
        futures = {pool.submit(attempt, trial, processes): trial for trial in waiting}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            processes.kill()
            pool.shutdown(cancel_futures=True)

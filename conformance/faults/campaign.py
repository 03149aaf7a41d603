"""Many trials in parallel, with a journal to resume from."""

import hashlib
import json
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path

from conformance import __version__, resources
from conformance.failures import UsageError
from conformance.faults.registry import deviations
from conformance.faults.trial import Detection, Processes, Trial, attempt

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
        path.parent.mkdir(parents=True, exist_ok=True)
        # A killed campaign may leave half a line; the next line must not follow it.
        self.rewrite()

    def add(self, trial: Trial, detection: Detection) -> None:
        """Add a detection and write it to the file."""
        self.known[trial] = detection
        with self.path.open("a", encoding="utf-8") as file:
            file.write(_line(detection))

    def rewrite(self) -> None:
        """Write the whole file, in the order of the catalogue."""
        order = {id: place for place, id in enumerate(deviations())}
        known = sorted(self.known.values(), key=lambda d: (order.get(d.id, len(order)), d.seed))
        lines = [json.dumps(self._head) + "\n", *map(_line, known)]
        new = self.path.with_name(self.path.name + ".new")
        new.write_text("".join(lines), encoding="utf-8")
        new.replace(self.path)


def read_journal(path: Path) -> tuple[dict[str, str], list[Detection]]:
    """The head of a journal and its detections. UsageError for any other file."""
    first, *lines = path.read_text(encoding="utf-8").splitlines() or [""]
    try:
        head: dict[str, str] = json.loads(first)
        if head["format"] != FORMAT:
            raise ValueError
    except (ValueError, TypeError, KeyError):
        raise UsageError(f"{path} is not a journal of `faults run`") from None
    detections = []
    for line in lines:
        try:
            detections.append(Detection(**json.loads(line)))
        except ValueError:
            continue  # a killed campaign leaves half a line
    return head, detections


def _line(detection: Detection) -> str:
    members = asdict(detection)
    filled = {name: value for name, value in members.items() if value not in ("", [], {})}
    return json.dumps(filled) + "\n"


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
    processes = Processes()
    with ThreadPoolExecutor(workers) as pool:
        futures = {pool.submit(attempt, trial, processes): trial for trial in waiting}
        try:
            for future in as_completed(futures):
                journal.add(futures[future], future.result())
                yield future.result()
        finally:
            processes.kill()
            pool.shutdown(cancel_futures=True)
    journal.rewrite()

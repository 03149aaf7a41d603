"""Many trials, several at a time, journalled so that a campaign can be resumed."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from conformance import resources
from conformance.failures import UsageError
from conformance.faults.apart import each_apart
from conformance.faults.trial import Detection, Trial, attempt

FORMAT = "kraty-conformance-detections"


class Journal:
    """The detections of a campaign on disk, one a line, behind a line that says of which suite."""

    def __init__(self, path: Path, *, resume: bool) -> None:
        self.path = path
        self.known: dict[Trial, Detection] = {}
        head = {"format": FORMAT, "suite": digest()}
        if resume and path.exists():
            self._read(head)
        path.parent.mkdir(parents=True, exist_ok=True)
        # Anew on resuming too: behind a line that ends in its middle the next would be lost.
        lines = [head, *(asdict(detection) for detection in self.known.values())]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")

    def _read(self, head: dict[str, str]) -> None:
        first, *lines = self.path.read_text(encoding="utf-8").splitlines() or [""]
        if first != json.dumps(head):
            reason = "it is of another version of the suite, or no journal"
            raise UsageError(f"cannot resume {self.path}: {reason}; start anew without --resume")
        for line in lines:
            try:
                detection = Detection(**json.loads(line))
            except ValueError:
                continue  # a killed campaign leaves a line that ends in its middle
            self.known[Trial(detection.id, detection.seed, detection.full)] = detection

    def add(self, trial: Trial, detection: Detection) -> None:
        """Keep a detection, on disk at once."""
        self.known[trial] = detection
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(detection)) + "\n")


def digest() -> str:
    """A digest of the package, the scenarios and the spec: another one is another suite."""
    files = [*resources.PACKAGE.rglob("*.py"), *resources.scenarios().glob("*.py")]
    content = hashlib.sha256()
    for file in [*sorted(files), resources.spec_file()]:
        content.update(file.read_bytes())
    return content.hexdigest()


def run_campaign(
    trials: Sequence[Trial], workers: int, journal: Journal
) -> Iterator[tuple[Trial, Detection]]:
    """Each trial with its detection, as they come; those that the journal has come first."""
    for trial in trials:
        if trial in journal.known:
            yield trial, journal.known[trial]
    waiting = [trial for trial in trials if trial not in journal.known]
    with closing(each_apart(attempt, waiting, workers)) as detections:
        for trial, detection in detections:
            journal.add(trial, detection)
            yield trial, detection

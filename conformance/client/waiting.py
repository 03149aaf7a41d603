"""What a process waits for, so that whoever shows the progress of a run can say so.

Worker processes cannot talk to the controller while a test runs. Each leaves a note in a file,
which is gone when the waiting is over.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

LONG_SECONDS = 2.0
"""Shorter pauses are not worth a word."""
SUFFIX = ".wait"


class Wait(msgspec.Struct, frozen=True):
    """A requirement waits for something; `until` is in seconds since the epoch, if it is known."""

    requirement: str
    reason: str
    until: float | None

    def describe(self, now: float) -> str:
        """`RATE-3 waits for the rate window, 41 s`."""
        text = f"{self.requirement} waits for {self.reason}".strip()
        return text if self.until is None else f"{text}, {max(round(self.until - now), 0)} s"


class Waiting:
    """Sleeps for the tests of one process. `place` begins the names of the notes; None for none."""

    def __init__(self, place: Path | None = None, worker: str = "") -> None:
        self.requirement = "the suite"
        self._place = place
        self._file = Path(f"{place}-{worker}{SUFFIX}") if place else None

    def sleep(self, seconds: float, reason: str) -> None:
        """Sleep, with a note if it is for long."""
        if seconds < LONG_SECONDS:
            time.sleep(seconds)
            return
        with self.noting(reason, seconds):
            time.sleep(seconds)

    @contextmanager
    def noting(self, reason: str, seconds: float | None = None) -> Iterator[None]:
        """Leave a note as long as this lasts. A disk that is full must not stop a test."""
        if self._file is None:
            yield
            return
        until = None if seconds is None else time.time() + seconds
        note = Wait(self.requirement, reason, until)
        with suppress(OSError):
            self._file.write_bytes(msgspec.json.encode(note))
        try:
            yield
        finally:
            self.forget(self._file)

    def notes(self) -> list[Wait]:
        """What the processes of the run wait for now."""
        found = []
        for file in self._files():
            with suppress(OSError, msgspec.DecodeError):  # gone or half written
                found.append(msgspec.json.decode(file.read_bytes(), type=Wait))
        return found

    def forget(self, *files: Path) -> None:
        """Delete these notes, or those of a process that died."""
        for file in files or self._files():
            with suppress(OSError):
                file.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        if self._place is None:
            return []
        return sorted(self._place.parent.glob(f"{self._place.name}-*{SUFFIX}"))

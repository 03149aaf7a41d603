"""Bounds how long a failure that was found is made smaller.

Hypothesis may shrink for minutes, which against a distant server is too long to wait for a report.
"""

import time
from collections.abc import Callable

from conformance.client.recorder import Recorder
from conformance.failures import Mismatch
from conformance.http.exchange import Exchange


class Enough(KeyboardInterrupt):
    """Ends Hypothesis, which stops at once where it is interrupted."""


class Shrinking:
    """Remembers the smallest failure of one test, and ends it some time after the first.

    `guard` is called before each attempt, `found` with each failure.
    """

    def __init__(self, recorder: Recorder, seconds: float) -> None:
        self.recorder = recorder
        self.seconds = seconds
        self.deadline: float | None = None
        self.smallest: tuple[Mismatch, list[Exchange]] | None = None

    def guard(self) -> None:
        """Enough once the time is over."""
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise Enough

    def found(self, error: Mismatch) -> None:
        """Keep the failure if its exchanges are the fewest so far."""
        if self.deadline is None:
            self.deadline = time.monotonic() + self.seconds
        if self.smallest is None or len(self.recorder.exchanges) < len(self.smallest[1]):
            self.smallest = (error, list(self.recorder.exchanges))

    def run(self, search: Callable[[], None]) -> None:
        """Run a search of Hypothesis; Mismatch for the smallest failure that it found in time."""
        try:
            search()
        except Enough:
            assert self.smallest is not None
            error, self.recorder.exchanges = self.smallest
            raise error from None

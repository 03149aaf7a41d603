"""Limits how long Hypothesis shrinks a failure.

Shrinking may take minutes, too long to wait for the report of a distant server.
"""

import time
from collections.abc import Callable

from conformance.client.recorder import Recorder
from conformance.failures import Mismatch
from conformance.http.exchange import Exchange


class ShrinkTimeout(KeyboardInterrupt):
    """Ends the search: Hypothesis stops at once on a KeyboardInterrupt."""


class ShrinkLimit:
    """Keeps the smallest failure of one test, and ends its search `seconds` after the first one."""

    def __init__(self, recorder: Recorder, seconds: float) -> None:
        self.recorder = recorder
        self.seconds = seconds
        self.deadline: float | None = None
        self.smallest: tuple[Mismatch, list[Exchange]] | None = None

    def check(self) -> None:
        """To be called before each attempt. Raises ShrinkTimeout once the time is over."""
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise ShrinkTimeout

    def record(self, error: Mismatch) -> None:
        """Keep the failure if it has the fewest exchanges so far."""
        if self.deadline is None:
            self.deadline = time.monotonic() + self.seconds
        if self.smallest is None or len(self.recorder.exchanges) < len(self.smallest[1]):
            self.smallest = (error, list(self.recorder.exchanges))

    def run(self, search: Callable[[], None]) -> None:
        """Run a search of Hypothesis; Mismatch for the smallest failure that it found in time."""
        try:
            search()
        except ShrinkTimeout:
            assert self.smallest is not None
            error, self.recorder.exchanges = self.smallest
            raise error from None

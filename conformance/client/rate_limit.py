"""Keeps a run within the rate budgets of its keys, in all of its processes together.

The headers of an answer say how much of a budget is left (RATE-4). If that is little, the processes
share the number through a file. If the headers prove wrong, the suite soon ignores them; then only
a 429 with its `Retry-After` makes it wait.
"""

import hashlib
import time
from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

from conformance.client.waiting import Waiting
from conformance.http.exchange import Headers, Response, header

PLENTY = 2000
"""With so many requests left, processes need not share a budget: each answer updates them."""
WINDOW_SECONDS = 60
ROUNDING_SECONDS = 1.0
"""Headers round up to whole seconds: two answers may differ by this about the end of a window."""
POLL_SECONDS = 0.002
"""A process has the shared file for a moment, many times a second."""
MAX_STRIKES = 2
"""After so many waits that came too soon, the headers are ignored."""
MIN_REQUESTS = 5
"""A wait after fewer requests than this came too soon, however small the limit is."""


@dataclass
class Window:
    """What is left of a budget until it `resets` (seconds since the epoch).

    `taken` counts the requests since the last wait, which ended at `waited`. `strikes` counts the
    waits that came after fewer requests than the limit promises. Answers to requests that were sent
    before `since` belong to an earlier window.
    """

    limit: int = 0
    remaining: int = PLENTY
    resets: float = 0.0
    taken: int = 0
    strikes: int = 0
    waited: float = 0.0
    since: float = 0.0

    @property
    def is_scarce(self) -> bool:
        """Whether the run may spend the budget before the window ends."""
        return self.remaining < PLENTY and self.strikes < MAX_STRIKES

    def take(self, count: int, now: float) -> float:
        """Take requests out of the budget and return 0, or return the seconds to wait first."""
        if self.resets and now >= self.resets:
            # The window is over, and nothing is known of the next one yet.
            self.remaining, self.resets, self.since = max(self.limit, 1), 0.0, now
        wanted = min(count, max(self.limit, 1))
        if self.resets and self.remaining < wanted:
            self._note_wait(now)
            return self.resets - now if self.is_scarce else 0.0
        self.remaining -= wanted
        self.taken += wanted
        return 0.0

    def _note_wait(self, now: float) -> None:
        """Count the strike if this wait comes too soon. Another process may wait already."""
        if self.waited >= now:
            return
        self.strikes += self.taken < max(self.limit // 2, MIN_REQUESTS)
        self.taken, self.waited = 0, self.resets

    def learn(self, reported: "Window", now: float, sent: float | None = None) -> None:
        """Update from an answer to a request that was `sent` then.

        Within one window, keep the lower number: answers may overtake, and others are on their way.
        """
        if sent is not None and sent < self.since:
            return
        same = now < self.resets and reported.resets - self.resets <= ROUNDING_SECONDS
        begun = not self.resets and self.limit == reported.limit
        lower = min(self.remaining, reported.remaining)
        if not same and self.resets and sent is not None:
            self.since = sent
        self.remaining = lower if same or begun else reported.remaining
        self.resets = min(self.resets, reported.resets) if same else reported.resets
        self.limit = reported.limit


def reported_by(response: Response, now: float) -> Window | None:
    """The budget that an answer reports, or None if it reports none that makes sense."""
    remaining, limit = (_number(response.headers, f"ratelimit-{n}") for n in ("remaining", "limit"))
    retry, reset = (_number(response.headers, n) for n in ("retry-after", "ratelimit-reset"))
    if response.status == 429:
        seconds = retry if retry is not None else 1
        return Window(limit or 1, 0, now + min(max(seconds, 1), WINDOW_SECONDS))
    if remaining is None or limit is None or reset is None or reset > WINDOW_SECONDS:
        return None
    return Window(limit, remaining, now + max(reset, 1))


def _read(shared: bytes) -> Window:
    """The shared window; a fresh one if a process died while it wrote the file."""
    try:
        return msgspec.json.decode(shared, type=Window)
    except msgspec.DecodeError:
        return Window()


def _number(headers: Headers, name: str) -> int | None:
    text = header(headers, name)
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else None


class Pacer:
    """Waits before a request if the budget of its key is spent.

    The names of the files that processes share begin with `place`; without it, nothing is paced.
    `rate` caps all requests a minute; 0 means no cap. `unpaced` keys may spend their budget.
    `waiting` sleeps, and notes why.
    """

    def __init__(
        self,
        place: Path | None = None,
        rate: int = 0,
        unpaced: Collection[str] = (),
        waiting: Waiting | None = None,
    ) -> None:
        self.place = place
        self.waiting = waiting or Waiting()
        self.rate = rate
        self.unpaced = frozenset(f"Bearer {token}" for token in unpaced)
        self._scarce: dict[str, bool] = defaultdict(bool)

    def take(self, authorization: str | None, count: int = 1) -> None:
        """Wait until the key may send so many requests."""
        if self.place is None or not authorization or authorization in self.unpaced:
            return
        if self.rate:
            self._wait_for(
                "cap", "its turn under --rate", lambda window: self._capped(window, count)
            )
        if self._scarce[authorization]:
            self._wait_for(
                authorization,
                "the rate window",
                lambda window: window.take(count, time.time()),
            )

    def learn(
        self, authorization: str | None, response: Response | None, sent: float | None = None
    ) -> None:
        """Note what an answer reports about the budget of its key."""
        if self.place is None or response is None:
            return
        if not authorization or authorization in self.unpaced:
            return
        now = time.time()
        reported = reported_by(response, now)
        if reported is None or not (reported.is_scarce or self._scarce[authorization]):
            return

        def note(window: Window) -> float:
            window.learn(reported, now, sent)
            self._scarce[authorization] = window.is_scarce
            return 0.0

        self._shared(authorization, note)

    def _capped(self, window: Window, count: int) -> float:
        """The seconds to wait under the cap, which spreads requests over the minute."""
        now = time.time()
        if window.resets > now:
            return window.resets - now
        window.resets = now + count * WINDOW_SECONDS / self.rate
        return 0.0

    def _wait_for(self, name: str, reason: str, ask: Callable[[Window], float]) -> None:
        while (seconds := self._shared(name, ask)) > 0:
            self.waiting.sleep(seconds, reason)

    def _shared(self, name: str, ask: Callable[[Window], float]) -> float:
        """Call `ask` with the window that all processes share, and share it again afterwards."""
        from filelock import FileLock  # noqa: PLC0415 - it loads asyncio; few runs lock anything

        file = Path(f"{self.place}-{hashlib.sha256(name.encode()).hexdigest()[:8]}.pace")
        with FileLock(f"{file}.lock", poll_interval=POLL_SECONDS):
            window = _read(file.read_bytes() if file.exists() else b"{}")
            seconds = ask(window)
            file.write_bytes(msgspec.json.encode(asdict(window)))
        return seconds

    def forget(self) -> None:
        """Delete the files that processes shared."""
        if self.place is not None:
            for file in self.place.parent.glob(f"{self.place.name}-*.pace*"):
                file.unlink(missing_ok=True)

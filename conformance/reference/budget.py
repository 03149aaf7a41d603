"""RATE: the request budget of a key."""

import math
import threading
import time
from dataclasses import dataclass

from limits.storage import MemoryStorage

from .errors import ApiError
from .world import Key


@dataclass(frozen=True)
class Spent:
    """The effect of one request on a budget; the window ends in `seconds`."""

    allowed: bool
    seconds: int
    headers: dict[str, str]


class Budget:
    """Counts requests by key in fixed windows of `window` seconds."""

    def __init__(self, window: int) -> None:
        self.window = window
        self.counts = MemoryStorage()
        self.lock = threading.Lock()

    def spend(self, key: Key) -> Spent:
        """Count one request of the key."""
        with self.lock:
            count = self.counts.incr(key.prefix, self.window)
            ends = self.counts.get_expiry(key.prefix)
        seconds = max(1, math.ceil(ends - time.time()))
        remaining = max(0, key.budget - count)
        return Spent(count <= key.budget, seconds, self.headers(key.budget, remaining, seconds))

    def check(self, spent: Spent) -> None:
        """Refuse a request past the budget with 429 (RATE-1, RATE-2)."""
        if not spent.allowed:
            headers = {**spent.headers, "Retry-After": str(spent.seconds)}
            raise ApiError(429, "rate_limited", "The request budget is spent", headers=headers)

    def headers(self, limit: int, remaining: int, reset: int) -> dict[str, str]:
        """The three RateLimit headers (RATE-2)."""
        return {
            "RateLimit-Limit": str(limit),
            "RateLimit-Remaining": str(remaining),
            "RateLimit-Reset": str(reset),
        }

"""RATE: the request budget of a key."""

import math
import threading
import time
from dataclasses import dataclass

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage

from .errors import ApiError
from .world import Key


@dataclass(frozen=True)
class Spent:
    """What one request did to a budget; `seconds` are left of the window."""

    allowed: bool
    seconds: int
    headers: dict[str, str]


class Budget:
    """Counts requests by key in fixed windows of `window` seconds."""

    def __init__(self, window: int) -> None:
        self.window = window
        self.counts = MemoryStorage()
        self.names: dict[str, str] = {}
        self.lock = threading.Lock()

    def spend(self, key: Key) -> Spent:
        """Count one request of the key."""
        counted = self.name_of(key)
        with self.lock:
            count = self.counts.incr(counted, self.window)
            ends = self.counts.get_expiry(counted)
        seconds = max(1, math.ceil(ends - time.time()))
        remaining = max(0, key.budget - count)
        return Spent(count <= key.budget, seconds, self.headers(key.budget, remaining, seconds))

    def name_of(self, key: Key) -> str:
        """The name under which the requests of a key are counted."""
        if key.prefix not in self.names:
            item = RateLimitItemPerSecond(key.budget, self.window)
            self.names[key.prefix] = item.key_for(key.prefix)
        return self.names[key.prefix]

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

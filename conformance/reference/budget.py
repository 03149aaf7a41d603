"""RATE: the request budget of a key."""

import math
import threading
import time

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from .errors import ApiError
from .world import Key


class Budget:
    """Counts requests by key in fixed windows of `window` seconds."""

    def __init__(self, window: int) -> None:
        self.window = window
        self.limiter = FixedWindowRateLimiter(MemoryStorage())
        self.lock = threading.Lock()

    def spend(self, key: Key, *, refuse: bool = True) -> dict[str, str]:
        """Count one request and return its RateLimit headers; ApiError 429 past the budget.

        With `refuse` False the request passes all the same: ping documents no 429.
        """
        item = RateLimitItemPerSecond(key.budget, self.window)
        with self.lock:
            allowed = self.limiter.hit(item, key.prefix)
            stats = self.limiter.get_window_stats(item, key.prefix)
        seconds = max(1, math.ceil(stats.reset_time - time.time()))
        headers = self.headers(key.budget, stats.remaining if allowed else 0, seconds)
        if not allowed and refuse:
            raise ApiError(
                429,
                "rate_limited",
                "The request budget is spent",
                headers={**headers, "Retry-After": str(seconds)},
            )
        return headers

    def headers(self, limit: int, remaining: int, reset: int) -> dict[str, str]:
        """The three RateLimit headers (RATE-2)."""
        return {
            "RateLimit-Limit": str(limit),
            "RateLimit-Remaining": str(remaining),
            "RateLimit-Reset": str(reset),
        }

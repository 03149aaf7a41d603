"""What went over the wire in numbers: statuses, latencies, requests and budget over time."""

import re
from collections import Counter
from dataclasses import dataclass, field

import msgspec

from conformance.http.exchange import Exchange, header

LATENCY_BOUNDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)
"""Milliseconds; an answer belongs to the first bound that it does not exceed, or to none."""
NO_RESPONSE = "no response"
_ROLE = re.compile(r"\[(\w+) key\]")


@dataclass
class Traffic:
    """Counts of redacted exchanges.

    `endings` by operation and status, `latencies` by operation and place in `LATENCY_BOUNDS`,
    `seconds` by second since the epoch, `budget` by that second and the key's role: the least
    that `RateLimit-Remaining` reported.
    """

    endings: Counter[tuple[str, str]] = field(default_factory=Counter)
    latencies: Counter[tuple[str, int]] = field(default_factory=Counter)
    seconds: Counter[int] = field(default_factory=Counter)
    budget: dict[tuple[int, str], int] = field(default_factory=dict)

    def add(self, exchange: Exchange) -> None:
        """Count one exchange."""
        operation, response = exchange.request.operation, exchange.response
        self.endings[operation, str(response.status) if response else NO_RESPONSE] += 1
        second = int(exchange.started)
        self.seconds[second] += 1
        if response is None:
            return
        self.latencies[operation, place_of(exchange.seconds * 1000)] += 1
        remaining = header(response.headers, "ratelimit-remaining")
        role = _ROLE.search(header(exchange.request.headers, "authorization") or "")
        if role and remaining and remaining.isascii() and remaining.isdigit():
            self._note_budget(second, role[1], int(remaining[:9]))

    def _note_budget(self, second: int, role: str, remaining: int) -> None:
        known = self.budget.get((second, role), remaining)
        self.budget[second, role] = min(known, remaining)

    def packed(self) -> "TrafficRows":
        """The counts as rows, for another process."""
        return TrafficRows(
            endings=tuple((*key, count) for key, count in self.endings.items()),
            latencies=tuple((*key, count) for key, count in self.latencies.items()),
            seconds=tuple(self.seconds.items()),
            budget=tuple((*key, least) for key, least in self.budget.items()),
        )

    def merge(self, rows: "TrafficRows") -> None:
        """Add what another counted."""
        for operation, ending, count in rows.endings:
            self.endings[operation, ending] += count
        for operation, place, count in rows.latencies:
            self.latencies[operation, place] += count
        for second, count in rows.seconds:
            self.seconds[second] += count
        for second, role, least in rows.budget:
            self._note_budget(second, role, least)

    def of(self, operation: str) -> dict[str, int]:
        """How often the operation ended how, by status."""
        return {end: n for (called, end), n in sorted(self.endings.items()) if called == operation}

    def latencies_of(self, operation: str) -> tuple[int, ...]:
        """How many answers took how long: one number for each bound, and one beyond."""
        return tuple(self.latencies[operation, at] for at in range(len(LATENCY_BOUNDS) + 1))

    def timeline(self, started: float) -> tuple["Moment", ...]:
        """Requests and least budgets second by second since the beginning of the run."""
        return tuple(
            Moment(
                second=max(0, second - int(started)),
                requests=self.seconds[second],
                remaining={r: n for (s, r), n in sorted(self.budget.items()) if s == second},
            )
            for second in sorted(self.seconds)
        )


class Moment(msgspec.Struct, frozen=True):
    """One second of a run; `remaining` is the least budget by the role of its key."""

    second: int
    requests: int
    remaining: dict[str, int]


class TrafficRows(msgspec.Struct, frozen=True):
    """What `Traffic` counts, as rows of plain values."""

    endings: tuple[tuple[str, str, int], ...] = ()
    latencies: tuple[tuple[str, int, int], ...] = ()
    seconds: tuple[tuple[int, int], ...] = ()
    budget: tuple[tuple[int, str, int], ...] = ()


def place_of(milliseconds: float) -> int:
    """The place of the first bound that is not exceeded."""
    over = (n for n, bound in enumerate(LATENCY_BOUNDS) if milliseconds <= bound)
    return next(over, len(LATENCY_BOUNDS))

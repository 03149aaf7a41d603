"""Decides whether a request is sent again: after a 429, after a failure in transit, or not at all.

Nothing else in the suite repeats a request. Tests are repeated by `plugin.retries`.
"""

import itertools
import time
from dataclasses import dataclass, replace

from conformance.client.channel import Channel
from conformance.client.network_health import (
    MAX_UNREACHED,
    REACH_SECONDS,
    SLOW_SECONDS,
    failed_in_transit,
    may_be_slow,
    pause_before,
)
from conformance.failures import Inconclusive, Mismatch
from conformance.http.exchange import Exchange, Request, header

RATE_LIMITED_SECONDS = 90
"""For how long the suite waits for a budget after a 429 that the scenario did not ask for."""


@dataclass(frozen=True)
class Repetition:
    """Sends requests over a channel as often as it takes to get an answer of the API.

    `ping` is sent to see whether the server can be reached; a 429 is returned as it is unless
    `waits_on_429`.
    """

    channel: Channel
    ping: Request
    waits_on_429: bool

    def send(self, request: Request, *, repeatable: bool) -> Exchange:
        """Send a request until it is answered.

        Inconclusive where the budget stays spent, where the server cannot be reached, or where
        nobody can know whether a request was applied that is not `repeatable`; Mismatch where the
        server leaves the request unanswered again and again (ERR-3).
        """
        path = self.channel.wire.path
        path.check(request.operation)
        if path.unreached >= MAX_UNREACHED:
            raise Inconclusive(f"the server could not be reached, {path.unreached} times in a row")
        exchange = self._within_budget(request)
        failures: list[Exchange] = []
        while failed_in_transit(exchange):
            failures.append(exchange)
            self._reach_the_server()
            if path.is_proven(failures):
                self._blame_the_server(failures)
            pause_before(len(failures))
            exchange = self._within_budget(request)
        path.answering.add(request.operation)
        path.transit_failures += len(failures)
        if failures and not repeatable:
            first = f"{failures[0].describe()}; repeated, it was answered"
            raise Inconclusive(f"{first}, but it is unknown whether the first was applied")
        return replace(exchange, retried=True) if failures else exchange

    def _within_budget(self, request: Request) -> Exchange:
        """Send once; where it is waited for, again after each 429 until the budget allows it."""
        deadline = time.monotonic() + RATE_LIMITED_SECONDS
        exchange = self.channel.send(request)
        while self.waits_on_429 and exchange.status == 429:
            if time.monotonic() > deadline:
                raise Inconclusive(f"{exchange.describe()} for {RATE_LIMITED_SECONDS} seconds")
            time.sleep(retry_after(exchange))
            exchange = self.channel.send(request)
        return exchange

    def _blame_the_server(self, failures: list[Exchange]) -> None:
        """Mismatch (ERR-3); Inconclusive where the server may only be slow."""
        last, count = failures[-1], len(failures)
        if may_be_slow(last) and last.seconds > SLOW_SECONDS:
            raise Inconclusive(f"{last.describe()}, {count} times: the server may only be slow")
        self.channel.wire.path.condemn(failures)
        received = f"status {last.status}" if last.status else f"none ({last.error})"
        received += f", {count} times, though ping is answered"
        raise Mismatch("an answer of the API", received, "ERR-3")

    def _reach_the_server(self) -> None:
        """Ping until an answer comes; Inconclusive where none does."""
        path = self.channel.wire.path
        deadline = time.monotonic() + (0 if path.gone else REACH_SECONDS)
        for attempt in itertools.count():
            exchange = self.channel.send(self.ping)
            path.gone = failed_in_transit(exchange)
            if not path.gone:
                path.unreached = 0
                return
            path.transit_failures += 1
            if time.monotonic() > deadline:
                path.unreached += 1
                raise Inconclusive(f"{exchange.describe()}: the server cannot be reached")
            pause_before(attempt)


def retry_after(exchange: Exchange) -> float:
    """Seconds to wait after a 429, as `Retry-After` says, within 1 to 60."""
    response = exchange.response
    asked = header(response.headers, "retry-after") if response else None
    return min(max(int(asked), 1), 60) if asked and asked.isascii() and asked.isdigit() else 1

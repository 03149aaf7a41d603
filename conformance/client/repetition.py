"""Repeats requests: after a 429 and after a failure in transit.

Nothing else in the suite repeats a request. `plugin.retries` repeats whole tests.
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


@dataclass(frozen=True)
class Repetition:
    """Sends requests over a channel until the API answers.

    `ping` is the request that shows whether the server can be reached. Without `waits_on_429`, a
    429 is an answer like any other.
    """

    channel: Channel
    ping: Request
    waits_on_429: bool

    def send(self, request: Request, *, repeatable: bool) -> Exchange:
        """Send a request until it is answered.

        Inconclusive if the budget stays spent, if the server cannot be reached, or if a request
        that is not `repeatable` failed once: it may have been applied. Mismatch (ERR-3) if the
        server leaves the request unanswered again and again.
        """
        health = self.channel.transport.health
        health.check(request.operation)
        if health.unreached >= MAX_UNREACHED:
            times = f"{health.unreached} times in a row"
            raise Inconclusive(f"the server could not be reached, {times}")
        exchange = self._within_budget(request)
        failures: list[Exchange] = []
        while failed_in_transit(exchange):
            failures.append(exchange)
            self._reach_the_server()
            if health.is_servers_fault(failures):
                self._blame_the_server(failures)
            pause_before(len(failures))
            exchange = self._within_budget(request)
        health.answering.add(request.operation)
        health.transit_failures += len(failures)
        if failures and not repeatable:
            first = f"{failures[0].describe()}; repeated, it was answered"
            raise Inconclusive(f"{first}, but it is unknown whether the first was applied")
        return replace(exchange, retried=True) if failures else exchange

    def _within_budget(self, request: Request) -> Exchange:
        """Send once; if `waits_on_429`, wait and send again after each 429."""
        health = self.channel.transport.health
        exchange = self.channel.send(request)
        if not self.waits_on_429:
            return exchange
        while exchange.status == 429:
            pause = retry_after(exchange)
            health.note_429(pause)
            self.channel.transport.waiting.sleep(pause, "the rate window")
            exchange = self.channel.send(request)
        health.note_answer()
        return exchange

    def _blame_the_server(self, failures: list[Exchange]) -> None:
        """Mismatch (ERR-3), or Inconclusive if the server may only be slow."""
        last, count = failures[-1], len(failures)
        if may_be_slow(last) and last.seconds > SLOW_SECONDS:
            raise Inconclusive(f"{last.describe()}, {count} times: the server may only be slow")
        health = self.channel.transport.health
        health.note_hang(failures)
        health.blamed += last.status is not None
        received = f"status {last.status}" if last.status else f"none ({last.error})"
        received += f", {count} times, though ping is answered"
        raise Mismatch("an answer of the API", received, "ERR-3")

    def _reach_the_server(self) -> None:
        """Ping until the server answers; Inconclusive if it does not."""
        health = self.channel.transport.health
        most = 0 if health.gone else REACH_SECONDS
        deadline = time.monotonic() + most
        with self.channel.transport.waiting.noting("the server to answer a ping", most):
            for attempt in itertools.count():
                exchange = self.channel.send(self.ping)
                health.gone = failed_in_transit(exchange)
                if not health.gone:
                    health.unreached = 0
                    return
                health.transit_failures += 1
                if time.monotonic() > deadline:
                    health.unreached += 1
                    raise Inconclusive(f"{exchange.describe()}: the server cannot be reached")
                pause_before(attempt)


def retry_after(exchange: Exchange) -> float:
    """Seconds to wait after a 429: what `Retry-After` says, at least 1 and at most 60."""
    response = exchange.response
    asked = header(response.headers, "retry-after") if response else None
    return min(max(int(asked), 1), 60) if asked and asked.isascii() and asked.isdigit() else 1

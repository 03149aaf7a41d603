"""How far the path to the server can be trusted, as one process has seen it.

Between suite and server stand networks and gateways that lose, cut, delay and repeat requests. What
they do must not be blamed on the server, and what the server does must not be excused by them:
a request that fails is tried again until either it is answered, or it has failed so often, with
pings answered in between, that the server is to blame (ERR-3).
"""

import math
import time
from dataclasses import dataclass, field

from conformance.failures import Blocked
from conformance.http.exchange import GATEWAY_STATUSES, Exchange

MAX_TRIES = 8
"""A request that failed so often in a row was not failed by chance."""
MIN_TRIES = 3
"""Of a request that hangs; of a second operation that hangs one, so that a run comes to its end."""
SLOW_SECONDS = 5.0
"""A failure that takes so long is a hang."""
REACH_SECONDS = 5.0
"""How long a server that does not answer pings is waited for."""
CHANCE = 1e-7
"""How improbable it must be that a failure of a test is the path's doing."""
UNSEEN = 0.25
"""For each failure of the path that shows (a reset, a time-out, a 503), this many that do not: a
request that the path delivered twice."""
MAX_REPETITIONS = 12
LARGE = 16_384
"""Bytes of a body that may take a server long: a batch of hundreds of rows."""
MAX_UNREACHED = 10
"""So often in a row the server was waited for in vain, then it is not waited for any more."""
SAMPLE = 120
"""Requests from which on a path without a failure is trusted."""


def failed_in_transit(exchange: Exchange) -> bool:
    """Whether no answer of the API came: none at all, or a gateway's."""
    return exchange.response is None or exchange.response.status in GATEWAY_STATUSES


@dataclass
class Path:
    """What one process knows of the path.

    `requests` were sent, `transit_failures` of them failed without being the server's fault.
    `gone` tells that the server was waited for in vain, `unreached` how often in a row; `answering`
    are the operations that were answered, `hanging` those that never were.
    """

    requests: int = 0
    transit_failures: int = 0
    gone: bool = False
    hanging: set[str] = field(default_factory=set)
    answering: set[str] = field(default_factory=set)
    unreached: int = 0

    def check(self, operation: str) -> None:
        """Blocked for an operation that is known to hang: a run must end in bounded time."""
        if operation in self.hanging:
            raise Blocked("ERR-3", f"an answer of {operation}", "none, as often before")

    def is_proven(self, failures: list[Exchange]) -> bool:
        """Whether a request failed so often, or for so long, that it is the server's doing."""
        seconds = sum(exchange.seconds for exchange in failures)
        fewest = 1 if self.hanging else MIN_TRIES
        hangs = len(failures) >= fewest and seconds > fewest * SLOW_SECONDS
        return hangs or len(failures) >= MAX_TRIES

    def condemn(self, failures: list[Exchange]) -> None:
        """The server is to blame for these; remember what hangs."""
        operation = failures[0].request.operation
        if failures[0].seconds > SLOW_SECONDS and operation not in self.answering:
            self.hanging.add(operation)

    def repetitions(self, exchanges: int) -> int | None:
        """How often a test with so many exchanges must fail in a row before it accuses.

        Once on a path that never failed. Otherwise so often that the path would do the same by
        chance in one of ten million tests; None where that is more than can be asked for.
        """
        if not self.transit_failures:
            return 1
        spoilt = 1 - (1 - min(1.0, UNSEEN * self.transit_failures / self.requests)) ** max(
            exchanges, 1
        )
        if spoilt >= 1:
            return None
        needed = max(2, math.ceil(math.log(CHANCE) / math.log(spoilt)))
        return needed if needed <= MAX_REPETITIONS else None


def may_be_slow(exchange: Exchange) -> bool:
    """Whether a request is so large that a server may be busy with it rather than hang."""
    return len(exchange.request.body) > LARGE


def pause_before(attempt: int) -> None:
    """Wait a little before the nth repetition; longer each time."""
    time.sleep(min(0.25, 0.02 * 2**attempt))

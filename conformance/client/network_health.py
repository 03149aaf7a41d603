"""How far one process can trust the network between suite and server.

Networks and gateways lose, cut, delay and repeat requests. The server must not be blamed for that,
and the network must not excuse the server. So the suite repeats a request that failed until it is
answered, or until it has failed so often, with pings answered in between, that the server is to
blame (ERR-3).
"""

import math
import time
from dataclasses import dataclass, field

from conformance.failures import Blocked, Inconclusive
from conformance.http.exchange import GATEWAY_STATUSES, Exchange

MAX_TRIES = 8
"""After so many failures in a row, the server is to blame."""
MIN_TRIES = 3
"""So many suffice if the request hangs; one suffices if another operation hangs already."""
SLOW_SECONDS = 5.0
"""A request that fails after so long counts as hanging."""
REACH_SECONDS = 5.0
"""How long to wait for a server that does not answer pings."""
MAX_CHANCE = 1e-7
"""A failing test accuses the server if the network would cause the same less often than this."""
HIDDEN_FAILURES = 0.25
"""Unseen failures, such as a request delivered twice, for each seen one, such as a reset."""
MAX_REPETITIONS = 12
LARGE = 16_384
"""A body of more bytes may take a server long, as a batch of hundreds of rows does."""
MAX_UNREACHED = 10
"""After waiting in vain so often in a row, the suite gives the server up."""
PATIENCE_SECONDS = 70.0
"""After nothing but 429 for so long, longer than any rate window, the suite gives the server up."""
SAMPLE = 120
"""A network that did not fail in so many requests is trusted."""


def failed_in_transit(exchange: Exchange) -> bool:
    """Whether the API did not answer: there is no response, or it is a gateway's."""
    return exchange.response is None or exchange.response.status in GATEWAY_STATUSES


@dataclass
class NetworkHealth:
    """What one process has seen of the network.

    Of `requests`, `transit_failures` failed without being the server's fault. `gone` says that the
    last wait for the server was in vain, and `unreached` counts such waits in a row. `answering`
    operations were answered at least once; `hanging` ones never. `blamed` counts requests that
    got a gateway's answer again and again, `refused_together` simultaneous ones that met a 429
    although a whole budget has room for them. `refused` is when the first of the 429s came since
    the last other answer (`time.monotonic`), `patience` how long to wait after it.
    `given_up` is why nothing more is asked of the server.
    """

    requests: int = 0
    transit_failures: int = 0
    gone: bool = False
    hanging: set[str] = field(default_factory=set)
    answering: set[str] = field(default_factory=set)
    unreached: int = 0
    blamed: int = 0
    refused_together: int = 0
    refused: float | None = None
    patience: float = field(default_factory=lambda: PATIENCE_SECONDS)
    given_up: str | None = None

    def check(self, operation: str) -> None:
        """A run must end in bounded time.

        Blocked for an operation that is known to hang; Inconclusive for a server that is given up.
        """
        if self.given_up is not None:
            raise Inconclusive(self.given_up)
        if operation in self.hanging:
            raise Blocked("ERR-3", f"an answer of {operation}", "none, as often before")

    def is_servers_fault(self, failures: list[Exchange]) -> bool:
        """Whether a request has failed so often, or for so long, that the server is to blame."""
        seconds = sum(exchange.seconds for exchange in failures)
        fewest = 1 if self.hanging else MIN_TRIES
        hangs = len(failures) >= fewest and seconds > fewest * SLOW_SECONDS
        return hangs or len(failures) >= MAX_TRIES

    def note_hang(self, failures: list[Exchange]) -> None:
        """Remember the operation if it hung and was never answered."""
        operation = failures[0].request.operation
        if failures[0].seconds > SLOW_SECONDS and operation not in self.answering:
            self.hanging.add(operation)

    def note_429(self, pause: float) -> None:
        """Another 429, which asks for a pause. Inconclusive if the server has sent enough of them.

        Then it is given up: other requests would be refused as well.
        """
        now = time.monotonic()
        self.refused = now if self.refused is None else self.refused
        if now + pause - self.refused > self.patience:
            seconds = round(now - self.refused)
            self.given_up = (
                f"given up: the server answered nothing but 429 for {seconds} seconds; "
                "is the rate budget spent by others?"
            )
            raise Inconclusive(self.given_up)

    def note_answer(self) -> None:
        """An answer other than 429."""
        self.refused = None

    def try_once_more(self) -> None:
        """Let each request be tried once although the server is given up, to clean up."""
        self.given_up, self.patience = None, 0.0

    def repetitions(self, exchanges: int) -> int | None:
        """How often a test with so many exchanges must fail in a row before it accuses the server.

        Once if the network never failed. Otherwise so often that the network would cause the same
        in one of ten million tests. None if that is more than `MAX_REPETITIONS`.
        """
        if not self.transit_failures:
            return 1
        a_request_fails = min(1.0, HIDDEN_FAILURES * self.transit_failures / self.requests)
        the_test_fails = 1 - (1 - a_request_fails) ** max(exchanges, 1)
        if the_test_fails >= 1:
            return None
        needed = max(2, math.ceil(math.log(MAX_CHANCE) / math.log(the_test_fails)))
        return needed if needed <= MAX_REPETITIONS else None


def may_be_slow(exchange: Exchange) -> bool:
    """Whether a request is so large that the server may be slow rather than hang."""
    return len(exchange.request.body) > LARGE


def pause_before(attempt: int) -> None:
    """Wait a little before the nth repetition; longer each time."""
    time.sleep(min(0.25, 0.02 * 2**attempt))

"""Keeps what one test sent, received and found."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from conformance.contract.exchange_rules import Breach
from conformance.http.exchange import Exchange, Place
from conformance.http.traffic import Traffic

PLACE: ContextVar[Place | None] = ContextVar("place", default=None)
"""The place of what the current thread sends, while several threads send at once."""
_groups = itertools.count(1)


def new_group() -> int:
    """The number of a new group of simultaneous exchanges."""
    return next(_groups)


@dataclass(frozen=True)
class Finding:
    """A breach, with the exchanges up to it in order."""

    breach: Breach
    exchanges: tuple[Exchange, ...]

    @property
    def size(self) -> int:
        """How many bytes somebody has to read to understand it."""
        return sum(
            len(exchange.request.target) + len(exchange.request.body) for exchange in self.exchanges
        )


class Recorder:
    """The redacted exchanges of one test, and the breaches in them.

    `findings` holds the shortest finding of each requirement, over all generated cases of the test.
    """

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []
        self.breaches: list[Breach] = []
        self.findings: dict[str, Finding] = {}
        self.traffic = Traffic()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Forget what is recorded meanwhile, unless it raises: then forget what was before."""
        before, self.exchanges = self.exchanges, []
        yield
        self.exchanges = before

    def restart(self) -> None:
        """Forget exchanges and breaches before the next generated case; findings stay."""
        self.exchanges = []
        self.breaches = []

    def add(self, exchange: Exchange) -> None:
        """Keep an exchange, and count it."""
        self.exchanges.append(exchange)
        self.traffic.add(exchange)

    def add_breach(self, breach: Breach) -> None:
        """Keep a breach, and the finding if it is the shortest of its requirement."""
        self.breaches.append(breach)
        finding = Finding(breach, tuple(self.exchanges))
        known = self.findings.get(breach.requirement)
        if known is None or finding.size < known.size:
            self.findings[breach.requirement] = finding

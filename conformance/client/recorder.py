"""Keeps what one test sent, received and found."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from conformance.contract.breach import Breach
from conformance.contract.consistency import Remarks
from conformance.http.exchange import Exchange, Place
from conformance.http.traffic import Traffic

PLACE: ContextVar[Place | None] = ContextVar("place", default=None)
"""The place of what the current thread sends, while several threads send at once."""
_groups = itertools.count(1)


def new_group() -> int:
    """The number of a new group of simultaneous exchanges."""
    return next(_groups)


@dataclass
class Arrangement:
    """What the generated cases of a test share: the exchanges that made it, and its names."""

    exchanges: list[Exchange] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def is_used_by(self, exchanges: Iterable[Exchange]) -> bool:
        """Whether a request mentions one of the names."""
        said = [one.request.target.encode() + one.request.body for one in exchanges]
        return any(name.encode() in text for name in self.names for text in said)


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
        self.arrangements: list[Arrangement] = []
        self.remarks = Remarks()
        self.traffic = Traffic()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Forget what is recorded meanwhile, unless it raises: then forget what was before."""
        before, self.exchanges = self.exchanges, []
        yield
        self.exchanges = before

    @contextmanager
    def arranging(self) -> Iterator[Arrangement]:
        """Keep what is recorded meanwhile for all later cases, unless it raises: as `aside`."""
        arrangement = Arrangement()
        with self.aside():
            yield arrangement
            arrangement.exchanges = self.exchanges
        self.arrangements.append(arrangement)

    def with_arrangements(self, exchanges: Sequence[Exchange]) -> tuple[Exchange, ...]:
        """The exchanges, after those that made what their requests mention."""
        found, own = list(exchanges), {id(exchange) for exchange in exchanges}
        for arrangement in reversed(self.arrangements):
            is_itself = any(id(exchange) in own for exchange in arrangement.exchanges)
            if arrangement.is_used_by(found) and not is_itself:
                found = [*arrangement.exchanges, *found]
        return tuple(found)

    def restart(self) -> None:
        """Forget exchanges and breaches before the next generated case; findings stay."""
        self.exchanges = []
        self.breaches = []
        self.remarks = Remarks()

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

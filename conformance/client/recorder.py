"""Keeps what one test sent, received and found."""

from dataclasses import dataclass

from conformance.contract.exchange_rules import Breach
from conformance.http.exchange import Exchange
from conformance.http.traffic import Traffic


@dataclass(frozen=True)
class Finding:
    """A breach with the exchanges that led to it, in order."""

    breach: Breach
    exchanges: tuple[Exchange, ...]

    @property
    def size(self) -> int:
        """Bytes to read for whoever has to understand it."""
        return sum(
            len(exchange.request.target) + len(exchange.request.body) for exchange in self.exchanges
        )


class Recorder:
    """The exchanges and findings of one test, already redacted.

    `breaches` are those of the exchanges at hand, `findings` the shortest of each requirement.
    """

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []
        self.breaches: list[Breach] = []
        self.findings: dict[str, Finding] = {}
        self.traffic = Traffic()

    def restart(self) -> None:
        """Forget exchanges and breaches, for the next generated case; findings stay."""
        self.exchanges = []
        self.breaches = []

    def add(self, exchange: Exchange) -> None:
        """Keep an exchange, and count it."""
        self.exchanges.append(exchange)
        self.traffic.add(exchange)

    def find(self, breach: Breach) -> None:
        """Keep a breach; of several of one requirement the one that is shortest to read."""
        self.breaches.append(breach)
        finding = Finding(breach, tuple(self.exchanges))
        known = self.findings.get(breach.requirement)
        if known is None or finding.size < known.size:
            self.findings[breach.requirement] = finding

"""How many of the mutants that can be seen from outside are killed."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from conformance.faults.mutants.journal import Fate, Tried
from conformance.faults.mutants.readings import Kind, Readings

KILLED = (Fate.KILLED, Fate.TIMED_OUT)
ALIVE = (Fate.SURVIVED, Fate.UNDECIDED)
UNSEEN = (Kind.EQUIVALENT, Kind.FREE)
GOAL = Fraction(99, 100)
"""The part of the visible mutants that the suite has to kill."""


@dataclass(frozen=True)
class Score:
    """The counts of a sample.

    A broken mutant is no server, and a survivor that people read as equivalent or free cannot be
    seen from outside. All others are `visible`; a survivor without a reading is one of them.
    """

    tried: int
    killed: int
    visible: int

    @property
    def share(self) -> Fraction:
        """The killed part of those that can be seen."""
        return Fraction(self.killed, self.visible) if self.visible else Fraction(1)

    @property
    def is_good(self) -> bool:
        """Whether enough of them are killed."""
        return self.share >= GOAL

    def __str__(self) -> str:
        part = f"{self.killed} of {self.visible} that can be seen from outside are killed"
        return f"{part}, {float(self.share):.1%}"


def score_of(tried: Iterable[Tried], readings: Readings) -> Score:
    """The score of the tried mutants."""
    listed = list(tried)
    killed = sum(one.fate in KILLED for one in listed)
    missed = sum(one.fate in ALIVE and not is_unseen(one, readings) for one in listed)
    return Score(tried=len(listed), killed=killed, visible=killed + missed)


def is_unseen(one: Tried, readings: Readings) -> bool:
    """Whether people read a mutant as one that cannot be seen from outside."""
    return one.key in readings and readings[one.key].reading in UNSEEN


def counts_of(tried: Iterable[Tried]) -> dict[str, int]:
    """How many mutants have each fate."""
    fates = [one.fate for one in tried]
    return {str(fate): fates.count(fate) for fate in Fate if fate in fates}

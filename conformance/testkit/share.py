"""Takes one of so many parts of a list, so that the runs of several nights see all of it."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from conformance.settings.profiles import PROFILES
from conformance.settings.run import Run

T = TypeVar("T")


class Share(Protocol):
    """Takes one of so many parts of a list."""

    def __call__(self, items: Sequence[T], parts: int) -> Sequence[T]:
        """One of so many parts."""


def share_of(run: Run) -> Share:
    """The part that the run's seed chooses; all in a thorough run."""
    is_thorough = PROFILES[run.profile].histories > 1

    def part(items: Sequence[T], parts: int) -> Sequence[T]:
        return items if is_thorough else items[run.seed % parts :: parts]

    return part

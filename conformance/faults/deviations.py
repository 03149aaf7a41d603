"""Variants and faults, and the settings of their servers."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from enum import StrEnum

from conformance.reference import services
from conformance.reference.app import Server, Settings
from conformance.reference.services import Parts

WINDOW_SECONDS = 1
DEFAULTS: dict[str, type] = {part.name: getattr(Parts(), part.name) for part in fields(Parts)}
REFERENCE = services.__name__.rpartition(".")[0]


@dataclass(frozen=True)
class Deviation:
    """A server that differs from the reference server by `classes`, each in place of one part.

    A class that deviates from what several parts have in common, such as the ledger of wallet and
    inventory, stands in for all of them. With `threads` operations run on a thread pool, where a
    gap between check and write shows.
    """

    id: str
    summary: str
    classes: tuple[type, ...]
    threads: bool = False


@dataclass(frozen=True)
class Variant(Deviation):
    """A conformant server that answers the free `point` differently."""

    point: str = ""


class Difficulty(StrEnum):
    """How hard it is to detect a fault."""

    OBVIOUS = "obvious"
    """A wrong status or shape, on every call."""
    MEDIUM = "medium"
    """A wrong state, or only on a replay."""
    SUBTLE = "subtle"
    """Only under concurrency, at a boundary, for a rare input or in a combination."""


@dataclass(frozen=True)
class Fault(Deviation):
    """A server that breaks `requirements` in one way; the main requirement comes first."""

    requirements: tuple[str, ...] = ()
    difficulty: Difficulty = Difficulty.OBVIOUS

    @property
    def family(self) -> str:
        """The family of the main requirement."""
        return self.requirements[0].partition("-")[0]


def settings_of(deviations: Iterable[Deviation], window: int = WINDOW_SECONDS) -> Settings:
    """The settings of a server that deviates in all these ways at once."""
    chosen = list(deviations)
    classes = [cls for deviation in chosen for cls in deviation.classes]
    parts = {name: _combined(default, classes) for name, default in DEFAULTS.items()}
    return Settings(
        window=window,
        threads=any(deviation.threads for deviation in chosen),
        parts=Parts(**parts),
        server=_combined(Server, classes),
    )


def origin_of(deviating: type) -> type:
    """The class of the reference server from which this one deviates."""
    return next(cls for cls in deviating.__mro__ if cls.__module__.startswith(REFERENCE))


def _combined(part: type, classes: list[type]) -> type:
    """A part of the reference server with the overrides of all classes that deviate from it.

    Of two that override the same method, the first comes first and may call the other by `super`.
    """
    overriding = [cls for cls in classes if issubclass(part, origin_of(cls))]
    return type(part.__name__, (*overriding, part), {}) if overriding else part

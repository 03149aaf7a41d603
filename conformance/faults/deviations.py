"""What variants and faults are made of, and how they become a server."""

from collections.abc import Iterable
from dataclasses import dataclass, fields

from conformance.reference.app import Server, Settings
from conformance.reference.services import Parts

WINDOW_SECONDS = 1
DEFAULTS: dict[str, type] = {part.name: getattr(Parts(), part.name) for part in fields(Parts)}


@dataclass(frozen=True)
class Deviation:
    """A server that differs from the reference server by `classes`, each in place of one part.

    With `threads` its operations run on a thread pool, where a gap between check and write shows.
    """

    id: str
    summary: str
    classes: tuple[type, ...]
    threads: bool = False


@dataclass(frozen=True)
class Variant(Deviation):
    """A conformant server: `point` is what the contract leaves free."""

    point: str = ""


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


def _combined(default: type, classes: list[type]) -> type:
    """One class with the overrides of all those that deviate from `default`."""
    overriding = tuple(cls for cls in classes if issubclass(cls, default))
    if not overriding:
        return default
    return overriding[0] if len(overriding) == 1 else type("Combined", overriding, {})

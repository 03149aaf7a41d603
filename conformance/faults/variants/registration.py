"""Registers the variants: `VARIANTS` has them by id, in the order of their modules."""

from collections.abc import Callable

from conformance.faults.building_blocks import T
from conformance.faults.deviations import Variant

VARIANTS: dict[str, Variant] = {}


def variant(id: str, *, parts: tuple[type, ...] = (), threads: bool = False) -> Callable[[T], T]:
    """Register the decorated class as a variant; `parts` deviate together with it.

    Its docstring names the free point, then, after a colon, what the variant does.
    """

    def register(cls: T) -> T:
        if id in VARIANTS:
            raise ValueError(f"two variants have the id {id}")
        text = " ".join((cls.__doc__ or "").split())
        point, _, summary = text.removesuffix(".").partition(": ")
        VARIANTS[id] = Variant(id, summary, (cls, *parts), threads=threads, point=point)
        return cls

    return register

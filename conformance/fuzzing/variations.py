"""JSON values that differ from another in one place."""

from collections.abc import Iterator
from typing import Any


def variations(value: Any) -> Iterator[Any]:
    """Each value with one leaf changed or retyped, one member dropped, added or moved."""
    if isinstance(value, dict):
        for name in value:
            yield {other: value[other] for other in value if other != name}
            yield from ({**value, name: another} for another in variations(value[name]))
        yield {**value, "added": 1}
    elif isinstance(value, list):
        for index in range(len(value)):
            yield from ([*value[:index], x, *value[index + 1 :]] for x in variations(value[index]))
        yield [*value, value[-1]]
        if value != value[::-1]:
            yield value[::-1]
    elif isinstance(value, bool) or value is None:
        yield from (x for x in (True, False, None, 0, "no") if x is not value)
    elif isinstance(value, int | float):
        yield from (value + 1, str(value), -value)
    else:
        shorter = [value[:-1]] if len(value) > 1 else []  # what an empty text gets is FREE
        yield from (f"{value}x", None, *shorter)

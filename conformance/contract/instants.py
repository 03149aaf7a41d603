"""Date-times, whose spelling the contract leaves open."""

from datetime import datetime, timedelta
from typing import Any

ROUNDING = timedelta(seconds=1)
"""By how much a server may round an instant."""


def is_same_instant(one: Any, other: Any) -> bool:
    """Whether two texts are date-times of one instant, whatever their offsets and fractions."""
    try:
        first, second = (datetime.fromisoformat(text.upper()) for text in (one, other))
        return abs(first - second) <= ROUNDING
    except (AttributeError, TypeError, ValueError):
        return False

"""Date-times, whose spelling the contract leaves open."""

from datetime import datetime, timedelta
from typing import Any

ROUNDING = timedelta(seconds=1)
"""By how much a server may round an instant."""


def instant(text: str) -> datetime:
    """The instant that an RFC 3339 date-time names; its letters may be small. ValueError if not."""
    return datetime.fromisoformat(text.upper())


def is_same_instant(one: Any, other: Any) -> bool:
    """Whether two texts are date-times of one instant, whatever their offsets and fractions."""
    try:
        return abs(instant(one) - instant(other)) <= ROUNDING
    except (AttributeError, TypeError, ValueError):
        return False

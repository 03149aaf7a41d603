"""A requirement that an exchange breaks."""

import json
from dataclasses import dataclass
from typing import Any

MOST_LETTERS = 300


@dataclass(frozen=True)
class Breach:
    """A requirement that an exchange breaks, with what was expected and what was received."""

    requirement: str
    expected: str
    received: str


def shown(value: Any) -> str:
    """A value as JSON, for a sentence; a set is shown as a sorted list, a long value is cut."""
    text = json.dumps(value, ensure_ascii=False, default=sorted)
    return text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]}…"

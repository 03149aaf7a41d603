"""A requirement that an exchange breaks."""

import json
from dataclasses import dataclass
from typing import Any

MOST_LETTERS = 200


@dataclass(frozen=True)
class Breach:
    """A requirement that an exchange breaks, with what was expected and what was received."""

    requirement: str
    expected: str
    received: str


def spelled(value: Any) -> str:
    """A value as JSON; a long one is cut."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]}…"

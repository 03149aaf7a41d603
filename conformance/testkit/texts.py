"""Texts that scenarios send."""

from hashlib import shake_256


def long_text(length: int) -> str:
    """Letters and digits without a pattern, always the same: no store makes them much shorter."""
    return shake_256(b"kc").hexdigest(length // 2 + 1)[:length]

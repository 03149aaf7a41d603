"""Texts that scenarios send."""

import random
import string

LETTERS = string.ascii_letters + string.digits


def long_text(length: int) -> str:
    """Letters and digits without a pattern, always the same: a store cannot compress them away."""
    return "".join(random.Random(length).choices(LETTERS, k=length))

"""Names for everything that a run creates."""

import itertools


class Names:
    """Hands out unique names that begin with the run's prefix."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self._numbers = itertools.count(1)

    def player(self, suffix: str = "") -> str:
        """An external id that the server has never seen; it ends in `suffix`.

        Numbers have the same width, so that no name is part of another: DEL-7 searches for names.
        """
        return f"{self.prefix}-p{next(self._numbers):05d}{suffix}"

    def key(self) -> str:
        """An idempotency key or lobby key that was never used."""
        return f"{self.prefix}-k{next(self._numbers):05d}"

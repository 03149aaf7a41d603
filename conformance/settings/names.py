"""Names for everything that a run creates: unique, and recognisable as the run's own."""

import itertools


class Names:
    """Hands out names that begin with the run's prefix; no two are equal in one run."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self._numbers = itertools.count(1)

    def player(self, suffix: str = "") -> str:
        """An external id that the server has never seen, with `suffix` as it is.

        Numbers have one width, so that no name is a part of another (DEL-7 searches for them).
        """
        return f"{self.prefix}-p{next(self._numbers):05d}{suffix}"

    def key(self) -> str:
        """An idempotency key or lobby key that was never used."""
        return f"{self.prefix}-k{next(self._numbers):05d}"

"""How a scenario ends if it does not pass.

Only a `Mismatch` accuses the server. The others say why the requirement is undecided.
"""


class Mismatch(AssertionError):
    """The server did something else than a requirement asks.

    `expected` and `received` are sentences without the word "expected" or "received".
    `requirement` is None where the scenario's own requirement is meant.
    """

    def __init__(self, expected: str, received: str, requirement: str | None = None) -> None:
        super().__init__(f"expected {expected}; received {received}")
        self.expected = expected
        self.received = received
        self.requirement = requirement


class Blocked(Exception):
    """A step that the scenario needed went wrong, so its own requirement stays undecided."""

    def __init__(self, requirement: str, expected: str, received: str) -> None:
        super().__init__(
            f"blocked by {requirement}: the scenario needed {expected}; received {received}"
        )
        self.requirement = requirement


class NotExercised(Exception):
    """The target does not declare what the scenario needs; the text says what to declare."""


class Inconclusive(Exception):
    """The path to the server failed; the text says what was tried."""


class UsageError(Exception):
    """The user's input is wrong: one line that says what is wrong and what to do."""


class Unreachable(Exception):
    """The server cannot be tested: one line that says why."""


class ShouldWarning(UserWarning):
    """A SHOULD that is not met. `-W error::conformance.ShouldWarning` makes it a failure."""

"""Assertions that explain themselves to a server's developer."""

from typing import Any

from conformance.client.api import Answer
from conformance.failures import Mismatch

ABSENT = "nothing"


def expect_status(answer: Answer, *statuses: int, because: str) -> None:
    """The answer has one of these statuses. `because` completes "since …"."""
    if answer.status not in statuses:
        allowed = " or ".join(str(status) for status in statuses)
        raise Mismatch(f"status {allowed}, since {because}", describe(answer))


def expect_code(answer: Answer, code: str) -> None:
    """The failure has this error code."""
    if answer.code != code:
        raise Mismatch(f"error code {code!r}", f"{answer.code!r} with {describe(answer)}")


def expect_equal(received: Any, expected: Any, what: str) -> None:
    """Two JSON values are the same; `what` names them for people. 1 and true differ."""
    if received != expected or isinstance(received, bool) != isinstance(expected, bool):
        raise Mismatch(f"{what} to be {shown(expected)}", shown(received))


def expect_fields(data: dict[str, Any], **expected: Any) -> None:
    """The object has these members with these values. All differences are reported at once."""
    wrong = {
        name: data.get(name, ABSENT)
        for name, value in expected.items()
        if name not in data
        or data[name] != value
        or isinstance(data[name], bool) != isinstance(value, bool)
    }
    if wrong:
        raise Mismatch(
            ", ".join(f"{name} {shown(expected[name])}" for name in wrong),
            ", ".join(f"{name} {shown(value)}" for name, value in wrong.items()),
        )


def expect_that(holds: bool, expected: str, received: Any) -> None:
    """A condition that has no better word."""
    if not holds:
        raise Mismatch(expected, received if isinstance(received, str) else shown(received))


def describe(answer: Answer) -> str:
    """A status with the error code where there is one."""
    return f"status {answer.status}" + (f" ({answer.code})" if answer.code else "")


def shown(value: Any) -> str:
    """A value in a sentence; a long one is cut."""
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:300]}…"


def expect_unchanged(before: Any, after: Any, what: str) -> None:
    """Two states (see `Given.state`) are the same; only what differs is reported."""
    if before == after:
        return
    if not isinstance(before, dict) or not isinstance(after, dict):
        raise Mismatch(f"{what} to be unchanged", f"{shown(before)} became {shown(after)}")
    changes = [
        f"{name}: {shown(before[name])} became {shown(after[name])}"
        for name in before
        if before[name] != after[name]
    ]
    raise Mismatch(f"{what} to be unchanged", "; ".join(changes))

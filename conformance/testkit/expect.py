"""Assertions that explain themselves to a server's developer: values are shown as JSON."""

import re
from collections.abc import Iterable
from typing import Any

from conformance.client.api import Answer, Api
from conformance.contract.breach import shown
from conformance.contract.instants import is_same_instant
from conformance.failures import Mismatch

UUID = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


def expect_status(answer: Answer, *statuses: int, because: str) -> None:
    """The answer has one of these statuses. `because` completes "since …"."""
    if answer.status not in statuses:
        allowed = " or ".join(str(status) for status in statuses)
        raise Mismatch(f"status {allowed}, since {because}", describe(answer))


def expect_code(answer: Answer, *codes: str) -> None:
    """The failure has one of these error codes."""
    if answer.code not in codes:
        received = describe(answer) if answer.code else f"{describe(answer)} without an error code"
        raise Mismatch(f"error code {' or '.join(codes)}", received)


def expect_envelope(answer: Answer) -> None:
    """The failure carries the error envelope."""
    expect_that(answer.code is not None, "the error envelope", "a body without an error code")


def expect_below_500(answer: Answer) -> None:
    """The request did not crash the server."""
    expect_that(answer.status < 500, "an answer below 500", answer.exchange.describe())


def expect_success_or_refusal(
    answer: Answer, status: int, /, *refusals: int, because: str, **fields: Any
) -> None:
    """The contract leaves it to the server: a success with these members, or a refusal."""
    expect_status(answer, status, *refusals, because=because)
    if answer.status == status:
        expect_fields(answer.data, **fields)


def expect_placeholder(received: Any, event: str) -> None:
    """The placeholder of a player who was `merged` or `deleted`."""
    fits = re.fullmatch(f"__{event}_{UUID}__", str(received)) is not None
    expect_that(fits, f"__{event}_<uuid>__", received)


def expect_no_secret(api: Api) -> None:
    """No response of this scenario showed a secret.

    A scenario sees responses with secrets removed, so this reads what the rules of exchanges found.
    """
    leaked = "AUTH-6" in api.channel.recorder.findings
    expect_that(not leaked, "no secret in a response", "a response with the secret of a key")


def expect_equal(received: Any, expected: Any, what: str) -> None:
    """Two JSON values are equal; 1 and true differ. `what` names the value in the message."""
    if not same(received, expected):
        raise Mismatch(f"{what} to be {shown(expected)}", shown(received))


def expect_instant(received: Any, sent: str, what: str) -> None:
    """A date-time names the instant that was sent; its spelling is the server's."""
    expect_that(is_same_instant(received, sent), f"{what} to be the instant {sent}", received)


def expect_none(found: Iterable[Any], what: str) -> None:
    """Nothing was found; `what` names in the plural what must not be there."""
    rows = list(found)
    expect_that(not rows, f"no {what}", rows)


def expect_fields(data: dict[str, Any], **expected: Any) -> None:
    """The object has these members with these values. All differences are reported at once."""
    wrong = [
        name for name, value in expected.items() if name not in data or not same(data[name], value)
    ]
    if wrong:
        raise Mismatch(
            ", ".join(f"{name} {shown(expected[name])}" for name in wrong),
            ", ".join(
                f"{name} {shown(data[name])}" if name in data else f"no {name}" for name in wrong
            ),
        )


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal; Python takes true for 1."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def expect_that(holds: bool, expected: str, received: Any) -> None:
    """A condition for which no other `expect_…` has words."""
    if not holds:
        raise Mismatch(expected, received if isinstance(received, str) else shown(received))


def describe(answer: Answer) -> str:
    """The status, and the error code if there is one."""
    return f"status {answer.status}" + (f" ({answer.code})" if answer.code else "")


def expect_unknown(state: dict[str, Any] | None, who: str) -> None:
    """The server does not know the player: the state (see `Given.state`) is None."""
    expect_that(state is None, f"{who} to be unknown", f"a player with {shown(state)}")


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

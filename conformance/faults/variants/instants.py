"""Servers that spell instants otherwise. RFC 3339 has many spellings of one instant."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

from conformance.faults.variants.registration import variant
from conformance.reference.app import Server
from conformance.reference.operations import Call, Operation
from conformance.reference.replies import Reply
from conformance.reference.services import Services

INDIA = timezone(timedelta(hours=5, minutes=30))


def spelling(spell: Callable[[str], str], *operations: str) -> type[Server]:
    """A server that spells the instants of these operations' answers, or of all, like this."""

    def respelled(name: str, value: Any) -> Any:
        if isinstance(value, dict):
            return {inner: respelled(inner, item) for inner, item in value.items()}
        if isinstance(value, list):
            return [respelled("", item) for item in value]
        is_instant = isinstance(value, str) and (name.endswith("At") or name == "fillBy")
        return spell(value) if is_instant else value

    class Spelling(Server):
        def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
            reply = super().alone(operation, services, call)
            if operations and operation.id not in operations:
                return reply
            return replace(reply, data=respelled("", reply.data))

    return Spelling


def in_india(text: str) -> str:
    """The instant with an offset and six digits of a fraction; one at the end of time as it is."""
    try:
        return datetime.fromisoformat(text).astimezone(INDIA).isoformat(timespec="microseconds")
    except OverflowError:
        return text


def to_the_second(text: str) -> str:
    """The instant without a fraction, in small letters."""
    moment = datetime.fromisoformat(text.upper())
    return moment.isoformat(timespec="seconds").replace("+00:00", "z").replace("T", "t")


def with_nanoseconds(text: str) -> str:
    """The instant with nine digits of a fraction, and an offset of zero."""
    return text.replace("Z", "000000+00:00")


@variant("instants-with-offset")
class InstantsWithOffset(spelling(in_india)):  # type: ignore[misc]
    """The spelling of instants: has an offset and six digits of a fraction."""


@variant("instants-to-the-second")
class InstantsToTheSecond(spelling(to_the_second)):  # type: ignore[misc]
    """The precision of instants: is a second, in small letters."""


@variant("instants-of-the-store")
class InstantsOfTheStore(spelling(with_nanoseconds, "exportPlayer", "getPlayer")):  # type: ignore[misc]
    """Whether all operations spell an instant alike: exports and profiles add digits."""

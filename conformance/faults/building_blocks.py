"""What deviations are built from: looser bodies, later checks, gaps between check and write."""

import inspect
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

from conformance.faults.deviations import Difficulty, Fault
from conformance.reference.app import Server
from conformance.reference.operations import Call, Handler, Operation
from conformance.reference.replies import Reply
from conformance.reference.services import Services
from conformance.reference.state import GameState

T = TypeVar("T", bound=type)
OBVIOUS, MEDIUM, SUBTLE = Difficulty
FAULTS: dict[str, Fault] = {}

GAP_SECONDS = 0.001
"""Between check and write: what a round trip to a database takes."""


def fault(
    id: str,
    *requirements: str,
    difficulty: Difficulty,
    parts: tuple[type, ...] = (),
    racing: tuple[Handler, ...] = (),
) -> Callable[[T], T]:
    """Register the decorated class as a fault; its docstring says what is wrong.

    `requirements` are all that the fault breaks, the main one first. `parts` deviate together
    with the class. `racing` operations run without the lock of their game, on a thread pool.
    """

    def register(cls: T) -> T:
        if id in FAULTS:
            raise ValueError(f"two faults have the id {id}")
        FAULTS[id] = Fault(
            id,
            " ".join((inspect.getdoc(cls) or "").split()),
            (cls, *parts, *((without_lock(*racing),) if racing else ())),
            threads=bool(racing),
            requirements=requirements,
            difficulty=difficulty,
        )
        return cls

    return register


def gap() -> None:
    """Let others in, as a database call between check and write does."""
    time.sleep(GAP_SECONDS)


def scratch(state: GameState, name: str) -> dict[Any, Any]:
    """What a fault remembers of a game beside the reference server's own state."""
    kept: dict[Any, Any] = state.__dict__.setdefault(f"scratch {name}", {})
    return kept


def without_lock(*handlers: Handler) -> type[Server]:
    """A server on which these operations do not hold their game's lock."""

    class Unlocked(Server):
        def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
            if operation.handler in handlers:
                return operation.handler(services, call)
            return super().alone(operation, services, call)

    return Unlocked


class Rewriting(Server):
    """Changes a JSON object before the reference server validates it."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        body = document(call)
        if isinstance(body, dict):
            call = replace(call, raw=json.dumps(self.rewrite(operation, body)).encode())
        return super().alone(operation, services, call)

    def rewrite(self, operation: Operation, body: dict[str, Any]) -> dict[str, Any]:
        """The body as the reference server gets it."""
        raise NotImplementedError


def document(call: Call) -> Any:
    """The body as JSON, or None."""
    try:
        return json.loads(call.raw) if call.raw else None
    except (ValueError, RecursionError):
        return None


def leaves(value: Any) -> Iterator[Any]:
    """All values in a JSON value."""
    yield value
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from leaves(item)

"""The shapes that deviations share: early checks, changed bodies and answers, missing locks."""

import inspect
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from threading import RLock
from typing import Any, TypeVar

from starlette.responses import Response

from conformance.faults.deviations import Difficulty, Fault
from conformance.reference.app import Server
from conformance.reference.errors import ApiError
from conformance.reference.operations import Call, Operation
from conformance.reference.replies import Reply
from conformance.reference.services import Services
from conformance.reference.state import GameState, Holdings, Player

T = TypeVar("T", bound=type)
Data = dict[str, Any]
DataChange = Callable[[Data, Call, Services], Data]
FAULTS: dict[str, Fault] = {}
UP, DOWN = ("creditWallet", "grantItem"), ("debitWallet", "revokeItem")
IMPORTS = ("migratePlayers", "migrateWallet", "migrateInventory")
AMOUNTS = ("amount", "quantity")

GAP_SECONDS = 0.001
"""Between check and write: the time of a round trip to a database."""


def fault(
    id: str,
    requirements: str,
    *,
    difficulty: Difficulty,
    parts: tuple[type, ...] = (),
    racing: tuple[str, ...] = (),
) -> Callable[[T], T]:
    """Register the decorated class as a fault; its docstring says what is wrong.

    `requirements` are the ids of all that the fault breaks, the main one first. `parts` deviate
    together with the class. `racing` operations run on a thread pool, without their game's lock.
    """

    def register(cls: T) -> T:
        if id in FAULTS:
            raise ValueError(f"two faults have the id {id}")
        FAULTS[id] = Fault(
            id,
            " ".join((inspect.getdoc(cls) or "").split()),
            (cls, *parts, *((without_lock(*racing),) if racing else ())),
            threads=bool(racing),
            requirements=tuple(requirements.split()),
            difficulty=difficulty,
        )
        return cls

    return register


obvious = partial(fault, difficulty=Difficulty.OBVIOUS)
medium = partial(fault, difficulty=Difficulty.MEDIUM)
subtle = partial(fault, difficulty=Difficulty.SUBTLE)


def gap(round_trips: int = 1) -> None:
    """Let other requests in, as database calls between check and write do."""
    for _ in range(round_trips):
        time.sleep(GAP_SECONDS)


def slowly(holdings: Holdings, key: str, amount: int) -> int:
    """Read a holding, wait for the database, write the sum."""
    held = holdings.amounts.get(key, 0)
    gap()
    holdings.amounts[key] = held + amount
    return holdings.amounts[key]


def scratch(state: GameState, name: str) -> dict[Any, Any]:
    """A fault's own memory of a game, beside the state of the reference server."""
    kept: dict[Any, Any] = state.__dict__.setdefault(f"scratch {name}", {})
    return kept


def without_lock(*operations: str) -> type[Server]:
    """A server on which these operations do not hold their game's lock."""

    class Unlocked(Server):
        def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
            if operation.id in operations:
                return operation.answer(services, call)
            return super().alone(operation, services, call)

    return Unlocked


def check_first(*operations: str) -> Callable[[Callable[[Call, Services], None]], type[Server]]:
    """Make a server that calls the function before these operations, or before all.

    The function may refuse the call, or crash.
    """

    def make(check: Callable[[Call, Services], None]) -> type[Server]:
        class Checking(Server):
            def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
                if not operations or operation.id in operations:
                    check(call, services)
                return super().alone(operation, services, call)

        return documented(Checking, check)

    return make


def change_body(*operations: str) -> Callable[[Callable[[Data], Data]], type[Server]]:
    """Make a server that validates what the function returns in place of the JSON object sent."""

    def make(change: Callable[[Data], Data]) -> type[Server]:
        class Rewriting(Server):
            def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
                body = document(call)
                if isinstance(body, dict) and (not operations or operation.id in operations):
                    call = replace(call, raw=json.dumps(change(body)).encode())
                return super().alone(operation, services, call)

        return documented(Rewriting, change)

    return make


def change_data(*operations: str) -> Callable[[DataChange], type[Server]]:
    """Make a server that changes successful answers: the function returns the new members."""

    def make(change: DataChange) -> type[Server]:
        class Answering(Server):
            def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
                reply = super().alone(operation, services, call)
                if operation.id not in operations:
                    return reply
                return replace(reply, data={**reply.data, **change(reply.data, call, services)})

        return documented(Answering, change)

    return make


def change_error(change: Callable[[ApiError], None]) -> type[Server]:
    """Make a server that sends each error as the function leaves it."""

    class Refusing(Server):
        def refuse(self, error: ApiError, headers: Mapping[str, str]) -> Response:
            change(error)
            return super().refuse(error, headers)

    return documented(Refusing, change)


def documented(cls: type[Server], function: Callable[..., object]) -> type[Server]:
    """The class with the function's docstring, which becomes the summary."""
    cls.__doc__ = function.__doc__
    return cls


def player_of(call: Call, services: Services) -> Player:
    """The player of the path."""
    return services.state.players[call.path["externalId"]]


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


def lock_of(state: GameState, name: str) -> AbstractContextManager[object]:
    """A lock that is narrower than that of the game: the one of this name."""
    lock: AbstractContextManager[object] = scratch(state, "locks").setdefault(name, RLock())
    return lock

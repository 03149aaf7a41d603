"""Servers with other budgets. Windows may be fixed, sliding or bucketed."""

import math
import time
from contextvars import ContextVar
from dataclasses import replace

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from conformance.faults.variants.registration import variant
from conformance.reference.app import Server
from conformance.reference.budget import Budget, Spent
from conformance.reference.operations import Operation
from conformance.reference.world import Key

OPERATION: ContextVar[str] = ContextVar("OPERATION", default="")


@variant("leaky-bucket")
class LeakyBucket(Budget):
    """How a budget comes back: is little by little, as from a bucket."""

    def __init__(self, window: int) -> None:
        super().__init__(window)
        self.left: dict[str, tuple[float, float]] = {}

    def spend(self, key: Key) -> Spent:
        with self.lock:
            moment, rate = time.monotonic(), key.budget / self.window
            tokens, at = self.left.get(key.prefix, (float(key.budget), moment))
            tokens = min(key.budget, tokens + (moment - at) * rate)
            allowed = tokens >= 1
            tokens -= allowed
            self.left[key.prefix] = tokens, moment
        until_one = max(1, math.ceil((1 - tokens) / rate))
        until_full = math.ceil((key.budget - tokens) / rate)
        seconds = until_full if allowed else until_one
        return Spent(allowed, seconds, self.headers(key.budget, int(tokens), seconds))


@variant("pings-count")
class PingsCount(Server):
    """Whether the budget can refuse a ping: can."""

    async def answer(self, operation: Operation, request: Request) -> Response:
        return await super().answer(replace(operation, limited=True), request)


class BudgetOfOperations(Budget):
    """Each operation has its own budget."""

    def spend(self, key: Key) -> Spent:
        """Count under the name of the operation."""
        scoped = f"{OPERATION.get()}-{key.prefix}.secret"
        return super().spend(msgspec.structs.replace(key, token=scoped))


@variant("budget-of-operations", parts=(BudgetOfOperations,))
class NamingOperations(Server):
    """Whose budget a request spends: is that of its key and its operation."""

    async def answer(self, operation: Operation, request: Request) -> Response:
        OPERATION.set(operation.id)
        return await super().answer(operation, request)

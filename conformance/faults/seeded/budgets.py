"""Faults of the rate budget and of ping."""

from dataclasses import replace
from email.utils import formatdate
from typing import Any

from conformance.faults import building_blocks as kit
from conformance.reference.app import Server
from conformance.reference.budget import Budget, Spent
from conformance.reference.errors import ApiError
from conformance.reference.operations import Call, Operation
from conformance.reference.replies import Reply
from conformance.reference.services import Services
from conformance.reference.world import Key


@kit.obvious("rate-none", "RATE-1 RATE-2 RATE-2.reset RATE-2.code RATE-3 RATE-4")
class NoBudget(Budget):
    """The server counts the budget and never enforces it."""

    def check(self, spent: Spent) -> None:
        """Allows everything."""


@kit.subtle("rate-retry-after-date", "RATE-2")
@kit.change_error
def retry_after_date(error: ApiError) -> None:
    """Retry-After is a date, which HTTP allows and both clients cannot read."""
    if error.status == 429:
        error.headers["Retry-After"] = formatdate(usegmt=True)


@kit.subtle("rate-retry-after-zero", "RATE-2")
@kit.change_error
def retry_after_zero(error: ApiError) -> None:
    """Retry-After is rounded down, so that in the last second it is 0."""
    if error.status == 429:
        error.headers["Retry-After"] = str(int(error.headers["Retry-After"]) - 1)


@kit.medium("rate-reset-epoch", "RATE-2.reset")
@kit.change_error
def reset_epoch(error: ApiError) -> None:
    """RateLimit-Reset is a moment, in seconds since 1970."""
    if error.status == 429:
        error.headers["RateLimit-Reset"] = "4102444800"


@kit.obvious("rate-code", "RATE-2.code")
@kit.change_error
def other_code(error: ApiError) -> None:
    """The 429 has the code too_many_requests."""
    error.code = "too_many_requests" if error.status == 429 else error.code


@kit.subtle("rate-refused-and-done", "RATE-3")
class RefusedAndDone(Server):
    """The operation runs before the check of the budget, and a 429 does not undo it."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.budget = NoBudget(self.settings.window)
        self.asked = Budget(self.settings.window)

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        spent = self.asked.spend(call.key)
        try:
            return super().alone(operation, services, call)
        finally:
            if operation.limited:
                self.asked.check(spent)


@kit.subtle("rate-retry-too-early", "RATE-3")
class RetryTooEarly(Budget):
    """The window is three times as long as Retry-After says."""

    def __init__(self, window: int) -> None:
        super().__init__(window * 3)
        self.reported = window

    def spend(self, key: Key) -> Spent:
        spent = super().spend(key)
        return replace(spent, seconds=min(spent.seconds, self.reported))


@kit.medium("rate-remaining-by-two", "RATE-4")
class RemainingByTwo(Budget):
    """Each request lowers RateLimit-Remaining by two."""

    def headers(self, limit: int, remaining: int, reset: int) -> dict[str, str]:
        return super().headers(limit, max(0, 2 * remaining - limit), reset)


@kit.subtle("ping-prefix-cut", "PING-1")
@kit.change_data("ping")
def prefix_cut(data: kit.Data, call: Call, _: Services) -> kit.Data:
    """Ping reports the first eight characters of the prefix."""
    return {"apiKey": {**data["apiKey"], "prefix": call.key.prefix[:8]}}


@kit.medium("ping-shows-secret", "PING-2 AUTH-6")
@kit.change_data("ping")
def shows_secret(data: kit.Data, call: Call, _: Services) -> kit.Data:
    """Ping reports the whole key."""
    return {"apiKey": {**data["apiKey"], "token": call.key.token}}

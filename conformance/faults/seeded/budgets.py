"""Faults of the rate budget and of ping."""

from dataclasses import replace
from email.utils import formatdate
from typing import Any

from conformance.faults.building_blocks import MEDIUM, OBVIOUS, SUBTLE, fault
from conformance.reference.app import Server
from conformance.reference.budget import Budget, Spent
from conformance.reference.errors import ApiError
from conformance.reference.operations import Call, Operation
from conformance.reference.replies import Reply
from conformance.reference.services import Services
from conformance.reference.world import Key


@fault(
    *("rate-none", "RATE-1", "RATE-2", "RATE-2.reset", "RATE-2.code", "RATE-3", "RATE-4"),
    difficulty=OBVIOUS,
)
class NoBudget(Budget):
    """The budget is counted and never enforced."""

    def check(self, spent: Spent) -> None:
        """Everything is allowed."""


class On429(Budget):
    """Changes the headers of a 429."""

    def check(self, spent: Spent) -> None:
        try:
            super().check(spent)
        except ApiError as error:
            raise self.changed(error, spent) from None

    def changed(self, error: ApiError, spent: Spent) -> ApiError:
        """The 429 with other headers."""
        error.headers = {**error.headers, **self.headers_of(spent)}
        return error

    def headers_of(self, spent: Spent) -> dict[str, str]:
        """The headers that differ."""
        raise NotImplementedError


@fault("rate-retry-after-date", "RATE-2", difficulty=SUBTLE)
class RetryAfterDate(On429):
    """Retry-After is a date, which HTTP allows and both clients cannot read."""

    def headers_of(self, spent: Spent) -> dict[str, str]:
        return {"Retry-After": formatdate(usegmt=True)}


@fault("rate-retry-after-zero", "RATE-2", difficulty=SUBTLE)
class RetryAfterZero(On429):
    """Retry-After is rounded down, so that in the last second it is 0."""

    def headers_of(self, spent: Spent) -> dict[str, str]:
        return {"Retry-After": str(spent.seconds - 1)}


@fault("rate-reset-epoch", "RATE-2.reset", difficulty=MEDIUM)
class ResetEpoch(On429):
    """RateLimit-Reset is a moment, in seconds since 1970."""

    def headers_of(self, spent: Spent) -> dict[str, str]:
        return {"RateLimit-Reset": "4102444800"}


@fault("rate-code", "RATE-2.code", difficulty=OBVIOUS)
class OtherCode(On429):
    """The 429 has the code too_many_requests."""

    def changed(self, error: ApiError, spent: Spent) -> ApiError:
        error.code = "too_many_requests"
        return error


@fault("rate-refused-and-done", "RATE-3", difficulty=SUBTLE)
class RefusedAndDone(Server):
    """Work is done while the budget is asked, and stays done after a 429."""

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


@fault("rate-retry-too-early", "RATE-3", difficulty=SUBTLE)
class RetryTooEarly(Budget):
    """The window is three times as long as Retry-After says."""

    def __init__(self, window: int) -> None:
        super().__init__(window * 3)
        self.reported = window

    def spend(self, key: Key) -> Spent:
        spent = super().spend(key)
        return replace(spent, seconds=min(spent.seconds, self.reported))


@fault("rate-remaining-by-two", "RATE-4", difficulty=MEDIUM)
class RemainingByTwo(Budget):
    """Each request counts twice in what remains."""

    def headers(self, limit: int, remaining: int, reset: int) -> dict[str, str]:
        return super().headers(limit, max(0, 2 * remaining - limit), reset)


class Ping(Server):
    """Tells something else about a key."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        reply = super().alone(operation, services, call)
        if operation.path != "/ping":
            return reply
        key = {**reply.data["apiKey"], **self.changed(call.key)}
        return replace(reply, data={**reply.data, "apiKey": key})

    def changed(self, key: Key) -> dict[str, str]:
        """The members of the key that differ."""
        raise NotImplementedError


@fault("ping-prefix-cut", "PING-1", difficulty=SUBTLE)
class PrefixCut(Ping):
    """Ping tells the first eight characters of the prefix."""

    def changed(self, key: Key) -> dict[str, str]:
        return {"prefix": key.prefix[:8]}


@fault("ping-shows-secret", "PING-2", "AUTH-6", difficulty=MEDIUM)
class ShowsSecret(Ping):
    """Ping tells the whole key."""

    def changed(self, key: Key) -> dict[str, str]:
        return {"token": key.token}

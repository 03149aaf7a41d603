"""RATE-4: right and wrong reports of what remains of a budget."""

from dataclasses import replace

import pytest
from support import Runner

from conformance.faults.variants.free_points import SlidingBudget
from conformance.reference.app import Settings
from conformance.reference.budget import Budget, Spent
from conformance.reference.services import Parts
from conformance.reference.world import Key


class Stands(Budget):
    """Reports the same, however much is spent."""

    def spend(self, key: Key) -> Spent:
        spent = super().spend(key)
        headers = self.headers(key.budget, key.budget - 1, spent.seconds)
        return replace(spent, headers=headers) if spent.allowed else spent


class FallsBelowZero(Budget):
    """Counts one request too many, up to the last."""

    def spend(self, key: Key) -> Spent:
        spent = super().spend(key)
        headers = {**spent.headers, "RateLimit-Remaining": "-1"}
        last = spent.headers["RateLimit-Remaining"] == "0"
        return replace(spent, headers=headers) if spent.allowed and last else spent


class Trickles(SlidingBudget):
    """A budget that earlier requests have spent, and that comes back as fast as it is used."""

    def spend(self, key: Key) -> Spent:
        spent = super().spend(key)
        if key.budget > 100 or not spent.allowed:
            return spent
        return replace(spent, headers=self.headers(key.budget, 0, spent.seconds))


@pytest.mark.parametrize(
    ("budget", "selection", "warned"),
    [
        (Stands, "test_remaining", ["RATE-4"]),
        (FallsBelowZero, "test_remaining", ["RATE-4"]),
        (SlidingBudget, "test_rate", []),
        (Trickles, "test_rate", []),
    ],
)
def test_what_remains_may_stand_still_only_in_a_window_that_slides(
    budget: type[Budget], selection: str, warned: list[str], run_suite: Runner
) -> None:
    ended = run_suite("-k", selection, server=Settings(window=1, parts=Parts(budget=budget)))
    assert ended.with_outcome("warned") == warned, ended.output
    assert ended.with_outcome("failed") == []

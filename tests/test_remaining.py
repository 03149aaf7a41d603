"""RATE-4: what remains of a budget, reported truly and untruly, in windows of any kind."""

from dataclasses import replace

import pytest
from support import Runner, reference

from conformance.faults.variants import SlidingBudget
from conformance.reference.app import Settings
from conformance.reference.budget import Budget, Spent
from conformance.reference.services import Parts
from conformance.reference.world import Key


class Stands(Budget):
    """Tells the same, however much is spent."""

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


@pytest.mark.parametrize("budget", [Stands, FallsBelowZero])
def test_what_remains_is_reported_wrong(budget: type[Budget], run_suite: Runner) -> None:
    with reference(Settings(window=1, parts=Parts(budget=budget))) as url:
        ended = run_suite("-k", "test_remaining", url=url)
    assert ended.with_outcome("warned") == ["RATE-4"], ended.output


@pytest.mark.parametrize("budget", [SlidingBudget, Trickles])
def test_what_remains_of_a_window_that_slides_may_stand_still(
    budget: type[Budget], run_suite: Runner
) -> None:
    with reference(Settings(window=1, parts=Parts(budget=budget))) as url:
        ended = run_suite("-k", "test_rate", url=url)
    assert ended.with_outcome("warned") == ended.with_outcome("failed") == [], ended.output

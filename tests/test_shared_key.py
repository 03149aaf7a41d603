"""Who else uses the throttled key is not mistaken for a server that breaks RATE."""

from pathlib import Path

import pytest
from filelock import FileLock
from support import Runner, reference, run_at

from conformance.reference.app import Settings
from conformance.reference.budget import Budget, Spent
from conformance.reference.services import Parts
from conformance.reference.world import Key


class Shared(Budget):
    """Another client uses the throttled key: at the beginning of a window it takes its share."""

    def __init__(self, window: int) -> None:
        super().__init__(window)
        self.windows = 0

    def spend(self, key: Key) -> Spent:
        if key.role == "throttled" and self.counts.get(key.prefix) == 0:
            self.windows += 1
            for _ in range(self.share(key.budget)):
                super().spend(key)
        return super().spend(key)

    def share(self, budget: int) -> int:
        """All of every second window, and half of each other."""
        return budget if self.windows % 2 == 0 else budget // 2


class InBetween(Shared):
    """The other client's requests come between the suite's own."""

    def spend(self, key: Key) -> Spent:
        if key.role == "throttled":
            super().spend(key)
        return super().spend(key)

    def share(self, budget: int) -> int:
        del budget
        return 0


@pytest.mark.parametrize("budget", [Shared, InBetween])
def test_another_client_on_the_same_key_is_accused_of_nothing(
    budget: type[Budget], run_suite: Runner
) -> None:
    with reference(Settings(window=1, parts=Parts(budget=budget))) as url:
        ended = run_suite("-q", "-k", "test_rate", "--trust-target", url=url)
    assert not ended.with_outcome("failed", "warned"), ended.output


@pytest.mark.parametrize(
    ("budget", "test", "undecided"),
    [
        (Shared, "test_a_throttled_write_changes_nothing", "RATE-3"),
        (InBetween, "test_remaining_falls_by_one", "RATE-4"),
    ],
)
def test_another_client_on_the_same_key_is_suspected(
    budget: type[Budget], test: str, undecided: str, run_suite: Runner
) -> None:
    with reference(Settings(window=1, parts=Parts(budget=budget))) as url:
        ended = run_suite("-q", "-k", test, "--trust-target", url=url)
    assert ended.outcome(undecided) == "inconclusive", ended.output
    assert "another client seems to use the throttled key" in ended.output


def test_runs_with_one_key_take_turns() -> None:
    key, other = {"throttled": "ksk_a.b"}, {"throttled": "ksk_a.c"}
    one = run_at("https://a.example", keys=key).lock_file("throttled")
    assert run_at("https://a.example", id="89abcdef", keys=key).lock_file("throttled") == one
    assert run_at("https://a.example", keys=other).lock_file("throttled") != one
    assert run_at("https://b.example", keys=key).lock_file("throttled") != one
    assert "ksk_a" not in str(one)


def test_a_key_that_another_run_never_lets_go_of_decides_nothing(
    run_suite: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hasty.py").write_text(
        "from conformance.plugin import fixtures\nfixtures.LOCK_SECONDS = 0.1\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(__file__).parents[1]}")
    with reference() as url:
        throttled = "ksk_demo_throttled.not-a-secret-b80d47e5"
        lock = run_at(url, keys={"throttled": throttled}).lock_file("throttled")
        with FileLock(lock):
            ended = run_suite("-q", "-k", "carries_the_headers", "-p", "hasty", url=url)
    assert ended.outcome("RATE-1") == "inconclusive", ended.output

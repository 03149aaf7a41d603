"""Functions in processes of their own: answers, errors, ends, and an interruption."""

import os
import time
from pathlib import Path

import pytest

from conformance.faults.apart import apart, each_apart


def pid_of(_: int) -> int:
    return os.getpid()


def fail(number: int) -> int:
    raise OSError(f"no {number}")


def vanish(_: int) -> None:
    os._exit(7)


def slow(place: Path) -> None:
    """Works for a minute, and leaves a mark when it is interrupted."""
    Path(f"{place}.begun").touch()
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        place.touch()
        raise


def wait_or_fail(place: Path) -> None:
    """Fails as soon as the other one has begun."""
    other = Path(f"{place.with_name('slow')}.begun")
    if place.name == "slow":
        slow(place)
    while not other.exists():
        time.sleep(0.01)
    raise OSError("enough")


def test_every_call_has_a_process_of_its_own() -> None:
    pids = [pid for _, pid in each_apart(pid_of, range(4), 2)]
    assert len({*pids, os.getpid()}) == 5
    assert apart(pid_of, 1) not in pids


def test_what_a_call_raises_is_told() -> None:
    with pytest.raises(RuntimeError, match="OSError: no 3"):
        apart(fail, 3)


def test_a_process_that_ends_without_an_answer_is_told() -> None:
    with pytest.raises(RuntimeError, match="ended with 7"):
        apart(vanish, 1)


def test_where_one_breaks_off_the_others_are_interrupted(tmp_path: Path) -> None:
    calls = each_apart(wait_or_fail, [tmp_path / "slow", tmp_path / "fast"], 2)
    with pytest.raises(RuntimeError, match="enough"):
        list(calls)
    assert (tmp_path / "slow").exists()

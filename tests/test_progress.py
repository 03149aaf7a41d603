"""How far a run is, in numbers that can be believed."""

import io
import time
from pathlib import Path

import pytest
from support import until

from conformance.client.rate_limit import Pacer
from conformance.client.waiting import Wait, Waiting
from conformance.plugin.progress import Lines, RunProgress
from conformance.results.check import Check, Outcome


def check(outcome: Outcome, id: str = "GRANT-2") -> Check:
    return Check(id, "t", outcome)


def progress(**efforts: float) -> RunProgress:
    return RunProgress(efforts or {"a": 1.0})


def test_a_percentage_counts_effort_and_not_tests() -> None:
    made = progress(short=1.0, long=97.0)
    made.finish_test("short", [check(Outcome.PASSED)])
    assert made.describe().startswith("  1 %, 1 of 2 tests")
    made.finish_test("long", [check(Outcome.PASSED)])
    assert made.describe().startswith(" 98 %, 2 of 2 tests")


def test_a_test_counts_once_however_many_checks_it_makes() -> None:
    made = progress(a=1.0, b=1.0)
    made.finish_test("a", [check(Outcome.FAILED), check(Outcome.FAILED, "ERR-1")])
    assert ", 1 failed: GRANT-2 ERR-1" in made.describe()
    assert "1 of 2 tests" in made.describe()


def test_of_many_failed_requirements_a_few_are_named() -> None:
    made = progress()
    made.finish_test("a", [check(Outcome.FAILED, f"X-{n}") for n in range(9)])
    assert made.describe().endswith("1 failed: X-0 X-1 X-2 X-3 and 5 more")


@pytest.mark.parametrize(
    ("outcomes", "colour"),
    [
        ([Outcome.PASSED, Outcome.NOT_EXERCISED], "green"),
        ([Outcome.WARNED, Outcome.PASSED], "yellow"),
        ([Outcome.BLOCKED, Outcome.FAILED, Outcome.PASSED], "red"),
    ],
)
def test_the_colour_is_that_of_the_worst_so_far(outcomes: list[Outcome], colour: str) -> None:
    made = progress()
    for outcome in outcomes:
        made.finish_test("a", [check(outcome)])
    assert made.colour == colour


def test_clean_up_and_report_count() -> None:
    made = RunProgress({"a": 49.0}, cleanup=49.0)
    made.finish_test("a", [check(Outcome.PASSED)])
    assert made.describe().startswith(" 49 %")
    made.erase(5, 10)
    assert made.describe().startswith(" 74 %, erasing players, 5 of 10")
    made.erase(10, 10)
    made.write_report()
    assert made.describe().startswith(" 98 %, writing the report")


def test_the_time_left_is_guessed_once_there_is_something_to_guess_from() -> None:
    now = [0.0]
    made = RunProgress({"a": 49.0, "b": 49.0}, clock=lambda: now[0])
    assert "left" not in made.describe()
    now[0] = 60.0
    made.finish_test("a", [check(Outcome.PASSED)])
    assert "about 1:02 left" in made.describe()


def test_a_wait_is_named_with_its_seconds_instead_of_a_time_that_nobody_knows() -> None:
    waits = [Wait("MIG-1", "the rate window", 1010.0), Wait("RATE-3", "the rate window", 1041.0)]
    made = RunProgress({"a": 1.0}, waits=lambda: waits, clock=lambda: 1000.0)
    assert "RATE-3 waits for the rate window, 41 s (1 more wait)" in made.describe()
    assert "left" not in made.describe()


def test_another_process_sees_what_one_waits_for(tmp_path: Path) -> None:
    one, other = Waiting(tmp_path / "kc-0", "gw0"), Waiting(tmp_path / "kc-0", "main")
    one.requirement = "RATE-3"
    with one.noting("the rate window", 41.0):
        (found,) = other.notes()
        assert found.describe(time.time()) == "RATE-3 waits for the rate window, 41 s"
        assert Waiting(tmp_path / "kc-1", "main").notes() == []
    assert other.notes() == []


def test_a_note_that_cannot_be_written_or_read_stops_nothing(tmp_path: Path) -> None:
    nowhere = Waiting(tmp_path / "missing" / "kc-0", "gw0")
    with nowhere.noting("the rate window", 41.0):
        assert nowhere.notes() == []
    (tmp_path / "kc-0-gw0.wait").write_bytes(b'{"requ')
    waiting = Waiting(tmp_path / "kc-0", "main")
    assert waiting.notes() == []
    waiting.forget()
    assert list(tmp_path.iterdir()) == []


def test_pacing_says_why_it_waits(tmp_path: Path) -> None:
    slept: list[tuple[int, str]] = []

    class Awake(Waiting):
        def sleep(self, seconds: float, reason: str) -> None:
            slept.append((round(seconds), reason))
            pacer.forget()  # and the next try finds no reason to wait

    pacer = Pacer(tmp_path / "kc", rate=2, waiting=Awake())
    pacer.take("Bearer a.b")
    pacer.take("Bearer a.b")
    assert slept == [(30, "its turn under --rate")]


def test_off_a_terminal_a_line_comes_now_and_then() -> None:
    file = io.StringIO()
    lines = Lines(progress(), file, seconds=0.05)
    lines.begin()
    until(lambda: file.getvalue().count("\n") >= 2)
    lines.end()
    assert set(file.getvalue().splitlines()) == {"0 %, 0 of 1 tests"}
    before = file.getvalue()
    time.sleep(0.15)
    assert file.getvalue() == before

"""A run stays inside a budget, whoever shares it, and believes headers only while they are true."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support import Runner, reference, world_with

from conformance.client.rate_limit import MAX_STRIKES, PLENTY, Pacer, Window, reported_by
from conformance.failures import UsageError
from conformance.http.exchange import Response
from conformance.plugin.command_line import rate_of
from conformance.reference.app import Settings

NOW = 1000.0


def response(status: int = 200, **headers: object) -> Response:
    names = {name.replace("_", "-"): str(value) for name, value in headers.items()}
    return Response(status, tuple(names.items()), b"")


def reported(remaining: int, reset: int = 10, limit: int = 120) -> Window:
    window = reported_by(
        response(RateLimit_Limit=limit, RateLimit_Remaining=remaining, RateLimit_Reset=reset), NOW
    )
    assert window is not None
    return window


def test_headers_tell_what_is_left() -> None:
    assert reported(7) == Window(limit=120, remaining=7, resets=NOW + 10)


@pytest.mark.parametrize(
    "answer",
    [
        response(),
        response(RateLimit_Limit=120, RateLimit_Remaining=7),
        response(RateLimit_Limit=120, RateLimit_Remaining="many", RateLimit_Reset=3),
        response(RateLimit_Limit=120, RateLimit_Remaining=-1, RateLimit_Reset=3),
        response(RateLimit_Limit=120, RateLimit_Remaining=7, RateLimit_Reset=1795500000),
    ],
)
def test_headers_that_are_none_tell_nothing(answer: Response) -> None:
    assert reported_by(answer, NOW) is None


def test_a_429_says_that_nothing_is_left_until_retry_after() -> None:
    window = reported_by(response(429, Retry_After=7), NOW)
    assert window is not None
    assert (window.remaining, window.resets) == (0, NOW + 7)


def test_a_window_is_spent_request_by_request_and_then_waited_for() -> None:
    window = reported(3)
    assert [window.take(1, NOW) for _ in range(4)] == [0.0, 0.0, 0.0, 10.0]
    assert window.take(1, NOW + 10) == 0.0
    assert window.remaining == 119


def test_simultaneous_requests_wait_for_room_for_all() -> None:
    window = reported(15)
    assert window.take(16, NOW) == 10.0
    assert window.take(16, NOW + 10) == 0.0
    assert window.remaining == 104


def test_more_at_once_than_the_limit_is_tried_with_a_whole_window() -> None:
    window = reported(4, limit=4)
    assert window.take(16, NOW) == 0.0
    assert window.remaining == 0


def test_an_older_answer_does_not_give_back_what_others_took() -> None:
    window = reported(50)
    window.take(20, NOW)
    window.learn(reported(49), NOW)
    assert window.remaining == 30


def test_a_new_window_is_believed() -> None:
    window = reported(2)
    window.learn(reported(119, reset=60), NOW + 5)
    assert window.remaining == 119


def test_whole_seconds_do_not_make_one_window_two() -> None:
    window = reported(1, reset=2)
    window.take(1, NOW)
    window.learn(told_at(0, NOW + 0.9, reset=2), NOW + 0.9)
    assert window.take(1, NOW + 0.9) == pytest.approx(1.1), "the first of the two ends is nearer"
    window.learn(told_at(119, NOW + 2.0, reset=2), NOW + 1.99)
    assert window.remaining == 119


def told_at(remaining: int, now: float, reset: int) -> Window:
    return Window(120, remaining, now + reset)


def test_headers_that_are_always_spent_are_not_believed_for_long() -> None:
    window, waits = reported(0), 0
    for turn in range(20):
        now = NOW + 100 * turn
        window.learn(Window(120, 0, now + 10), now)
        waits += window.take(1, now) > 0
    assert waits < MAX_STRIKES
    assert not window.is_scarce


@pytest.mark.parametrize("limit", [0, 1, 3, 10])
def test_a_budget_too_small_to_be_true_is_not_believed(limit: int) -> None:
    window, waits = Window(), 0
    for turn in range(20):
        now = NOW + 100 * turn
        window.learn(Window(limit, 0, now + 10), now)
        waits += window.take(1, now) > 0
    assert waits < MAX_STRIKES


def test_a_file_that_a_process_died_over_is_forgotten(tmp_path: Path) -> None:
    pacer = Pacer(tmp_path / "kc")
    low = response(RateLimit_Limit=120, RateLimit_Remaining=5, RateLimit_Reset=50)
    pacer.learn("Bearer a.b", low)
    (file,) = tmp_path.glob("*.pace")
    file.write_text('{"limit": 12')
    pacer.take("Bearer a.b")
    assert json.loads(file.read_text())["limit"] == 0


def test_many_who_wait_for_one_window_are_one_wait() -> None:
    window = reported(100)
    for _ in range(100):
        window.take(1, NOW)
    assert [window.take(1, NOW) > 0 for _ in range(8)] == [True] * 8
    assert window.is_scarce


def test_a_budget_of_plenty_is_not_shared(tmp_path: Path) -> None:
    pacer = Pacer(tmp_path / "kc")
    answer = response(RateLimit_Limit=10**6, RateLimit_Remaining=PLENTY, RateLimit_Reset=9)
    pacer.learn("Bearer a.b", answer)
    pacer.take("Bearer a.b")
    assert list(tmp_path.iterdir()) == []


def test_processes_share_one_budget(tmp_path: Path) -> None:
    """What one process learned, another heeds; a key that is to be spent is nobody's business."""
    one, other = Pacer(tmp_path / "kc", unpaced=["t.t"]), Pacer(tmp_path / "kc")
    low = response(RateLimit_Limit=120, RateLimit_Remaining=5, RateLimit_Reset=50)
    for pacer in (one, other):
        pacer.learn("Bearer a.b", low)
    one.learn("Bearer t.t", low)
    one.take("Bearer a.b", 3)
    other.take("Bearer a.b", 1)
    (file,) = tmp_path.glob("*.pace")
    assert json.loads(file.read_text())["remaining"] == 1
    assert "a.b" not in file.read_text()
    one.forget()
    assert list(tmp_path.iterdir()) == []


def test_a_cap_spreads_requests_over_processes(tmp_path: Path) -> None:
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from conformance.client.rate_limit import Pacer\n"
        "pacer = Pacer(Path(sys.argv[1]), rate=1200)\n"
        "for _ in range(10): pacer.take('Bearer a.b'); print(time.time())"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "kc")]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    moments = sorted(float(line) for each in both for line in each.communicate()[0].split())
    assert len(moments) == 20
    assert moments[-1] - moments[0] >= 19 * 60 / 1200 * 0.99


@pytest.mark.parametrize(("text", "rate"), [(None, 0), ("90", 90), ("90/min", 90)])
def test_a_rate_is_a_number_a_minute(text: str | None, rate: int) -> None:
    assert rate_of(text) == rate


@pytest.mark.parametrize("text", ["0", "-1", "x", "1.5", "90/s", "٣"])
def test_a_rate_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--rate"):
        rate_of(text)


BUDGET = 120
SELECTION = "test_grants.py or test_bans"


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["serial", "parallel"])
def test_a_small_budget_makes_a_run_slower_and_nothing_else(
    workers: tuple[str, ...], run_suite: Runner
) -> None:
    with reference(Settings(window=2), world_with("server", budget=BUDGET)) as url:
        slow = run_suite("-k", SELECTION, *workers, url=url)
    assert slow.code == 0, slow.output
    assert not slow.with_outcome("inconclusive", "blocked", "failed", "warned")
    refused = sum(row["endings"].get("429", 0) for row in slow.document["traffic"])
    assert refused <= slow.document["run"]["requests"] / 100
    assert slow.document["run"]["requests"] > 3 * BUDGET

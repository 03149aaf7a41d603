"""A run stays inside a shared budget, and believes headers only where they can be true."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support import Runner, python, world_with

from conformance.client.rate_limit import MAX_STRIKES, PLENTY, Pacer, Window, reported_by
from conformance.failures import UsageError
from conformance.http.exchange import Response
from conformance.plugin.command_line import rate_of
from conformance.reference.app import Settings

NOW = 1000.0


def response(status: int = 200, **headers: object) -> Response:
    names = {name.replace("_", "-"): str(value) for name, value in headers.items()}
    return Response(status, tuple(names.items()), b"")


def limited(limit: object, remaining: object, reset: object) -> Response:
    return response(RateLimit_Limit=limit, RateLimit_Remaining=remaining, RateLimit_Reset=reset)


def reported(remaining: int, reset: int = 10, limit: int = 120, now: float = NOW) -> Window:
    window = reported_by(limited(limit, remaining, reset), now)
    assert window is not None
    return window


@pytest.mark.parametrize(
    ("answer", "window"),
    [
        (limited(120, 7, 10), Window(limit=120, remaining=7, resets=NOW + 10)),
        (response(), None),
        (response(RateLimit_Limit=120, RateLimit_Remaining=7), None),
        (limited(120, "many", 3), None),
        (limited(120, -1, 3), None),
        (limited(120, 7, 1795500000), None),
    ],
    ids=["good", "none", "no reset", "no number", "negative", "a time of day"],
)
def test_headers_report_a_window_only_where_they_can_be_true(
    answer: Response, window: Window | None
) -> None:
    assert reported_by(answer, NOW) == window


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
    window.learn(reported(0, reset=2, now=NOW + 0.9), NOW + 0.9)
    assert window.take(1, NOW + 0.9) == pytest.approx(1.1), "the first of the two ends is nearer"
    window.learn(reported(119, reset=2, now=NOW + 2.0), NOW + 1.99)
    assert window.remaining == 119


def test_a_late_answer_of_an_earlier_window_says_nothing_of_this_one() -> None:
    window = reported(1)
    window.take(1, NOW)
    assert window.take(1, NOW + 10) == 0.0, "the window is over"
    window.learn(reported(3, reset=1, now=NOW + 10), NOW + 10, sent=NOW + 9.9)
    assert [window.take(16, NOW + 10.1) for _ in range(3)] == [0.0] * 3
    window.learn(reported(50, now=NOW + 10.2), NOW + 10.2, sent=NOW + 10.1)
    assert window.remaining == 50
    window.learn(reported(119, now=NOW + 40), NOW + 40, sent=NOW + 40)
    window.learn(reported(2, reset=1, now=NOW + 40.1), NOW + 40.1, sent=NOW + 20)
    assert window.remaining == 119


def test_what_is_on_its_way_counts_in_a_window_that_has_just_begun() -> None:
    window = reported(1)
    window.take(1, NOW)
    window.take(16, NOW + 10)
    window.learn(reported(119, now=NOW + 10), NOW + 10, sent=NOW + 10)
    assert window.remaining == 104


@pytest.mark.parametrize("limit", [0, 1, 3, 10, 120])
def test_headers_that_are_always_spent_are_not_believed_for_long(limit: int) -> None:
    window, waits = Window(), 0
    for turn in range(20):
        now = NOW + 100 * turn
        window.learn(Window(limit, 0, now + 10), now)
        waits += window.take(1, now) > 0
    assert waits < MAX_STRIKES
    assert not window.is_scarce


LOW = limited(120, 5, 50)


def test_a_file_that_a_process_died_over_is_forgotten(tmp_path: Path) -> None:
    pacer = Pacer(tmp_path / "kc")
    pacer.learn("Bearer a.b", LOW)
    (file,) = tmp_path.glob("*.pace")
    file.write_text('{"limit": 12')
    pacer.take("Bearer a.b")
    assert json.loads(file.read_text())["limit"] == 0


def test_many_requests_that_wait_for_one_window_are_one_wait() -> None:
    window = reported(100)
    for _ in range(100):
        window.take(1, NOW)
    assert [window.take(1, NOW) > 0 for _ in range(8)] == [True] * 8
    assert window.is_scarce


def test_a_budget_of_plenty_is_not_shared(tmp_path: Path) -> None:
    pacer = Pacer(tmp_path / "kc")
    pacer.learn("Bearer a.b", limited(10**6, PLENTY, 9))
    pacer.take("Bearer a.b")
    assert list(tmp_path.iterdir()) == []


def test_processes_share_one_budget(tmp_path: Path) -> None:
    """A key that a scenario spends on purpose is left out."""
    one, other = Pacer(tmp_path / "kc", unpaced=["t.t"]), Pacer(tmp_path / "kc")
    for pacer in (one, other):
        pacer.learn("Bearer a.b", LOW)
    one.learn("Bearer t.t", LOW)
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
    with ThreadPoolExecutor(2) as pool:
        both = pool.map(lambda _: python(code, str(tmp_path / "kc")), range(2))
    moments = sorted(float(line) for printed in both for line in printed.split())
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
    slow = run_suite(
        "-k",
        SELECTION,
        *workers,
        server=Settings(window=1),
        world=world_with("server", budget=BUDGET),
    )
    assert slow.code == 0, slow.output
    assert not slow.with_outcome("inconclusive", "blocked", "failed", "warned")
    refused = sum(row["endings"].get("429", 0) for row in slow.document["traffic"])
    assert refused <= slow.document["run"]["requests"] / 100
    assert slow.document["run"]["requests"] > 3 * BUDGET

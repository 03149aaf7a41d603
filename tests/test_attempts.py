"""Which attempt at a test counts: the first, or a repeated one where the network fails."""

from typing import Any, Literal

import pytest

from conformance.client.network_health import MAX_REPETITIONS, NetworkHealth
from conformance.failures import Blocked
from conformance.http.exchange import Exchange, Request
from conformance.plugin.retries import Attempt, doubt, informative, to_be_repeated
from conformance.results.check import Outcome

SOUND = NetworkHealth(requests=1000, transit_failures=0)
BLIP = NetworkHealth(requests=10_000, transit_failures=1)
FLAKY = NetworkHealth(requests=1000, transit_failures=100)


def attempt(outcome: Outcome, exchanges: int = 3, transit_failures: int = 0) -> Attempt:
    return Attempt(outcome, exchanges, transit_failures, seconds=0.1)


FAILED, PASSED, BLOCKED = (
    attempt(each) for each in (Outcome.FAILED, Outcome.PASSED, Outcome.BLOCKED)
)
LONG = attempt(Outcome.FAILED, exchanges=500)
SPOILT = attempt(Outcome.INCONCLUSIVE, transit_failures=1)
NEEDED = FLAKY.repetitions(3) or 0

IS_REPEATED: dict[str, tuple[list[Attempt], NetworkHealth, bool]] = {
    "a failure on a sound path": ([FAILED], SOUND, False),
    "a pass on a sound path": ([PASSED], SOUND, False),
    "an open end on a sound path": ([attempt(Outcome.INCONCLUSIVE)], SOUND, False),
    "a block on a sound path": ([BLOCKED], SOUND, False),
    "a failure after a blip": ([FAILED], BLIP, True),
    "two failures after a blip": ([FAILED] * 2, BLIP, False),
    "too few failures on a flaky path": ([FAILED] * (NEEDED - 1), FLAKY, True),
    "enough failures on a flaky path": ([FAILED] * NEEDED, FLAKY, False),
    "a failure that did not last": ([FAILED, FAILED, PASSED], FLAKY, False),
    "a failure of too many requests": ([LONG], FLAKY, False),
    "an attempt that the path spoilt": ([SPOILT], FLAKY, True),
    "a pass after that": ([SPOILT, PASSED], FLAKY, False),
    "a block on a flaky path": ([BLOCKED], FLAKY, True),
    "as many blocks as are tried": ([BLOCKED] * MAX_REPETITIONS, FLAKY, False),
    "a server that is gone": (
        [SPOILT],
        NetworkHealth(requests=9, transit_failures=9, gone=True),
        False,
    ),
}
IN_DOUBT: dict[str, tuple[list[Attempt], NetworkHealth, bool]] = {
    "a failure on a sound path": ([FAILED], SOUND, False),
    "two failures after a blip": ([FAILED] * 2, BLIP, False),
    "enough failures on a flaky path": ([FAILED] * NEEDED, FLAKY, False),
    "a pass after spoilt attempts": ([SPOILT, SPOILT, PASSED], FLAKY, False),
    "a failure among spoilt attempts": ([SPOILT, FAILED, SPOILT], FLAKY, True),
    "a failure of too many requests": ([LONG], FLAKY, True),
}


def test_simultaneous_requests_that_met_the_end_of_a_window_are_repeated() -> None:
    refused = Attempt(Outcome.INCONCLUSIVE, 16, 0, seconds=0.1, lacked_budget=True)
    assert to_be_repeated([refused], NetworkHealth())
    assert not to_be_repeated([refused, attempt(Outcome.PASSED)], NetworkHealth())
    assert not to_be_repeated([attempt(Outcome.INCONCLUSIVE)], NetworkHealth())


@pytest.mark.parametrize("name", list(IS_REPEATED))
def test_a_test_is_repeated_where_the_path_may_be_to_blame(name: str) -> None:
    attempts, path, repeated = IS_REPEATED[name]
    assert to_be_repeated(attempts, path) == repeated


@pytest.mark.parametrize("name", list(IN_DOUBT))
def test_a_failure_on_a_flaky_path_must_last(name: str) -> None:
    attempts, path, doubted = IN_DOUBT[name]
    assert (doubt(attempts, path) is not None) == doubted


def test_doubt_is_explained_and_a_flaky_path_needs_more_attempts() -> None:
    assert doubt([FAILED, FAILED, PASSED], FLAKY) == (
        "2 of 3 attempts failed, on a path that failed 100 of 1000 requests"
    )
    assert NEEDED > 3
    assert FLAKY.repetitions(500) is None


def test_the_surer_the_path_the_fewer_repetitions() -> None:
    paths = [NetworkHealth(requests=10_000, transit_failures=n) for n in (0, 1, 10, 100, 1000)]
    needed = [path.repetitions(10) for path in paths]
    assert needed[0] == 1
    assert needed == sorted(needed, key=lambda n: n or 99)
    assert len(set(needed)) > 3


def failure(seconds: float) -> Exchange:
    return Exchange(Request("getPlayer", "GET", "/", (), b""), None, "ReadTimeout", 0.0, seconds)


@pytest.mark.parametrize(
    ("seconds", "tries", "proven"),
    [(0.1, 7, False), (0.1, 8, True), (9.0, 2, False), (9.0, 3, True)],
)
def test_a_request_is_the_servers_fault_after_many_tries_or_long_ones(
    seconds: float, tries: int, proven: bool
) -> None:
    assert NetworkHealth().is_servers_fault([failure(seconds)] * tries) == proven


def test_an_operation_that_hangs_is_not_waited_for_twice() -> None:
    path = NetworkHealth()
    path.check("getPlayer")
    path.note_hang([failure(9.0)] * 3)
    with pytest.raises(Blocked, match="ERR-3"):
        path.check("getPlayer")
    assert path.is_servers_fault([failure(9.0)]), "of a second operation one hang is enough"


@pytest.mark.parametrize(
    ("path", "failures"),
    [
        (NetworkHealth(answering={"getPlayer"}), [failure(9.0)] * 3),
        (NetworkHealth(), [failure(0.1)] * 8),
    ],
    ids=["it was answered before", "it only fails fast: it may be one input"],
)
def test_an_operation_that_may_answer_is_not_given_up(
    path: NetworkHealth, failures: list[Exchange]
) -> None:
    path.note_hang(failures)
    path.check("getPlayer")


def report(
    when: Literal["setup", "call", "teardown"],
    outcome: str,
    *,
    checked: bool = False,
    printed: bool = False,
) -> Any:
    made = pytest.TestReport("t.py::t", ("t.py", 1, "t"), {}, outcome, None, when)  # type: ignore[arg-type]
    if printed:
        made.sections = [("Captured stdout setup", "so it is")]
    if checked:
        vars(made)["conformance_status"] = ["warned", "w", "WARNED"]
    return made


SET_UP, CALLED = report("setup", "passed"), report("call", "passed")
TORN_DOWN = report("teardown", "passed")


@pytest.mark.parametrize(
    ("reports", "kept"),
    [
        ([SET_UP, CALLED, TORN_DOWN], [1]),
        ([report("setup", "skipped"), TORN_DOWN], [0]),
        ([SET_UP, CALLED, report("teardown", "failed")], [1, 2]),
        ([report("setup", "passed", checked=True), TORN_DOWN], [0]),
        ([SET_UP, TORN_DOWN], [1]),
        ([report("setup", "passed", printed=True), CALLED], [0, 1]),
    ],
    ids=["all passes", "not exercised", "tear-down fails", "set-up warns", "--setup-only", "-rP"],
)
def test_only_informative_reports_are_shown(reports: list[Any], kept: list[int]) -> None:
    assert informative(reports) == [reports[place] for place in kept]

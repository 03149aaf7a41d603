"""A failure is made smaller for some seconds, and the smallest is reported."""

import hypothesis
import pytest
from hypothesis import strategies as st

from conformance.client.recorder import Recorder
from conformance.failures import Mismatch
from conformance.fuzzing.schema_cases import SETTINGS
from conformance.fuzzing.shrink_limit import ShrinkLimit
from conformance.http.exchange import Exchange, Request

EXCHANGE = Exchange(Request("ping", "GET", "/", (), b""), None, "lost", 0.0, 0.0)


def failing(recorder: Recorder, shrink_limit: ShrinkLimit, calls: int) -> None:
    """A failure after so many exchanges."""
    shrink_limit.check()
    recorder.restart()
    for _ in range(calls):
        recorder.add(EXCHANGE)
    if calls > 2:
        error = Mismatch("at most 2", str(calls))
        shrink_limit.record(error)
        raise error


def smallest(recorder: Recorder, seconds: float) -> Mismatch:
    """The failure that a search reports after so many seconds of shrinking."""
    shrink_limit = ShrinkLimit(recorder, seconds)

    @hypothesis.settings(SETTINGS, max_examples=200)
    @hypothesis.given(st.integers(0, 9))
    def search(calls: int) -> None:
        failing(recorder, shrink_limit, calls)

    with pytest.raises(Mismatch) as raised:
        shrink_limit.run(search)
    return raised.value


def test_without_time_the_first_failure_is_reported_with_its_exchanges() -> None:
    recorder = Recorder()
    found = smallest(recorder, seconds=0)
    assert found.received == str(len(recorder.exchanges))


def test_with_time_the_failure_is_the_smallest() -> None:
    assert smallest(Recorder(), seconds=60).received == "3"


def test_of_several_failures_the_one_with_the_fewest_exchanges_is_kept() -> None:
    recorder = Recorder()
    shrink_limit = ShrinkLimit(recorder, seconds=0)
    for calls in (7, 4, 6):
        shrink_limit.deadline = None
        with pytest.raises(Mismatch):
            failing(recorder, shrink_limit, calls)

    assert shrink_limit.smallest is not None
    assert len(shrink_limit.smallest[1]) == 4


def test_a_search_that_finds_nothing_ends_as_it_is() -> None:
    ShrinkLimit(Recorder(), seconds=1).run(lambda: None)

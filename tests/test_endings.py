"""Which ending of a test accuses the server, and of what."""

import pytest

from conformance.failures import Blocked, Inconclusive, Mismatch, NotExercised, ShouldWarning
from conformance.plugin.outcomes import ending_of
from conformance.results.check import Outcome


def ending(error: BaseException | None, *own: str, found: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Outcome, accused requirement and blamed requirement of an ending."""
    ended = ending_of(error, None, list(own) or ["GRANT-2"], found)
    return (str(ended.outcome), ended.requirement or "", ended.blamed or "")


def test_no_exception_passes() -> None:
    assert ending(None) == ("passed", "", "")


def test_a_mismatch_fails_the_tests_own_requirement() -> None:
    assert ending(Mismatch("200", "201")) == ("failed", "GRANT-2", "")


def test_a_mismatch_may_name_another_requirement() -> None:
    assert ending(Mismatch("a", "b", "ERR-3")) == ("failed", "ERR-3", "")


def test_a_mismatch_of_a_should_warns() -> None:
    assert ending(Mismatch("a", "b"), "GRANT-3.code") == ("warned", "GRANT-3.code", "")


def test_a_mismatch_in_a_group_is_found() -> None:
    group = BaseExceptionGroup("several", [ValueError(), Mismatch("a", "b")])
    assert ending(group) == ("failed", "GRANT-2", "")


def test_a_remembered_breach_of_a_should_is_a_warning() -> None:
    ended = ending_of(None, Mismatch("a", "b"), ["GRANT-3.code"], ())
    assert ended.outcome is Outcome.WARNED


def test_a_should_under_strictness_is_a_failure() -> None:
    ended = ending_of(ShouldWarning("x"), Mismatch("a", "b"), ["GRANT-3.code"], ())
    assert ended.outcome is Outcome.FAILED


def test_a_step_that_went_wrong_blocks_and_is_blamed() -> None:
    assert ending(Blocked("GRANT-1", "a", "b"), "ACK-1") == ("blocked", "", "GRANT-1")


def test_a_step_that_is_the_tests_own_sentence_fails_it() -> None:
    assert ending(Blocked("ACK-1", "a", "b"), "ACK-1") == ("failed", "ACK-1", "")


@pytest.mark.parametrize("error", [NotExercised("declare x"), pytest.skip.Exception("no")])
def test_what_the_target_lacks_is_not_exercised(error: BaseException) -> None:
    assert ending(error) == ("not_exercised", "", "")


@pytest.mark.parametrize(
    "error", [Inconclusive("reset"), ValueError("a bug"), AssertionError("a library's")]
)
def test_an_error_of_path_or_suite_accuses_nobody(error: BaseException) -> None:
    assert ending(error) == ("inconclusive", "", "")


def test_an_error_over_a_malformed_response_is_blocked_by_what_was_found() -> None:
    assert ending(TypeError(), found=("HTTP-2",)) == ("blocked", "", "HTTP-2")

"""The verdict, rule by rule."""

import pytest

from conformance.contract.requirements import Level
from conformance.failures import UsageError
from conformance.results.check import Check, Outcome, outcome_of
from conformance.results.verdict import EXIT_CODES, Verdict, judge_run
from conformance.settings.required import checked, shortfall

MUST, SHOULD = Level.MUST, Level.SHOULD


def test_an_interruption_is_reported_beside_a_failure() -> None:
    rows = [(MUST, Outcome.FAILED), (MUST, Outcome.PASSED)]
    text = str(judge_run(rows, "the run was interrupted"))
    assert text == (
        "not conformant: 1 requirement failed, the run was interrupted, 2 of 2 MUSTs exercised"
    )


def verdict(*outcomes: tuple[Level, Outcome], abort_reason: str | None = None) -> Verdict:
    return judge_run(outcomes, abort_reason).verdict


def test_a_failed_must_is_not_conformant_whatever_else_happened() -> None:
    rows = [(MUST, outcome) for outcome in Outcome]
    assert verdict(*rows, abort_reason="interrupted") is Verdict.NOT_CONFORMANT


@pytest.mark.parametrize("undecided", [Outcome.BLOCKED, Outcome.INCONCLUSIVE])
def test_an_undecided_must_is_inconclusive(undecided: Outcome) -> None:
    assert verdict((MUST, Outcome.PASSED), (MUST, undecided)) is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("undecided", [Outcome.BLOCKED, Outcome.INCONCLUSIVE])
def test_an_undecided_should_decides_nothing(undecided: Outcome) -> None:
    assert verdict((MUST, Outcome.PASSED), (SHOULD, undecided)) is Verdict.CONFORMANT


def test_nothing_that_ran_is_inconclusive() -> None:
    assert verdict() is Verdict.INCONCLUSIVE
    assert verdict((MUST, Outcome.NOT_EXERCISED)) is Verdict.INCONCLUSIVE
    assert verdict((SHOULD, Outcome.PASSED)) is Verdict.INCONCLUSIVE


def test_a_run_that_did_not_end_is_inconclusive() -> None:
    assert verdict((MUST, Outcome.PASSED), abort_reason="interrupted") is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("outcome", [Outcome.PASSED, Outcome.KNOWN])
def test_a_part_of_the_musts_is_not_called_conformant(outcome: Outcome) -> None:
    judgement = judge_run([(MUST, outcome), (MUST, Outcome.NOT_EXERCISED)])
    assert judgement.verdict is Verdict.NO_FAILURE
    assert (judgement.exercised, judgement.total) == (1, 2)
    assert "1 of 2 MUSTs exercised" in str(judgement)


def test_less_than_is_required_fails_the_gate_but_hides_no_failure() -> None:
    rows = [(MUST, Outcome.PASSED), (MUST, Outcome.NOT_EXERCISED)]
    assert judge_run(rows, shortfall="--require asks for 2 MUSTs").verdict is Verdict.TOO_LITTLE
    failed = judge_run([(MUST, Outcome.FAILED)], shortfall="--require asks for 2 MUSTs")
    assert failed.verdict is Verdict.NOT_CONFORMANT


@pytest.mark.parametrize(
    ("required", "exercised", "missing"),
    [
        ("all", {"GRANT-1"}, "--require asks also for AUTH-1, AUTH-2, "),
        ("2", {"GRANT-1"}, "--require asks for 2 MUSTs"),
        ("1", {"GRANT-1"}, None),
        ("1", {"ERR-2"}, "--require asks for 1 MUSTs"),
        ("GRANT-1,GRANT-2", {"GRANT-1"}, "--require asks also for GRANT-2"),
        ("GRANT-1", {"GRANT-1"}, None),
    ],
)
def test_what_is_required_and_missing_is_named(
    required: str, exercised: set[str], missing: str | None
) -> None:
    found = shortfall(checked(required), exercised)
    assert (found or "")[: len(missing or "")] == (missing or "")
    assert (found is None) == (missing is None)


@pytest.mark.parametrize("required", ["", "0", "98", "most", "GRANT-1,NO-1"])
def test_a_requirement_of_nothing_is_wrong_usage(required: str) -> None:
    with pytest.raises(UsageError, match="--require"):
        checked(required)


def test_a_should_that_is_not_met_is_reported_and_conformant() -> None:
    judgement = judge_run([(MUST, Outcome.PASSED), (SHOULD, Outcome.WARNED)])
    assert judgement.verdict is Verdict.CONFORMANT
    assert "1 SHOULD not met" in str(judgement)


def test_a_should_that_failed_under_strictness_is_not_conformant() -> None:
    assert verdict((MUST, Outcome.PASSED), (SHOULD, Outcome.FAILED)) is Verdict.NOT_CONFORMANT


def test_every_verdict_has_an_exit_code() -> None:
    assert sorted(EXIT_CODES) == sorted(Verdict)
    passing = [verdict for verdict, code in EXIT_CODES.items() if code == 0]
    assert passing == [Verdict.CONFORMANT, Verdict.TOLERATED, Verdict.NO_FAILURE]
    assert EXIT_CODES[Verdict.INCONCLUSIVE] not in (0, EXIT_CODES[Verdict.NOT_CONFORMANT])


def test_a_known_failure_is_tolerated_and_reported() -> None:
    judgement = judge_run([(MUST, Outcome.PASSED), (MUST, Outcome.KNOWN)])
    assert judgement.verdict is Verdict.TOLERATED
    assert "1 requirement failed as known, 2 of 2 MUSTs exercised" in str(judgement)


def test_a_known_failure_excuses_no_other() -> None:
    rows = [(MUST, Outcome.FAILED), (MUST, Outcome.KNOWN)]
    assert judge_run(rows).verdict is Verdict.NOT_CONFORMANT


def test_a_list_that_is_outdated_fails_the_gate_but_not_the_server() -> None:
    judgement = judge_run([(MUST, Outcome.PASSED)], outdated=["X is known to fail but passes"])
    assert judgement.verdict is Verdict.OUTDATED
    assert "X is known to fail but passes" in str(judgement)


def test_what_is_undecided_is_not_tolerated() -> None:
    rows = [(MUST, Outcome.INCONCLUSIVE), (MUST, Outcome.KNOWN)]
    assert judge_run(rows).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([], Outcome.NOT_EXERCISED),
        ([Outcome.PASSED, Outcome.NOT_EXERCISED], Outcome.PASSED),
        ([Outcome.PASSED, Outcome.BLOCKED], Outcome.BLOCKED),
        ([Outcome.BLOCKED, Outcome.INCONCLUSIVE], Outcome.INCONCLUSIVE),
        ([Outcome.INCONCLUSIVE, Outcome.FAILED, Outcome.PASSED], Outcome.FAILED),
        ([Outcome.WARNED, Outcome.PASSED], Outcome.WARNED),
    ],
)
def test_a_requirement_is_what_its_worst_check_is(
    outcomes: list[Outcome], expected: Outcome
) -> None:
    assert outcome_of([Check("GRANT-1", "test", outcome) for outcome in outcomes]) is expected

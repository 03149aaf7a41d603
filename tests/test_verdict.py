"""The verdict, rule by rule."""

import pytest

from conformance.contract.requirements import Level
from conformance.failures import UsageError
from conformance.results.check import Check, Outcome, outcome_of
from conformance.results.verdict import EXIT_CODES, Verdict, judge_run
from conformance.settings.required import checked, shortfall

PASSED, FAILED, WARNED, KNOWN = Outcome.PASSED, Outcome.FAILED, Outcome.WARNED, Outcome.KNOWN
BLOCKED, INCONCLUSIVE, UNTRIED = Outcome.BLOCKED, Outcome.INCONCLUSIVE, Outcome.NOT_EXERCISED
Rows = list[tuple[Level, Outcome]]


def musts(*outcomes: Outcome) -> Rows:
    return [(Level.MUST, outcome) for outcome in outcomes]


def shoulds(*outcomes: Outcome) -> Rows:
    return [(Level.SHOULD, outcome) for outcome in outcomes]


VERDICTS: dict[str, tuple[Rows, Verdict]] = {
    "a failed MUST beside anything else": (musts(*Outcome), Verdict.NOT_CONFORMANT),
    "a known failure excuses no other": (musts(FAILED, KNOWN), Verdict.NOT_CONFORMANT),
    "a SHOULD that fails": (musts(PASSED) + shoulds(FAILED), Verdict.NOT_CONFORMANT),
    "a blocked MUST": (musts(PASSED, BLOCKED), Verdict.INCONCLUSIVE),
    "an inconclusive MUST": (musts(PASSED, INCONCLUSIVE), Verdict.INCONCLUSIVE),
    "an undecided MUST beside a known failure": (
        musts(INCONCLUSIVE, KNOWN),
        Verdict.INCONCLUSIVE,
    ),
    "nothing at all": ([], Verdict.INCONCLUSIVE),
    "nothing that was exercised": (musts(UNTRIED), Verdict.INCONCLUSIVE),
    "nothing but SHOULDs": (shoulds(PASSED), Verdict.INCONCLUSIVE),
    "a blocked SHOULD": (musts(PASSED) + shoulds(BLOCKED), Verdict.CONFORMANT),
    "an inconclusive SHOULD": (musts(PASSED) + shoulds(INCONCLUSIVE), Verdict.CONFORMANT),
    "a SHOULD that is not met": (musts(PASSED) + shoulds(WARNED), Verdict.CONFORMANT),
    "a MUST that is not exercised": (musts(PASSED, UNTRIED), Verdict.NO_FAILURE),
    "a MUST that is not exercised, and a known failure": (
        musts(KNOWN, UNTRIED),
        Verdict.NO_FAILURE,
    ),
    "a known failure": (musts(PASSED, KNOWN), Verdict.TOLERATED),
}


@pytest.mark.parametrize("name", list(VERDICTS))
def test_a_verdict_follows_from_the_outcomes(name: str) -> None:
    rows, verdict = VERDICTS[name]
    assert judge_run(rows).verdict is verdict


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [(musts(PASSED), Verdict.INCONCLUSIVE), (musts(*Outcome), Verdict.NOT_CONFORMANT)],
    ids=["passed", "failed"],
)
def test_a_run_that_did_not_end_may_fail_but_not_pass(rows: Rows, verdict: Verdict) -> None:
    assert judge_run(rows, "interrupted").verdict is verdict


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (musts(PASSED, UNTRIED), "1 of 2 MUSTs exercised"),
        (musts(PASSED) + shoulds(WARNED), "1 SHOULD not met"),
        (musts(PASSED, KNOWN), "1 requirement failed as known, 2 of 2 MUSTs exercised"),
    ],
)
def test_the_line_of_a_verdict_counts(rows: Rows, words: str) -> None:
    assert words in str(judge_run(rows))


def test_an_interruption_is_reported_beside_a_failure() -> None:
    assert str(judge_run(musts(FAILED, PASSED), "the run was interrupted")) == (
        "not conformant: 1 requirement failed, the run was interrupted, 2 of 2 MUSTs exercised"
    )


def test_less_than_is_required_fails_the_gate_but_hides_no_failure() -> None:
    missing = "--require asks for 2 MUSTs"
    assert judge_run(musts(PASSED, UNTRIED), shortfall=missing).verdict is Verdict.TOO_LITTLE
    assert judge_run(musts(FAILED), shortfall=missing).verdict is Verdict.NOT_CONFORMANT


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


def test_an_outdated_list_fails_the_gate_but_not_the_server() -> None:
    judgement = judge_run(musts(PASSED), outdated=["X is known to fail but passes"])
    assert judgement.verdict is Verdict.OUTDATED
    assert "X is known to fail but passes" in str(judgement)


def test_every_verdict_has_an_exit_code() -> None:
    assert sorted(EXIT_CODES) == sorted(Verdict)
    passing = [verdict for verdict, code in EXIT_CODES.items() if code == 0]
    assert passing == [Verdict.CONFORMANT, Verdict.TOLERATED, Verdict.NO_FAILURE]
    assert EXIT_CODES[Verdict.INCONCLUSIVE] not in (0, EXIT_CODES[Verdict.NOT_CONFORMANT])


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([], UNTRIED),
        ([PASSED, UNTRIED], PASSED),
        ([PASSED, BLOCKED], BLOCKED),
        ([BLOCKED, INCONCLUSIVE], INCONCLUSIVE),
        ([INCONCLUSIVE, FAILED, PASSED], FAILED),
        ([WARNED, PASSED], WARNED),
    ],
)
def test_a_requirement_is_what_its_worst_check_is(
    outcomes: list[Outcome], expected: Outcome
) -> None:
    assert outcome_of([Check("GRANT-1", "test", outcome) for outcome in outcomes]) is expected

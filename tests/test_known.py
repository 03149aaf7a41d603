"""Known failures do not fail the gate; one that passes or has expired does."""

from datetime import date
from pathlib import Path

import pytest
from support import Runner, reference

from conformance.failures import UsageError
from conformance.lifecycle.bundled_target import running_server
from conformance.results.check import Check, Outcome
from conformance.results.known_status import known_statuses, tolerated
from conformance.settings.known_failures import Known, load_known, write_known

TODAY = date(2026, 11, 23)
FAULT = "merge-keeps-larger"


def check(outcome: Outcome, requirement: str = "MERGE-2", test: str = "scenarios/a.py::b") -> Check:
    return Check(requirement, test, outcome)


def known(**fields: object) -> Known:
    return Known(reason="known", **{"requirement": "MERGE-2", **fields})  # type: ignore[arg-type]


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "known.toml"
    file.write_text(text)
    return file


def test_a_file_is_read(tmp_path: Path) -> None:
    text = """
    [[known]]
    requirement = "MERGE-2"
    reason = "sums are wrong"
    expires = 2027-01-31
    issue = "https://example.org/1"
    [[known]]
    test = "scenarios/test_x.py::test_y[z]"
    reason = "later"
    """
    first, second = load_known(written(tmp_path, text))
    assert (first.name, first.expires) == ("MERGE-2", date(2027, 1, 31))
    assert second.name == "scenarios/test_x.py::test_y[z]"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[known", "known.toml"),
        ('[[known]]\nrequirement = "MERGE-2"', "reason"),
        ('[[known]]\nreason = "x"', "each entry needs either"),
        (
            '[[known]]\nreason = "x"\nrequirement = "MERGE-2"\ntest = "t"',
            "either `requirement` or `test`",
        ),
        ('[[known]]\nreason = "x"\nrequirement = "MERGE-99"', "unknown requirement 'MERGE-99'"),
        ('[[known]]\nreason = " "\nrequirement = "MERGE-2"', "MERGE-2 needs a reason"),
        ('[[known]]\nreason = "x"\nrequirement = "MERGE-2"\nexpires = "soon"', "expires"),
        ('[[known]]\nreason = "x"\nrequirement = "MERGE-2"\nuntil = 2027-01-01', "until"),
    ],
)
def test_a_mistake_in_the_file_is_one_line(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"known\.toml") as raised:
        load_known(written(tmp_path, text))
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_missing_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read the known failures"):
        load_known(tmp_path / "none.toml")


FAILED = check(Outcome.FAILED)
BY_TEST = known(requirement=None, test="scenarios/a.py::b")
TOLERATED: dict[str, tuple[Check, Known, Outcome]] = {
    "its requirement": (FAILED, known(), Outcome.KNOWN),
    "another requirement": (FAILED, known(requirement="MERGE-3"), Outcome.FAILED),
    "its test": (FAILED, BY_TEST, Outcome.KNOWN),
    "another test": (check(Outcome.FAILED, test="scenarios/a.py::c"), BY_TEST, Outcome.FAILED),
    "a pass": (check(Outcome.PASSED), known(), Outcome.PASSED),
    "the last day": (FAILED, known(expires=TODAY), Outcome.KNOWN),
    "the day after": (FAILED, known(expires=date(2026, 11, 22)), Outcome.FAILED),
}


@pytest.mark.parametrize("name", list(TOLERATED))
def test_only_the_failure_that_is_named_is_tolerated(name: str) -> None:
    made, entry, outcome = TOLERATED[name]
    assert tolerated(made, [entry], TODAY).outcome is outcome


@pytest.mark.parametrize(
    ("outcomes", "fields", "whole", "status", "problem"),
    [
        ([Outcome.KNOWN, Outcome.PASSED], {}, True, "fails as known", False),
        ([Outcome.PASSED, Outcome.PASSED], {}, True, "passes", True),
        ([Outcome.PASSED], {}, False, "not decided", False),
        ([Outcome.FAILED], {"expires": date(2026, 1, 1)}, True, "expired", True),
        ([Outcome.BLOCKED], {}, True, "not decided", False),
        ([], {}, True, "not decided", False),
    ],
)
def test_what_became_of_a_known_failure(
    outcomes: list[Outcome], fields: dict[str, object], whole: bool, status: str, problem: bool
) -> None:
    (standing,) = known_statuses([known(**fields)], map(check, outcomes), TODAY, whole=whole)
    assert standing.status == status
    assert (standing.problem is not None) == problem


def test_a_file_is_begun_from_what_failed(tmp_path: Path) -> None:
    file = tmp_path / "known.toml"
    write_known(file, [("MERGE-2", 'expected "75";\nreceived \x07 70')])
    (entry,) = load_known(file)
    assert (entry.requirement, entry.reason) == ("MERGE-2", 'expected "75";\nreceived \x07 70')


SELECTION = ("-k", "test_merges and not simultaneous")


def test_a_gate_with_known_failures(run_suite: Runner, tmp_path: Path) -> None:
    file = tmp_path / "known.toml"
    with running_server(FAULT) as url:
        bad = run_suite("--write-known-failures", str(file), *SELECTION, url=url)
        excused = run_suite("--known-failures", str(file), *SELECTION, url=url)
        outputs = {
            name: (excused.reports / "latest" / name).read_text()
            for name in ("report.html", "summary.md", "junit.xml", "badge.json")
        }
        past = file.read_text().replace("reason =", "expires = 2020-01-01\nreason =", 1)
        expired = run_suite("--known-failures", str(written(tmp_path, past)), *SELECTION, url=url)
    assert bad.code == 1
    failed = bad.with_outcome("failed")
    assert "MERGE-2" in failed
    assert (excused.code, excused.with_outcome("failed")) == (0, [])
    assert excused.with_outcome("known_failure") == failed
    assert "verdict: no failure found: beyond " in excused.output
    assert all("nown failure" in outputs[name] for name in ("report.html", "summary.md"))
    assert "known_failure" in outputs["junit.xml"]
    assert expired.code == 1
    assert "MERGE-2 was known to fail until 2020-01-01" in str(expired.document["knownFailures"])


def test_a_known_failure_that_passes_fails_the_gate_of_a_whole_run(
    run_suite: Runner, tmp_path: Path
) -> None:
    file = written(tmp_path, '[[known]]\nrequirement = "PING-1"\nreason = "was wrong"')
    bare = tmp_path / "bare.toml"  # nothing is declared: most tests are not exercised
    with reference() as url:
        bare.write_text(f'base_url = "{url}"')
        arguments = ("--known-failures", str(file), "--examples", "1")
        partly = run_suite(*arguments, "-k", "test_ping", target=bare)
        wholly = run_suite(*arguments, "-n", "2", target=bare)
    assert partly.code == 0
    assert wholly.code == 1
    assert "PING-1 is known to fail but passes" in wholly.output


def test_a_list_that_exists_is_kept(tmp_path: Path) -> None:
    file = written(tmp_path, '[[known]]\nrequirement = "MERGE-2"\nreason = "ours"\n')
    write_known(file, [("MERGE-2", "theirs"), ("MERGE-3", "new")])
    assert [(entry.name, entry.reason) for entry in load_known(file)] == [
        ("MERGE-2", "ours"),
        ("MERGE-3", "new"),
    ]

"""Results side by side: regressions first, and a regression of a MUST fails the command."""

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from test_report import document, written

from conformance.cli import main
from conformance.report.comparison import Change, change_of, compare, comparison_markdown
from conformance.results.check import Check, Outcome
from conformance.results.document import Document

CHANGES = {
    ("passed", "passed"): Change.SAME,
    ("failed", "failed"): Change.FAILING,
    ("warned", "failed"): Change.FAILING,
    ("passed", "failed"): Change.REGRESSION,
    ("passed", "warned"): Change.REGRESSION,
    ("passed", "passed", "failed"): Change.REGRESSION,
    ("passed", "failed", "passed"): Change.REGRESSION,
    ("passed", "known_failure"): Change.TOLERATED,
    ("passed", "known_failure", "failed"): Change.REGRESSION,
    ("known_failure", "failed"): Change.FAILING,
    ("passed", "blocked"): Change.LOST,
    ("passed", "not_exercised"): Change.LOST,
    ("passed", "absent"): Change.LOST,
    ("failed", "passed"): Change.FIXED,
    ("failed", "not_exercised"): Change.OTHER,
    ("not_exercised", "passed"): Change.OTHER,
    ("not_exercised", "failed"): Change.OTHER,
    ("absent", "passed"): Change.OTHER,
}


@pytest.mark.parametrize("outcomes", list(CHANGES), ids="-".join)
def test_a_change_is_named(outcomes: tuple[str, ...]) -> None:
    assert change_of(outcomes) is CHANGES[outcomes]


def results(**outcomes: Outcome) -> Document:
    """Results with these outcomes; `GRANT_2` is the requirement GRANT-2."""
    return document(
        *(Check(id.replace("_", "-"), "t", outcome, "m") for id, outcome in outcomes.items())
    )


PASSED, FAILED, WARNED = Outcome.PASSED, Outcome.FAILED, Outcome.WARNED
BEFORE = results(GRANT_2=PASSED, ACK_1=PASSED, DEL_1=FAILED, MIG_9=PASSED)
FIXED = results(GRANT_2=PASSED, ACK_1=PASSED, DEL_1=PASSED, MIG_9=WARNED)
BROKEN = results(GRANT_2=FAILED, DEL_1=FAILED, MIG_9=PASSED)


def test_the_worst_changes_come_first() -> None:
    lines = compare([BEFORE, BROKEN]).lines
    assert [(line.id, line.change) for line in lines[:3]] == [
        ("GRANT-2", Change.REGRESSION),
        ("ACK-1", Change.LOST),
        ("DEL-1", Change.FAILING),
    ]


def test_requirements_that_one_suite_did_not_know_are_reported() -> None:
    known = tuple(row for row in BEFORE.requirements if row.id != "ACK-1")
    older = msgspec.structs.replace(BEFORE, requirements=known)
    line = next(line for line in compare([older, BEFORE]).lines if line.id == "ACK-1")
    assert line.outcomes == ("absent", "passed")


@pytest.mark.parametrize(
    ("later", "code"), [([FIXED], 0), ([BROKEN], 1), ([FIXED, BROKEN], 1), ([BEFORE], 0)]
)
def test_a_regression_of_a_must_is_exit_1(later: list[Document], code: int, tmp_path: Path) -> None:
    paths = [written(tmp_path / str(n), made) for n, made in enumerate([BEFORE, *later])]

    done = CliRunner().invoke(main, ["compare", *map(str, paths)])

    assert done.exit_code == code, done.output


def test_the_forms_name_the_regression(tmp_path: Path) -> None:
    first, second = written(tmp_path / "a", BEFORE), written(tmp_path / "b", BROKEN)
    page, text = tmp_path / "compare.html", tmp_path / "compare.md"
    files = ["--html", str(page), "--md", str(text)]

    done = CliRunner().invoke(main, ["compare", str(first), str(second / "results.json"), *files])

    assert "regression" in done.output
    assert "<td>GRANT-2</td>" in page.read_text()
    assert "| regression | GRANT-2 | MUST |" in text.read_text()


def test_names_of_targets_are_text() -> None:
    target = msgspec.structs.replace(BEFORE.target, name="<b>|x")
    odd = msgspec.structs.replace(BEFORE, target=target)
    head = comparison_markdown(compare([odd, BROKEN])).splitlines()[4]
    assert "<b>" not in head
    assert r"\|x" in head


@pytest.mark.parametrize("arguments", [["one"], ["one", "two"]])
def test_too_few_or_unreadable_results_are_exit_2(arguments: list[str], tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["compare", *(str(tmp_path / name) for name in arguments)])
    assert done.exit_code == 2

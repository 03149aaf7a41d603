"""Mutants of the reference server: how they are made, sampled, tried and scored."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from support import HANG
from test_report import document

from conformance.cli import main
from conformance.failures import UsageError
from conformance.faults.mutants.campaign import chosen, try_mutants
from conformance.faults.mutants.host import UNUSABLE
from conformance.faults.mutants.journal import Fate, MutantJournal, Tried, read_mutants
from conformance.faults.mutants.mutation import REFERENCE, all_mutants, mutants_of, sample
from conformance.faults.mutants.reach import Reach, statements
from conformance.faults.mutants.readings import Kind, Reading, load_readings
from conformance.faults.mutants.score import score_of
from conformance.faults.mutants.tables import mutant_table, outcome_lines
from conformance.faults.mutants.trial import fate_of, try_mutant
from conformance.faults.processes import Processes
from conformance.results.check import Check, Outcome
from conformance.results.document import RequirementResult

ALL = all_mutants()
REACH = Reach({one.module: frozenset(range(1, 1000)) for one in ALL}, 1.0)
KILLED = Tried(
    key="a.py:1",
    module="a.py",
    line=7,
    scope="f",
    fate=Fate.KILLED,
    seconds=1.0,
    suite="abc",
    diff=["-    1", "+    2"],
    named=["GRANT-1"],
)
SURVIVED = replace(KILLED, key="a.py:2", fate=Fate.SURVIVED, named=[])


def changes(source: str) -> list[str]:
    """The lines that the mutants of a module have in place of others."""
    return [line[1:].strip() for one in mutants_of("m.py", source) for line in one.diff[1:]]


def test_a_mutant_differs_in_one_place_and_compiles() -> None:
    for one in sample(ALL, 30, seed=1):
        signs = "".join(line[0] for line in one.diff)
        assert signs.strip("-").strip("+") == "", one  # one block of lines makes way for another
        assert one.compiles
        assert one.tree.code == (REFERENCE / one.module).read_text()


def test_every_mutant_has_a_key_of_its_own() -> None:
    assert len({one.key for one in ALL}) == len(ALL)


def test_a_key_outlives_other_changes_of_the_module() -> None:
    source = "def f(a):\n    return a + 1\n"
    moved = "import os\n\n\nX = 5\n\n\n" + source
    assert {one.key for one in mutants_of("m.py", source)} < {
        one.key for one in mutants_of("m.py", moved)
    }


@pytest.mark.parametrize(
    "source",
    [
        '"""What it does."""',
        "def f(): 'What it does.'",
        "def f(a: list['int']) -> 'str': pass",
        "log.warning('odd', 1)",
        "raise",
        "T = 'more than one word'",
        "T = 'createGrant'",
        "raise invalid('$.here', 'odd')",
        "@dataclass(frozen=True)\nclass A: pass",
    ],
)
def test_what_cannot_be_the_fault_of_a_server_stays(source: str) -> None:
    assert [line for line in changes(source + "\n") if line != "T = None"] == []


def test_a_type_that_the_server_checks_is_mutated() -> None:
    source = "class A(Struct):\n    kind: Annotated[Literal['one'], Meta(le=1)] | None = x\n"
    found = changes(source)
    assert "kind: Annotated[Literal['one'], Meta(le=2)] | None = x" in found
    assert "kind: Annotated[Literal['ONE'], Meta(le=1)] | None = x" in found


def test_a_sample_is_the_same_for_the_same_seed() -> None:
    first = sample(ALL, 20, seed=3)
    assert sample(reversed(ALL), 20, seed=3) == first
    assert sample(ALL, 30, seed=3)[:20] == first
    assert sample(ALL, 20, seed=4) != first


def test_only_the_code_that_a_run_reaches_is_sampled() -> None:
    reach = Reach({"auth.py": frozenset({28})}, 1.0)
    found = chosen([], reach, size=1000, seed=1)
    assert {(one.module, one.line) for one in found} == {("auth.py", 28)}


def test_a_reached_statement_is_reached_with_all_its_lines() -> None:
    source = "def f(a):\n    if (a and\n        b):\n        return g(\n            1,\n        )\n"
    source += "    return 2\n"
    assert statements(source, [1, 2]) == {1, 2, 3}
    assert statements(source, [1, 3, 4]) == {1, 2, 3, 4, 5, 6}


FAILED = document(Check("GRANT-1", "t", Outcome.FAILED)).requirements
WARNED = document(Check("GRANT-1", "t", Outcome.WARNED)).requirements
PASSED = document(Check("GRANT-1", "t", Outcome.PASSED)).requirements
UNTESTED = document().requirements


@pytest.mark.parametrize(
    ("code", "rows", "fate"),
    [
        (1, FAILED, Fate.KILLED),
        (0, WARNED, Fate.KILLED),
        (0, PASSED, Fate.SURVIVED),
        (3, PASSED, Fate.UNDECIDED),
        (3, UNTESTED, Fate.BROKEN),
        (3, (), Fate.BROKEN),
        (UNUSABLE, FAILED, Fate.BROKEN),
    ],
)
def test_the_end_of_a_run_says_what_came_of_a_mutant(
    code: int, rows: tuple[RequirementResult, ...], fate: Fate
) -> None:
    assert fate_of(code, rows) is fate


Stub = Callable[..., tuple[int, str]]


def stubbed(monkeypatch: pytest.MonkeyPatch, run: Stub) -> None:
    """Put something else in the place of the process of a trial."""
    monkeypatch.setattr(Processes, "run", run)


def hangs(*_: Any) -> tuple[int, str]:
    raise TimeoutError("it took more than 60 s")


def test_a_mutant_that_hangs_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    stubbed(monkeypatch, hangs)
    tried = try_mutant(ALL[0], Processes(), seed=1, limit=60)
    assert (tried.fate, tried.reason) == (Fate.TIMED_OUT, "it took more than 60 s")
    assert score_of([tried], {}).killed == 1


def test_a_process_that_takes_too_long_is_killed() -> None:
    with pytest.raises(TimeoutError, match="more than 0 s"):
        Processes().run(["sleep", "600"], 0.1)


def test_a_server_that_does_not_start_is_broken() -> None:
    mutant = replace(ALL[0], tree=mutants_of("app.py", "X = 1\n")[0].tree, module="app.py")
    mutant.__dict__["text"] = "X = undefined\n"
    tried = try_mutant(mutant, Processes(), seed=1, limit=HANG)
    assert tried.fate is Fate.BROKEN
    assert tried.reason == "NameError: name 'undefined' is not defined"
    assert "0 of 0" in str(score_of([tried], {}))


def test_a_certain_mutant_is_killed() -> None:
    (mutant,) = (one for one in ALL if one.scope == "Grant.view" and "CREATEDAT" in str(one.diff))
    tried = try_mutant(mutant, Processes(), seed=1, limit=HANG)
    assert (tried.fate, tried.reason) == (Fate.KILLED, "")
    assert tried.named == ["HTTP-2"]
    assert tried.diff[1].strip("+ ") == '"CREATEDAT": stamp(self.created_at),'


READINGS = {SURVIVED.key: Reading(Kind.EQUIVALENT, "Nobody reads it.")}


def test_a_survivor_counts_until_somebody_reads_that_it_cannot_be_seen() -> None:
    tried = [KILLED, SURVIVED, replace(KILLED, key="a.py:3", fate=Fate.BROKEN)]
    unread, read = score_of(tried, {}), score_of(tried, READINGS)
    hole = score_of(tried, {SURVIVED.key: Reading(Kind.HOLE, "Seen now.")})
    assert (unread.tried, unread.killed, unread.visible) == (3, 1, 2) == (3, 1, hole.visible)
    assert (read.killed, read.visible) == (1, 1)
    assert (unread.is_good, read.is_good) == (False, True)


def test_survivors_are_shown_with_their_change_and_reading() -> None:
    lines = outcome_lines([KILLED, SURVIVED], READINGS)
    assert lines == [
        "a.py:2  a.py:7 f: survived; equivalent: Nobody reads it.",
        "    -    1",
        "    +    2",
        "1 killed, 1 survived",
        "1 of 1 that can be seen from outside are killed, 100.0%",
    ]


def test_the_page_lists_survivors_and_closed_holes() -> None:
    closed = {KILLED.key: Reading(Kind.HOLE, "A scenario compares a | b.")}
    table = mutant_table({"server": "0" * 64, "seed": 1}, [KILLED, SURVIVED], closed)
    assert (
        "| `a.py:1` | a.py, `f` | `- 1`<br>`+ 2` | hole, closed: A scenario compares a \\| b. |"
        in (table.splitlines())
    )
    assert "survived: not read yet" in table
    with pytest.raises(UsageError, match="not tried"):
        mutant_table({"server": "0" * 64, "seed": 1}, [SURVIVED], closed)


def test_a_journal_is_resumed_after_a_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, mutants = tmp_path / "journal.jsonl", sample(ALL, 3, seed=1)
    stubbed(monkeypatch, hangs)
    journal = MutantJournal(path, seed=1, resume=False)
    first = list(try_mutants(mutants[:2], REACH, journal, workers=1, seed=1))
    with path.open("a") as file:
        file.write('{"key": "half a li')

    resumed = MutantJournal(path, seed=1, resume=True)
    assert len(list(try_mutants(mutants, REACH, resumed, workers=1, seed=1))) == 3
    _, tried = read_mutants(path)
    assert len(tried) == 3
    assert [one for one in tried if one in first] == [
        one for one in tried if one.key != mutants[2].key
    ]
    with pytest.raises(UsageError, match="another seed"):
        MutantJournal(path, seed=2, resume=True)


def test_a_journal_keeps_all_of_a_mutant(tmp_path: Path) -> None:
    journal = MutantJournal(tmp_path / "journal.jsonl", seed=1, resume=False)
    of_a_module = replace(SURVIVED, scope="", reason="odd")
    for one in (KILLED, SURVIVED, of_a_module):
        journal.add(one)
    assert read_mutants(journal.path)[1] == [KILLED, of_a_module]

    journal.path.write_text(journal.path.read_text() + '{"key": "a.py:3"}\n')
    with pytest.raises(UsageError, match="not a journal of `faults mutate`"):
        read_mutants(journal.path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[", "readings"),
        ("['a.py:1']\nreading = 'odd'\nwhy = ''", "'odd'"),
        ("['a.py:1']\nreading = 'free'", "why"),
    ],
)
def test_readings_that_cannot_be_read_are_one_line(tmp_path: Path, text: str, words: str) -> None:
    file, journal = tmp_path / "readings.toml", str(tmp_path / "journal.jsonl")
    file.write_text(text)
    options = ["--readings", str(file), "--journal", journal]
    done = CliRunner().invoke(main, ["faults", "mutate", *options])
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert words in done.stderr
    assert not Path(journal).exists()


def test_no_readings_are_no_mistake(tmp_path: Path) -> None:
    assert load_readings(tmp_path / "none.toml") == {}


def test_an_unknown_mutant_is_refused() -> None:
    with pytest.raises(UsageError, match=r"there is no mutant 'no\.py:0'"):
        chosen(["no.py:0"], REACH, size=1, seed=1)
    assert chosen([ALL[5].key], REACH, size=1, seed=1) == [ALL[5]]


def test_a_missing_library_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "conformance.faults.mutants.campaign", None)
    done = CliRunner().invoke(main, ["faults", "mutate", "--journal", str(tmp_path / "j.jsonl")])
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert "pip install 'kraty-conformance[mutants]'" in done.stderr

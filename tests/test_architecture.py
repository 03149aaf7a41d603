"""Dependencies between modules point one way, and catalogue and scenarios fit together."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance import resources
from conformance.contract.requirements import catalogue, load_catalogue
from conformance.fuzzing import DECIDED_BY_SEQUENCES

PACKAGE = resources.PACKAGE
FORBIDDEN = {
    # The server is an independent reading of the contract.
    "reference": ["conformance"],
    # A report is made from results, not from a run.
    "report": [
        "conformance.plugin",
        "conformance.client.api",
        "conformance.client.channel",
        "scenarios",
    ],
    "fuzzing": ["conformance.plugin", "conformance.report"],
    ".": ["scenarios", "tests"],
}


def imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module


@pytest.mark.parametrize("folder", list(FORBIDDEN))
def test_imports_point_one_way(folder: str) -> None:
    wrong = [
        f"{file.relative_to(PACKAGE)} imports {name}"
        for file in (PACKAGE / folder).rglob("*.py")
        for name in imports(file)
        if any(name == root or name.startswith(root + ".") for root in FORBIDDEN[folder])
    ]
    assert wrong == []


CORE = [file for file in sorted(PACKAGE.glob("*.py")) if file.name != "pytest_entry.py"]


@pytest.mark.parametrize("file", CORE, ids=lambda file: file.name)
def test_modules_of_the_core_do_not_know_pytest(file: Path) -> None:
    assert "pytest" not in [name.partition(".")[0] for name in imports(file)]


def test_ids_sentences_and_levels_are_frozen() -> None:
    """Ids are permanent: `tests/requirements.json` holds every one that was ever published."""
    published = json.loads((Path(__file__).parent / "requirements.json").read_text())
    assert {id: row.level for id, row in catalogue().items()} == published


def test_an_id_that_stands_twice_is_refused(tmp_path: Path) -> None:
    row = '[[family.requirement]]\nid = "X-1"\nlevel = "MUST"\nsentence = "s"\n'
    file = tmp_path / "twice.toml"
    file.write_text(f'[[family]]\nname = "X"\nsource = "s"\n{row}{row}')
    with pytest.raises(ValueError, match="X-1 is defined twice"):
        load_catalogue(file)


def markers() -> Iterator[str]:
    for file in resources.scenarios().glob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "requirement":
                yield from (arg.value for arg in node.args if isinstance(arg, ast.Constant))  # type: ignore[misc]


def test_every_requirement_has_a_scenario_and_every_scenario_a_requirement() -> None:
    named = set(markers())
    assert sorted(set(catalogue()) - named) == []
    assert sorted(named - set(catalogue())) == []


def test_the_stateful_test_names_what_it_can_accuse_of_and_no_more() -> None:
    text = (PACKAGE / "fuzzing" / "state_machine.py").read_text(encoding="utf-8")
    accused = set(re.findall(r'"([A-Z]+-[0-9]+)"', text[text.index("class Machine") :]))
    assert accused == set(DECIDED_BY_SEQUENCES)


def scenarios(source: str) -> Iterator[ast.FunctionDef]:
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node


def test_every_scenario_names_a_requirement() -> None:
    bare = [
        f"{file.name}::{scenario.name}"
        for file in resources.scenarios().glob("test_*.py")
        for scenario in scenarios(file.read_text(encoding="utf-8"))
        if not any("requirement" in ast.unparse(mark) for mark in scenario.decorator_list)
    ]
    assert bare == []


BRANCHES = (ast.If, ast.IfExp, ast.Match, ast.Try, ast.TryStar, ast.While)
"""Loops over rounds and comprehensions with a filter are none."""


def branches(source: str) -> list[str]:
    return [
        f"{scenario.name}: {ast.unparse(node)}"
        for scenario in scenarios(source)
        for node in ast.walk(scenario)
        if isinstance(node, BRANCHES)
    ]


@pytest.mark.parametrize("file", sorted(resources.scenarios().glob("test_*.py")), ids=str)
def test_no_scenario_branches(file: Path) -> None:
    assert branches(file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("if a:\n  b()", 1),
        ("for _ in a:\n  b = c if d else e", 1),
        ("while a:\n  b()", 1),
        ("try:\n  a()\nexcept B:\n  c()", 1),
        ("with a:\n  match b:\n    case 1: c()", 1),
        ("def f():\n  if a: b()", 1),
        ("for a in [b for b in c if b]:\n  d(a)", 0),
    ],
)
def test_a_branch_is_found(body: str, found: int) -> None:
    indented = "".join(f"  {line}\n" for line in body.splitlines())
    assert len(branches(f"def test_x():\n{indented}")) == found
    assert branches(f"def helper():\n{indented}") == []

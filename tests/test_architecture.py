"""Catalogue and scenarios fit together, and no scenario branches."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance import resources
from conformance.contract.requirements import catalogue, load_catalogue
from conformance.fuzzing import DECIDED_BY_SEQUENCES


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


SCENARIOS = sorted(resources.scenarios().glob("test_*.py"))


def scenarios(source: str) -> Iterator[ast.FunctionDef]:
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node


def test_every_requirement_has_a_scenario_and_every_scenario_a_requirement() -> None:
    texts = {file.name: file.read_text(encoding="utf-8") for file in SCENARIOS}
    named = {
        argument.value
        for text in texts.values()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "requirement"
        for argument in node.args
        if isinstance(argument, ast.Constant)
    }
    bare = [
        f"{name}::{scenario.name}"
        for name, text in texts.items()
        for scenario in scenarios(text)
        if not any("requirement" in ast.unparse(mark) for mark in scenario.decorator_list)
    ]
    assert named == set(catalogue())
    assert bare == []


def test_sequences_name_what_it_can_accuse_of_and_no_more() -> None:
    names = ("oracle.py", "blame.py", "views.py", "state_machine.py")
    modules = [resources.PACKAGE / "fuzzing" / name for name in names]
    text = "".join(module.read_text(encoding="utf-8") for module in modules)
    accused = set(re.findall(r'"([A-Z]+-[0-9]+)"', text))
    assert accused == set(DECIDED_BY_SEQUENCES)


BRANCHES = (ast.If, ast.IfExp, ast.Match, ast.Try, ast.TryStar, ast.While)
"""Loops over rounds and comprehensions with a filter are none."""


def branches(source: str) -> list[str]:
    return [
        f"{scenario.name}: {ast.unparse(node)}"
        for scenario in scenarios(source)
        for node in ast.walk(scenario)
        if isinstance(node, BRANCHES)
    ]


@pytest.mark.parametrize("file", SCENARIOS, ids=lambda file: file.name)
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

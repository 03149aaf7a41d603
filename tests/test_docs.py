"""Generated pages are current, and the commands and links of all pages work."""

import json
import re
import shutil
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner
from support import ROOT

from conformance.cli import main
from conformance.cli.docs import pages
from conformance.contract.requirements import catalogue
from conformance.faults.campaign import read_journal
from conformance.faults.registry import faults
from conformance.fuzzing.confusable import ENDINGS, LENGTHS
from conformance.fuzzing.operation_pairs import CHANGING, ONCE, OPERATIONS, PAIRS, READING
from conformance.fuzzing.player_pasts import EVENTS
from conformance.settings.options import OPTIONS


@pytest.mark.parametrize("page", list(pages(ROOT / "docs").items()), ids=lambda page: page[0].name)
def test_a_generated_page_is_current(page: tuple[Path, str]) -> None:
    file, made = page
    assert file.read_text() == made


def test_a_page_that_is_out_of_date_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    shutil.copytree(ROOT / "docs", folder)
    (folder / "faults.md").write_text("old")
    done = CliRunner().invoke(main, ["docs", "--check", "--folder", str(folder)])
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert "faults.md" in done.stderr

    done = CliRunner().invoke(main, ["docs", "--folder", str(folder)])
    assert (done.exit_code, done.stdout) == (0, f"{folder / 'faults.md'}\n")
    assert (folder / "faults.md").read_text() == (ROOT / "docs" / "faults.md").read_text()


def test_the_journal_has_nearly_every_fault_and_no_other() -> None:
    """A new fault may wait for the next full campaign."""
    _, detections = read_journal(ROOT / "docs" / "power.jsonl")
    tried = {detection.id for detection in detections}
    assert tried <= set(faults())
    assert len(tried) >= 0.95 * len(faults())


def test_the_requirements_are_listed_for_programs() -> None:
    rows = json.loads(CliRunner().invoke(main, ["requirements", "--json"]).output)
    assert [row["id"] for row in rows] == list(catalogue())


def test_the_requirements_are_listed_for_people() -> None:
    lines = CliRunner().invoke(main, ["requirements"]).output.splitlines()
    assert len(lines) == len(catalogue())
    assert "GRANT-2          MUST" in "\n".join(lines)


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*"))]
SHELL = re.compile(r"(?:kraty-conformance|pytest) [^\n`#|]*")
OF_PYTEST = {"--collect-only", "--dist", "--flaky-runs", "--log-cli-level"}
"""Options of pytest, of its plugins and of the suite's own tests."""
OWN = {option.flag for option in OPTIONS}


def flags_in(page: Path) -> set[str]:
    """The options of `kraty-conformance` that a page's commands use."""
    text = page.read_text(encoding="utf-8")
    return {
        flag for command in SHELL.findall(text) for flag in re.findall(r"(?<=\s)--[a-z-]+", command)
    }


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page.suffix in (".md", ".yml", ".sh") and "faults" not in page.name],
    ids=lambda page: page.name,
)
def test_the_commands_of_a_page_have_options_that_exist(page: Path) -> None:
    known = OWN | {option for parameter in all_parameters(main) for option in parameter.opts}
    assert flags_in(page) - known - OF_PYTEST == set()


def all_parameters(command: click.Command) -> list[click.Parameter]:
    """The parameters of a command and of the commands below it."""
    if not isinstance(command, click.Group):
        return command.params
    context = click.Context(command)
    below = (command.get_command(context, name) for name in command.list_commands(context))
    return [*command.params, *(p for each in below if each for p in all_parameters(each))]


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.suffix == ".md"], ids=lambda p: p.name
)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    missing = [
        target for target in targets if "://" not in target and not (page.parent / target).exists()
    ]
    assert missing == []


@pytest.mark.parametrize("name", ["github-actions.yml", "gitlab-ci.yml"])
def test_recipes_are_yaml_and_gate_on_the_whole_suite(name: str) -> None:
    text = (ROOT / "docs" / "recipes" / name).read_text(encoding="utf-8")
    assert yaml.safe_load(text)
    (run,) = re.findall(r"kraty-conformance run.*", text)
    assert " -k " not in run
    assert "--requirement" not in run


def test_the_page_of_the_exploration_shows_what_there_is() -> None:
    text = (ROOT / "docs" / "exploration.md").read_text()
    first, *lines = text[text.index("| at once with |") :].splitlines()
    columns = first.strip(" |").split(" | ")[1:]
    met = {
        (name, column)
        for name, *cells in (line.strip(" |").split(" | ") for line in lines[1:])
        for column, cell in zip(columns, cells, strict=True)
        if cell == "●"
    }
    pairs = {pair for one, other in PAIRS for pair in ((one, other), (other, one))}
    alone = {(name, name) for name in OPERATIONS if name not in (*READING, *ONCE)}
    assert met == pairs | alone | {(name, "erasure") for name in CHANGING}
    assert f"{len(ENDINGS)} pairs of texts" in text
    assert f"{len(LENGTHS)} lengths" in text
    assert len(EVENTS) == 12, "the page says twelve"

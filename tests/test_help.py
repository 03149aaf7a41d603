"""`--help` is complete and plain, and a shell completes what it lists."""

import re

import pytest
from click.testing import CliRunner
from support import command, keys

from conformance.cli import COMMANDS, SECTIONS, main
from conformance.settings.options import OPTIONS


def help_of(*words: str) -> str:
    done = CliRunner().invoke(main, [*words, "--help"], prog_name="kraty-conformance")
    assert done.exit_code == 0, done.output
    return done.output


PAGES = [(), *((name,) for name in COMMANDS), ("faults", "run")]


@pytest.mark.parametrize("words", PAGES, ids=" ".join)
def test_help_shows_no_markup(words: tuple[str, ...]) -> None:
    text = help_of(*words)
    assert "\\b" not in text
    assert "\b" not in text
    assert max(len(line) for line in text.splitlines()) <= 100


@pytest.mark.parametrize("words", [("run",), ("compare",), ("clean",), ("faults", "run")])
def test_help_ends_with_examples_and_exit_codes(words: tuple[str, ...]) -> None:
    text = help_of(*words)
    assert "Examples:\n  kraty-conformance " in text
    assert re.search(r"Exit codes:\n  0  ", text)


def test_help_of_run_lists_every_option_under_a_heading_with_its_default() -> None:
    text = help_of("run")
    assert [option.flag for option in OPTIONS if f"  {option.flag}" not in text] == []
    assert {option.group for option in OPTIONS} == {
        "Server",
        "Tests",
        "Gate",
        "Reports and clean-up",
    }
    flat = " ".join(text.split())
    assert "[default: reports]" in flat
    assert "[default: standard]" in flat


def test_every_command_is_under_a_heading() -> None:
    assert sorted(name for names in SECTIONS.values() for name in names) == sorted(COMMANDS)


def test_an_option_of_pytest_is_no_wish_for_help() -> None:
    done = command("run", "--base-url", "nonsense", "-khistory")
    assert "Usage:" not in done.stdout
    assert done.returncode == 2


@pytest.mark.parametrize(
    ("words", "completed"),
    [("kraty-conformance comp", "compare"), ("kraty-conformance run --base", "--base-url")],
)
def test_a_shell_completes(words: str, completed: str) -> None:
    asked = {
        "_KRATY_CONFORMANCE_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    done = command(env={**keys(), **asked})
    assert f"plain,{completed}" in done.stdout

"""Generated documents are what their generator writes now."""

import json

from click.testing import CliRunner
from support import ROOT

from conformance.catalogue import catalogue
from conformance.cli import main


def test_the_table_of_requirements_is_current() -> None:
    made = CliRunner().invoke(main, ["requirements", "--markdown"]).output
    assert (ROOT / "docs" / "requirements.md").read_text() == made


def test_the_table_of_free_points_is_current() -> None:
    made = CliRunner().invoke(main, ["variants", "--markdown"]).output
    assert (ROOT / "docs" / "free-points.md").read_text() == made


def test_the_table_of_faults_is_current() -> None:
    made = CliRunner().invoke(main, ["faults", "--markdown"]).output
    assert (ROOT / "docs" / "faults.md").read_text() == made


def test_the_requirements_are_listed_for_programs() -> None:
    rows = json.loads(CliRunner().invoke(main, ["requirements", "--json"]).output)
    assert [row["id"] for row in rows] == list(catalogue())


def test_the_requirements_are_listed_for_people() -> None:
    lines = CliRunner().invoke(main, ["requirements"]).output.splitlines()
    assert len(lines) == len(catalogue())
    assert "GRANT-2          MUST" in "\n".join(lines)

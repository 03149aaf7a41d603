"""Fixtures of the suite's own tests."""

from pathlib import Path

import pytest
from support import Ended, Runner
from support import run_suite as run_in


@pytest.fixture
def run_suite(tmp_path: Path) -> Runner:
    """Runs the suite in a folder of this test."""

    def run(*arguments: str, url: str | None = None, target: Path | None = None) -> Ended:
        return run_in(tmp_path, *arguments, url=url, target=target)

    return run


def pytest_addoption(parser: pytest.Parser) -> None:
    """How often the suite is run behind a flaky proxy."""
    parser.addoption("--flaky-runs", type=int, default=1, help="seeds of tests/test_flaky.py")

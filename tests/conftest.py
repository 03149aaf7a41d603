"""Fixtures of the suite's own tests."""

import signal
import threading
from functools import partial
from pathlib import Path

import pytest
from support import Runner
from support import run_suite as run_in


@pytest.fixture
def run_suite(tmp_path: Path) -> Runner:
    """Runs the suite in a folder of this test."""
    return partial(run_in, tmp_path)


def pytest_configure() -> None:
    """Heed Ctrl-C, also in the background, where a shell has it ignored: runs inherit that."""
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if ignored and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """How often the suite is run behind a flaky proxy."""
    parser.addoption("--flaky-runs", type=int, default=1, help="seeds of tests/test_flaky.py")

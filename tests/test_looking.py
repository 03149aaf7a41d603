"""Nothing happens by looking: what only lists tests contacts no server and leaves nothing."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import COMMAND, HANG, ROOT, target_file

from conformance.cli import run
from conformance.cli.run import boot_if_wanted

LOOKS = ("--collect-only", "--co", "--fixtures", "--setup-plan")


@pytest.fixture
def untouched() -> Iterator[str]:
    """The URL of a server that nobody may connect to."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(BlockingIOError):
            listening.accept()


def look(folder: Path, command: list[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """List tests as an IDE does, which knows no keys."""
    without_keys = {name: value for name, value in os.environ.items() if "KRATY" not in name}
    return subprocess.run(
        [*command, "-q", "--reports", str(folder / "reports"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG,
        cwd=ROOT,
        env=without_keys,
    )


@pytest.mark.parametrize("chosen", ["the bundled server", "--base-url", "--target"])
@pytest.mark.parametrize("command", [[sys.executable, "-m", "pytest"], [*COMMAND, "run"]])
def test_collecting_touches_nothing(
    command: list[str], chosen: str, untouched: str, tmp_path: Path
) -> None:
    where = {
        "--base-url": ["--base-url", untouched],
        "--target": ["--target", target_file(tmp_path, untouched)],
    }
    done = look(tmp_path, command, "--collect-only", *where.get(chosen, []))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test_ping.py::" in done.stdout
    assert "test_fuzzing.py::test_generated_requests_keep_the_contract[ping]" in done.stdout
    assert not (tmp_path / "reports").exists()


def test_collecting_lists_what_a_run_would_run(tmp_path: Path) -> None:
    done = look(tmp_path, [*COMMAND, "run"], "--collect-only", "--requirement", "GRANT-4")
    listed = [line for line in done.stdout.splitlines() if "::" in line]
    assert 0 < len(listed) < 10
    assert not [line for line in listed if "test_ping" in line]


def test_collecting_names_a_wrong_option(tmp_path: Path) -> None:
    done = look(tmp_path, [*COMMAND, "run"], "--collect-only", "--requirement", "GRANT-99")
    assert done.returncode == 2
    assert "'GRANT-99' is no requirement" in done.stderr


@pytest.mark.parametrize("option", LOOKS)
def test_no_server_boots_for_a_look(option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "boot_early", lambda fault: pytest.fail(f"booted with {fault}"))
    boot_if_wanted([option])
    monkeypatch.setenv("PYTEST_ADDOPTS", option)
    boot_if_wanted([])

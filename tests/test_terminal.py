"""What a terminal shows while the suite runs."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT, keys

COMMAND = [sys.executable, "-m", "conformance", "run", "-k", "test_ping"]


def on_a_terminal(folder: Path, *arguments: str) -> str:
    """What a run writes to a terminal of 100 columns."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "--reports", str(folder), *arguments],
        stdout=theirs,
        stderr=theirs,
        env={**keys(), "COLUMNS": "100", "TERM": "xterm"},
        cwd=ROOT,
    )
    os.close(theirs)
    written = b""
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not chunk:
            break
        written += chunk
    process.wait()
    os.close(ours)
    return written.decode("utf-8", "replace")


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["serial", "parallel"])
def test_a_terminal_shows_family_counts_and_how_far(workers: list[str], tmp_path: Path) -> None:
    text = on_a_terminal(tmp_path, *workers)
    assert "PING" in text
    assert "passed" in text
    assert "2/2" in text
    assert "verdict: " in text

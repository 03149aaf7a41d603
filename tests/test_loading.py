"""A scenario module that cannot be loaded leaves its tests out: the run may not pass for it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SPOIL = """
def pytest_pycollect_makeitem(collector):
    if collector.path.name == "test_acks.py":
        raise ImportError("spoilt")
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_module_that_cannot_be_loaded_makes_the_run_inconclusive(
    workers: str, tmp_path: Path
) -> None:
    (tmp_path / "spoil.py").write_text(SPOIL)
    command = [sys.executable, "-m", "conformance", "run", "-p", "spoil", "-n", workers, "-q"]
    command += ["--reports", str(tmp_path / "reports"), "--requirement", "PING-1,ACK-1"]
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])

    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False
    )

    assert done.returncode == 3, done.stdout + done.stderr
    assert "verdict: inconclusive" in done.stdout
    assert "test_acks.py could not be loaded" in done.stdout

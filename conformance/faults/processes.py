"""The processes of a campaign: how the suite is started, and how all of them end."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path


def suite_command(seed: int, reports: Path, *more: str) -> list[str]:
    """A run of the suite in one process, which leaves its results in `reports`."""
    command = [sys.executable, "-m", "conformance", "run", "--seed", str(seed)]
    return [*command, "--reports", str(reports), "--keep", "-q", "-n", "0", *more]


class Processes:
    """Commands that run in parallel, each with its children in its own process group."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._killed = False

    def run(self, command: Sequence[str], limit: float | None = None) -> tuple[int, str]:
        """Run a command to its end; return its exit code and output.

        TimeoutError if it takes longer than `limit` seconds; it is killed then.
        """
        with self._lock:
            if self._killed:
                raise RuntimeError("the campaign is over")
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            )
            self._running.add(process)
        try:
            output, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"it took more than {limit:.0f} s") from None
        finally:
            self._running.discard(process)
            if process.returncode is None:  # it took too long, or the user has pressed Ctrl-C
                _kill(process)
                process.communicate()
        return process.returncode, output

    def kill(self) -> None:
        """Kill all running commands and start no more."""
        with self._lock:
            self._killed = True
            for process in list(self._running):
                _kill(process)


def _kill(process: subprocess.Popen[str]) -> None:
    if sys.platform == "win32":  # a Ctrl-C reaches the children there
        process.kill()
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)

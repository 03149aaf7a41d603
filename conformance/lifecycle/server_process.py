"""The bundled reference server in a process of its own, from its start to its end.

This module loads nothing of the suite, so that a server may boot while the rest is loaded.
"""

import subprocess
import sys

from conformance import resources
from conformance.failures import Unreachable, UsageError

NO_SUCH_FAULT = 2
"""Exit code of `python -m conformance.faults`, which says nothing then: its parent does."""
WINDOW_SECONDS = 1
"""The rate window of a server that the suite starts: RATE-3 waits for one to pass."""


class Boot:
    """A server on its way up: the reference server, or a faulty one. It dies with this process."""

    def __init__(self, fault: str | None = None) -> None:
        self.fault = fault
        module = ["conformance.faults", "--fault", fault] if fault else ["conformance.reference"]
        command = [sys.executable, "-m", *module, "--world", str(resources.world_file())]
        command += ["--window", str(WINDOW_SECONDS)]
        # A session of its own: a Ctrl-C is for the suite, which stops the server when it is done.
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def base_url(self) -> str:
        """Wait until it is up.

        UsageError for a fault that there is not; Unreachable where it does not start.
        """
        assert self._process.stdout is not None
        base_url = self._process.stdout.readline().strip()
        if not base_url and self.fault and self._process.wait() == NO_SUCH_FAULT:
            raise UsageError(f"unknown fault {self.fault!r}: `kraty-conformance faults` lists them")
        if not base_url:
            raise Unreachable("the bundled reference server did not start")
        return base_url

    def stop(self) -> None:
        """Stop it."""
        self._process.terminate()
        self._process.communicate()


_early: list[Boot] = []


def boot_early(fault: str | None = None) -> None:
    """Start a server for whoever asks for it later."""
    _early.append(Boot(fault))


def booted(fault: str | None = None) -> Boot:
    """The server that was started early, if it is the one that is wanted; else a new one."""
    for boot in _early:
        if boot.fault == fault:
            _early.remove(boot)
            return boot
    return Boot(fault)


def stop_early() -> None:
    """Stop unused servers."""
    while _early:
        _early.pop().stop()

"""While tests run: what they report, how far they are, and whether they are interrupted."""

import gc
import json
import signal
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import msgspec
import pytest

from conformance.plugin.progress import Display, RunProgress, wants_progress
from conformance.plugin.selection import announced
from conformance.plugin.session import RunSession
from conformance.plugin.summary import write_summary
from conformance.results.check import TestResult
from conformance.results.collector import Collected
from conformance.settings.profiles import effort_of

INTERRUPTED = "the run was interrupted"
MANY_OBJECTS = 10_000
"""After so many new objects Python looks for garbage; its own number is 700."""
EFFORT_OF_A_TEST = 10
"""A test takes as long as so many requests, besides those that it sends; measured nearby."""


class Collection:
    """Collects in the controller, as a pytest plugin.

    `display` is None until the tests begin, and where nobody wants to know how far they are.
    """

    def __init__(self, config: pytest.Config, session: RunSession, collected: Collected) -> None:
        self.config = config
        self.session = session
        self.collected = collected
        self.display: Display | None = None
        self._awaited: set[str] = set()
        self._count = 0
        self._signals = ExitStack()

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Note a Ctrl-C before anything else can: code that cannot raise would swallow it.

        SIGTERM, by which a CI system breaks a job off, is the same. A second one is ignored while
        the first is dealt with, but it ends the clean-up.
        """
        if threading.current_thread() is not threading.main_thread():
            return

        def note(number: int, frame: Any) -> None:
            is_second = self.collected.abort_reason == INTERRUPTED
            if is_second and not self.session.files.is_erasing:
                return
            self.collected.abort_reason = INTERRUPTED
            session.shouldstop = INTERRUPTED
            signal.default_int_handler(number, frame)

        for number in (signal.SIGINT, signal.SIGTERM):
            before = signal.getsignal(number)
            if before is not signal.SIG_IGN:  # as shells ask for in the background
                signal.signal(number, note)
                self._signals.callback(signal.signal, number, before)

    def pytest_unconfigure(self) -> None:
        """Give the signals back."""
        self._signals.close()

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A module that cannot be loaded leaves its tests out: the run cannot be complete."""
        if report.failed:
            self.collected.abort_reason = f"{report.nodeid} could not be loaded"

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """The tests are known."""
        if session.items:
            self._announce([item.nodeid for item in session.items])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """As `pytest_collection_finish`, which only workers see; every one has the same tests."""
        self._announce(ids)

    def _announce(self, ids: Sequence[str]) -> None:
        """Say what is going to happen on the server before it does; prepare to show progress."""
        if self._count:
            return
        self._awaited, self._count = set(ids), len(ids)
        session, run = self.session, self.session.run
        requests, players = announced(ids, run.examples, session.profile.histories)
        is_kept = session.command_line.option("--keep")
        fate = "left there" if is_kept else "erased at the end"
        print_line(
            self.config,
            f"about {requests} requests; about {players} players with their grants, lobbies and "
            f"holdings, all named {run.prefix}-…, "
            f"{'gone with the bundled server' if run.bundled else fate}",
        )
        if wants_progress(self.config):
            times = (run.examples, session.profile.histories)
            efforts = {id: effort_of(id, *times).requests + EFFORT_OF_A_TEST for id in ids}
            cleanup = 0.0 if run.bundled or is_kept else float(players)
            progress = RunProgress(efforts, cleanup, session.waiting.notes)
            self.display = Display(self.config, progress)

    def pytest_runtest_logstart(self) -> None:
        """A test begins, in this process or another."""
        if self.display is not None:
            self.display.begin()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect what a test reports, in this process or another."""
        self._awaited.discard(report.nodeid)
        packed = getattr(report, "conformance", None)
        if packed is not None:
            result = msgspec.convert(json.loads(packed), TestResult)
            self.collected.add(result)
            if result.given_up is not None:
                self.collected.abort_reason = result.given_up
            self.session.files.add(packed)
            if self.display is not None:
                self.display.progress.finish_test(report.nodeid, result.checks)
        elif report.failed and not hasattr(report, "conformance_status"):
            self.collected.abort_reason = f"{report.nodeid} died"

    def note_what_did_not_run(self) -> None:
        """A run that leaves tests out is not complete: a worker died, or a failure ended it."""
        if self._awaited and self.collected.abort_reason is None:
            left = len(self._awaited)
            self.collected.abort_reason = f"{left} of {self._count} tests did not run"

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """List what did not pass; with `-v` all of it."""
        whole = self.config.option.verbose > 0
        write_summary(terminalreporter, self.collected.rows(), whole=whole)


def print_line(config: pytest.Config, line: str) -> None:
    """Print a line where pytest prints."""
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        writer = config.get_terminal_writer()
        if writer.width_of_current_line:  # workers' letters, of which it knows nothing
            writer.line()
        reporter.write_line(line)


def freeze_gc() -> None:
    """Let the garbage collector look at what tests leave, not at all that was loaded.

    Modules and collected tests stay until the end: to look through them again and again took a
    tenth of a run, and half a second at its end.
    """
    gc.freeze()
    gc.set_threshold(MANY_OBJECTS)


COLLECTION = pytest.StashKey[Collection]()

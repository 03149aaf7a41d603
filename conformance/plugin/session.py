"""One run from set-up to report, in the controller and in each worker of pytest-xdist."""

import json
import signal
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from conformance import __version__, resources
from conformance.client.api import Api
from conformance.client.channel import Channel, Wire
from conformance.client.created_players import PATTERN, Players, created_in
from conformance.client.network_health import SAMPLE, failed_in_transit
from conformance.client.rate_limit import Pacer
from conformance.client.recorder import Recorder
from conformance.contract.openapi import Spec, load_newer_spec, load_spec
from conformance.contract.openapi_diff import revisions
from conformance.failures import UsageError
from conformance.http.redaction import Redactor
from conformance.lifecycle.bundled_target import running_server
from conformance.lifecycle.cleanup import erase
from conformance.lifecycle.live_keys import check_live
from conformance.lifecycle.preflight import environments, identify, misconfigured
from conformance.plugin.command_line import CommandLine
from conformance.plugin.garbage import spare_the_loaded
from conformance.plugin.progress import RunProgress, wants_progress
from conformance.plugin.run_files import RunFiles
from conformance.plugin.selection import (
    announced,
    harmless,
    longest_first,
    of_profile,
    of_requirements,
)
from conformance.plugin.summary import begin_known_failures, closing_lines, exit_code, write_summary
from conformance.report import RunDirectory
from conformance.results.check import Check, redact_check
from conformance.results.collector import Collected, cleaned, head_of
from conformance.results.known_status import tolerated
from conformance.results.verdict import EXIT_USAGE
from conformance.settings.profiles import PROFILES, Profile
from conformance.settings.run import Identity, Run
from conformance.settings.target import Target

INTERRUPTED = "the run was interrupted"
TROUBLE = {
    pytest.ExitCode.INTERRUPTED: INTERRUPTED,
    pytest.ExitCode.INTERNAL_ERROR: "pytest stopped with an internal error",
}


def point_at_scenarios(config: pytest.Config) -> None:
    """Collect the scenarios where pytest was given no paths and found no configuration.

    That is so where an option's value is a path outside the checkout (see `pytest_entry`).
    """
    if config.args_source is pytest.Config.ArgsSource.INVOCATION_DIR and config.inipath is None:
        config.args = [str(resources.scenarios())]


def selects_scenarios(config: pytest.Config) -> bool:
    """Whether this pytest is about to collect scenarios, rather than the suite's own tests."""
    if config.option.help or getattr(config.option, "markers", False):
        return False
    folder = resources.scenarios().resolve()
    for argument in config.args:
        path = Path(config.invocation_params.dir, argument.partition("::")[0]).resolve()
        if path == folder or folder in path.parents or path in folder.parents:
            return True
    return False


class Conformance:
    """The run that a pytest process takes part in.

    The controller settles the run, starts the bundled server, collects what all tests report
    and writes the results. A worker receives the run and only executes scenarios.
    """

    run: Run
    spec: Spec
    redactor: Redactor
    wire: Wire
    players: Players
    files: RunFiles

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.command_line = CommandLine(config)
        self.is_controller = not hasattr(config, "workerinput")
        self.collected = Collected()
        self.started = time.time()
        self.progress: RunProgress | None = None
        self._closing = ExitStack()
        self._closing_lines: list[str] = []
        self._has_begun = False
        self._erasing = False

    @property
    def profile(self) -> Profile:
        """How much effort the run makes."""
        return PROFILES[self.run.profile]

    def set_up(self) -> None:
        """Settle target, identity and seed. UsageError or Unreachable where that fails."""
        if self.is_controller:
            self._settle()
        else:
            received = self.config.workerinput  # type: ignore[attr-defined]
            directory = Path(received["conformance_directory"])
            self._adopt(Run.unpacked(received["conformance"]), directory, received["workerid"])
        self.config.pluginmanager.register(self, "conformance-run")

    def _settle(self) -> None:
        """Make a run of what the user asked for, and see whether there is a server for it."""
        self.command_line.refuse_contradictions()
        run = self.command_line.run(self._target())
        self._load_spec(Path(run.spec))
        reports = self.command_line.path(self.command_line.option("--reports"))
        self._directory = RunDirectory.create(reports, run.id, self.started)
        self._adopt(run, self._directory.path, "main")
        self._closing.callback(self._forget)
        self._adopt_identity(identify(self.channel(), run.target.token("server")))
        if not run.bundled:
            others = environments(self.run, self.channel())
            check_live(self.run, others, self.command_line.option("--allow-live"))
        self.files.begin(self._head())
        if not run.bundled and not self.command_line.option("--trust-target"):
            self._preflight()
        self._directory.announce()

    def _target(self) -> Target:
        if not self.command_line.is_bundled:
            return self.command_line.target()
        server = self._closing.enter_context(running_server(self.command_line.option("--fault")))
        return self.command_line.bundled_target(server)

    def _preflight(self) -> None:
        """UsageError where the target file says what the server does not confirm."""
        problems = misconfigured(
            self.run, self.channel(), writes=not self.command_line.harmless_only
        )
        if problems:
            listed = "\n".join(f"configuration: {problem}" for problem in problems)
            raise UsageError(
                f"{listed}\nnothing was tested: fix the target file, or give --trust-target if it "
                "is right and the server is wrong"
            )

    def _adopt(self, run: Run, directory: Path, worker: str) -> None:
        """Take part in the run: load its spec, and open what it is tested with."""
        self.run = run
        self.spec = self._load_spec(Path(run.spec))
        self.redactor = Redactor(run.target.keys)
        throttled = [run.target.keys[role] for role in ("throttled",) if role in run.target.keys]
        self.pacer = Pacer(None if run.bundled else run.shared, run.rate, throttled)
        self.wire = Wire(run.target.base_url, self.pacer)
        journal = None if run.bundled else directory / PATTERN.replace("*", worker)
        self.players = Players(run.prefix, run.target.keys, journal)
        self.files = RunFiles(directory, worker, run.target.base_url)
        self._closing.callback(self.wire.close)
        self._closing.callback(self.players.close)

    def _adopt_identity(self, identity: Identity) -> None:
        self.run = replace(self.run, identity=identity)

    def _load_spec(self, path: Path) -> Spec:
        bundled = resources.spec_file()
        return load_spec(bundled) if path == bundled else load_newer_spec(path, bundled)

    def _forget(self) -> None:
        """Take away what the processes of the run shared."""
        self.run.lock_file("throttled").unlink(missing_ok=True)
        self.pacer.forget()

    def channel(self, recorder: Recorder | None = None) -> Channel:
        """A way to the server, with judge and recorder on it."""
        found = recorder or Recorder()
        return Channel(self.wire, self.spec, self.redactor, found, self.players)

    def api(self, channel: Channel, role: str) -> Api:
        """A client with the key of a role. NotExercised where the target declares none."""
        return Api(channel, self.run.target.token(role), self.run.identity.game_id or "")

    def header(self) -> list[str]:
        """The settings of the run, one a line."""
        run = self.run
        where = run.identity
        return [
            f"conformance: suite {__version__}, Kraty Server API {self.spec.version}",
            f"target: {run.target.name} ({run.target.base_url}), studio {where.studio_id}, "
            f"game {where.game_id}, environment {where.environment}",
            f"keys: {', '.join(run.target.keys)}",
            f"run: {run.id}, profile {run.profile}, seed {run.seed}, {run.examples} examples an "
            "operation",
        ]

    def select(self, items: list[pytest.Item]) -> list[pytest.Item]:
        """The tests that this run runs."""
        wanted = self.command_line.requirements
        chosen = items if wanted is None else of_requirements(items, wanted)
        if self.command_line.harmless_only:
            chosen = harmless(chosen)
        chosen = of_profile(chosen, self.profile)
        return chosen if self.is_controller else longest_first(chosen)

    def announce(self, ids: Sequence[str]) -> None:
        """Tell what is going to happen on the server, before it does."""
        run, erased = (
            self.run,
            "left there" if self.command_line.option("--keep") else "erased at the end",
        )
        requests, players = announced(ids, run.examples, self.profile.histories)
        fate = "gone with the bundled server" if run.bundled else erased
        self._print(
            f"about {requests} requests; about {players} players with their grants, lobbies and "
            f"holdings, all named {run.prefix}-…, {fate}"
        )

    def _print(self, line: str) -> None:
        reporter: Any = self.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            if reporter._tw.width_of_current_line:  # workers' letters, of which it knows nothing
                reporter._tw.line()
            reporter.write_line(line)

    def reported(self, check: Check) -> Check:
        """The check as it is reported: without secrets, and a known failure as one."""
        return tolerated(redact_check(check, self.redactor), self.run.known, today())

    def _head(self) -> dict[str, Any]:
        return head_of(self.run, self.spec, self.started, revisions_of(self.spec))

    def sound_out_the_path(self) -> None:
        """Send pings over a path of which little is known yet: a failure may be its doing."""
        path = self.wire.path
        if self.run.bundled:
            return
        channel = self.channel()
        api = self.api(channel, "server")
        while not path.transit_failures and path.requests < SAMPLE:
            path.transit_failures += failed_in_transit(channel.send(api.request("ping")))

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Note a Ctrl-C before anything else can: code that cannot raise would swallow it.

        SIGTERM, by which a CI system breaks a job off, is the same. A second one is ignored while
        the first is dealt with, but it ends the clean-up.
        """
        watched = threading.current_thread() is threading.main_thread()
        if not (self.is_controller and watched):
            return

        def note(number: int, frame: Any) -> None:
            if self.collected.trouble == INTERRUPTED and not self._erasing:
                return
            self.collected.trouble = INTERRUPTED
            session.shouldstop = INTERRUPTED
            signal.default_int_handler(number, frame)

        for number in (signal.SIGINT, signal.SIGTERM):
            before = signal.getsignal(number)
            if before is not signal.SIG_IGN:  # as shells ask for in the background
                signal.signal(number, note)
                self._closing.callback(signal.signal, number, before)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """The tests are known: show how far they are, if anybody looks."""
        spare_the_loaded()
        if session.items:
            self._begin([item.nodeid for item in session.items])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """As `pytest_collection_finish`, which only workers see; every one has the same tests."""
        self._begin(ids)

    def _begin(self, ids: Sequence[str]) -> None:
        if not self.is_controller or self._has_begun or self.config.option.collectonly:
            return
        self._has_begun = True
        self.announce(ids)
        if wants_progress(self.config):
            self.progress = RunProgress(self.config)
            self.progress.begin(len(ids))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect what a test reports, in this process or another."""
        found = getattr(report, "conformance", None)
        if found is not None:
            outcome = json.loads(found)
            self.collected.add(outcome)
            self.files.add(found)
            if self.progress is not None:
                self.progress.count(outcome["checks"])
                self.progress.advance()
        elif report.failed and not hasattr(report, "conformance_status"):
            self.collected.trouble = f"{report.nodeid} died"

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Tell each requirement that did not pass."""
        write_summary(terminalreporter, self.collected.checks)

    def finish(self, exit_status: int) -> int:
        """Erase the run's players, write the results and return the exit code of the verdict."""
        if self.progress is not None:
            self.progress.end()
        if exit_status == pytest.ExitCode.USAGE_ERROR:
            self.abandon()
            return EXIT_USAGE
        self.collected.cleaned = self._clean_up()
        trouble = self.collected.trouble or TROUBLE.get(pytest.ExitCode(exit_status))
        self.collected.whole = trouble is None and self.command_line.is_whole
        return self._conclude(trouble)

    def give_up(self, reason: str) -> None:
        """Leave an inconclusive result for a server with which there is no run to be had."""
        if hasattr(self, "_directory"):
            self._directory.announce()
            self._conclude(reason)

    def abandon(self) -> None:
        """Nothing was tested: only what the preflight created is to be erased."""
        if hasattr(self, "_directory"):
            if self._clean_up()["left"] == 0:
                self.files.discard()
            self._directory.discard()

    def _clean_up(self) -> dict[str, Any]:
        """Erase the players of the run, unless they are to be left or go with the server."""
        created = created_in(self.files.path)
        if self.run.bundled:
            return cleaned(0, 0, 0, "the bundled server is gone, and all players with it")
        if self.command_line.option("--keep"):
            return cleaned(len(created), 0, len(created), "as --keep says")
        if not created:
            self.files.keep_players(())
            return cleaned(0, 0, 0)
        again = f"`kraty-conformance clean {self.files.path}` erases them"
        self._print(f"erasing {len(created)} players; Ctrl-C leaves the rest, and {again}")
        self._erasing = True
        done = erase(self._erasers(), created, self.run.prefix)
        self._erasing = False
        self.files.keep_players(done.left)
        left = len(done.left)
        return cleaned(done.created, done.erased, left, again if left else None)

    def _erasers(self) -> dict[str, Api]:
        channel = self.channel()
        return {role: Api(channel, token, "") for role, token in self.run.target.keys.items()}

    def _conclude(self, trouble: str | None) -> int:
        seconds = time.time() - self.started
        results = self.collected.results(self._head(), seconds, trouble, self.run.known)
        self.files.conclude(results.document)
        begun = self.command_line.option("--write-known-failures")
        if begun is not None:
            line = begin_known_failures(self.command_line.path(begun), results.document)
            self._closing_lines.append(line)
        self._closing_lines += closing_lines(results, self.files)
        return exit_code(results, self.files)

    def close(self) -> None:
        """Stop what was started, and have the last word on the terminal."""
        self._closing.close()
        if self._closing_lines:
            print(*self._closing_lines, sep="\n", flush=True)


def today() -> date:
    """The day by which known failures expire."""
    return datetime.now(UTC).date()


def revisions_of(spec: Spec) -> list[str]:
    """What a newer description changes; nothing for the bundled one."""
    bundled = load_spec(resources.spec_file())
    return [] if spec is bundled else revisions(bundled, spec)


CONFORMANCE = pytest.StashKey[Conformance]()

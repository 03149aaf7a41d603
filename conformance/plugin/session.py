"""One run from set-up to report, in the controller and in each worker of pytest-xdist."""

import json
import os
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from conformance import __version__, resources
from conformance.bundled import bundled_target, running_server
from conformance.catalogue import catalogue
from conformance.client import Api
from conformance.collecting import Collected, head_of
from conformance.exchange import Exchange, Redactor
from conformance.explain import printable
from conformance.failures import UsageError
from conformance.path import SAMPLE, troubled
from conformance.plugin.options import option_value
from conformance.plugin.progress import RunProgress, wants_progress
from conformance.preflight import identify
from conformance.recorder import Recorder
from conformance.report import RunDirectory
from conformance.report.har import HarPart
from conformance.report.journal import Journal
from conformance.results import Check, Outcome, redact_check
from conformance.run import Identity, Run, new_id, new_seed
from conformance.spec import load_spec
from conformance.target import Target, load_target, target_of_url
from conformance.verdict import EXIT_CODES, EXIT_USAGE, Verdict
from conformance.wire import Line, Wire

MOST_LINES = 120
TROUBLE = {
    pytest.ExitCode.INTERRUPTED: "the run was interrupted",
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


def summary_of(checks: list[Check]) -> list[str]:
    """Lines for the end of the terminal, worst outcomes first."""
    lines = []
    for outcome in (Outcome.FAILED, Outcome.WARNED, Outcome.INCONCLUSIVE, Outcome.BLOCKED):
        for id, requirement in catalogue().items():
            found = [c for c in checks if c.requirement == id and c.outcome is outcome]
            if found:
                more = f" and {len(found) - 1} more" if len(found) > 1 else ""
                lines.append(f"{outcome.upper()} {id}: {requirement.sentence}")
                lines.append(f"  {found[0].test}{more}: {found[0].message}")
    return lines


class Conformance:
    """The run that a pytest process takes part in.

    The controller settles the run, starts the bundled server, collects what all tests report
    and writes the results. A worker is told the run and only executes scenarios.
    """

    run: Run
    redactor: Redactor
    wire: Wire

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.is_controller = not hasattr(config, "workerinput")
        self.spec = load_spec(resources.spec_file())
        self.collected = Collected()
        self.started = time.time()
        self._directory: RunDirectory | None = None
        self._journal: Journal | None = None
        self._unwritten: str | None = None
        self.progress: RunProgress | None = None
        self._closing = ExitStack()
        self._last_words: list[str] = []

    def set_up(self) -> None:
        """Settle target, identity and seed. UsageError or Unreachable where that fails."""
        if self.is_controller:
            self._settle()
        else:
            packed = self.config.workerinput["conformance"]  # type: ignore[attr-defined]
            self._adopt(Run.unpacked(packed))
        self.wire = Wire(self.run.target.base_url)
        self._closing.callback(self.wire.close)
        self.config.pluginmanager.register(self, "conformance-run")

    def _settle(self) -> None:
        reports = Path(self.config.invocation_params.dir, option_value(self.config, "--reports"))
        seed = option_value(self.config, "--seed")
        if option_value(self.config, "--examples") < 1:
            raise UsageError("--examples must be at least 1")
        if option_value(self.config, "--fault") and not self._is_bundled():
            raise UsageError("--fault is for the bundled server: leave --base-url and --target out")
        unknown = sorted((self.wanted() or set()) - set(catalogue()))
        if unknown:
            known = "`kraty-conformance requirements` lists them"
            raise UsageError(f"--requirement {unknown[0]!r} is no requirement: {known}")
        run = Run(
            id=new_id(),
            seed=new_seed() if seed is None else seed,
            examples=option_value(self.config, "--examples"),
            shrink=option_value(self.config, "--shrink"),
            bundled=self._is_bundled(),
            target=self._target(),
            identity=Identity(),
        )
        self._adopt(run)
        self._closing.callback(run.lock_file("throttled").unlink, missing_ok=True)
        self._directory = RunDirectory.create(reports, run.id, self.started)
        self._adopt(replace(run, identity=identify(run.target, self.spec)))
        self._keep(lambda: self._begin_journal(self._head()))

    def wanted(self) -> set[str] | None:
        """The requirements that `--requirement` selects, or None for all."""
        told = option_value(self.config, "--requirement")
        return None if told is None else {id.strip() for id in told.split(",")}

    def _is_bundled(self) -> bool:
        return not any(option_value(self.config, flag) for flag in ("--base-url", "--target"))

    def _target(self) -> Target:
        base_url, file = (option_value(self.config, flag) for flag in ("--base-url", "--target"))
        if file:
            path = Path(self.config.invocation_params.dir, file)
            return load_target(path, os.environ, base_url)
        if base_url:
            return target_of_url(base_url, os.environ)
        fault = option_value(self.config, "--fault")
        server = self._closing.enter_context(running_server(fault))
        target = bundled_target(server)
        return replace(target, name=f"{target.name} with {fault}") if fault else target

    def _adopt(self, run: Run) -> None:
        self.run = run
        self.redactor = Redactor(run.target.keys)

    def header(self) -> list[str]:
        """The settings of the run, one a line."""
        run = self.run
        where = run.identity
        return [
            f"conformance: suite {__version__}, Kraty Server API {self.spec.version}",
            f"target: {run.target.name} ({run.target.base_url}), game {where.game_id}, "
            f"environment {where.environment}",
            f"keys: {', '.join(run.target.keys)}",
            f"run: {run.id}, seed {run.seed}, {run.examples} examples an operation",
        ]

    def redacted(self, check: Check) -> Check:
        """The check without secrets; its exchanges were redacted when they were recorded."""
        return redact_check(check, self.redactor)

    def _head(self) -> dict[str, Any]:
        return head_of(self.run, self.spec, self.started)

    def _begin_journal(self, head: dict[str, Any]) -> None:
        assert self._directory is not None
        self._journal = Journal(self._directory.path, head)

    def _keep(self, write: Callable[[], None]) -> None:
        """Write to the run's directory; the first failure is told at the end, and ends writing."""
        if self._unwritten is None:
            try:
                write()
            except OSError as error:
                self._unwritten = error.strerror or str(error)

    def keep_exchanges(self, test: str, exchanges: Iterable[Exchange]) -> None:
        """Keep the redacted exchanges of a test whole, for `exchanges.har`."""
        self._keep(lambda: self._har().add(test, exchanges))

    def _har(self) -> HarPart:
        worker = getattr(self.config, "workerinput", {}).get("workerid", "main")
        return HarPart(self.directory, worker, self.run.target.base_url)

    @property
    def directory(self) -> Path:
        """The directory of the run."""
        if self._directory is not None:
            return self._directory.path
        return Path(self.config.workerinput["conformance_directory"])  # type: ignore[attr-defined]

    def sound_out_the_path(self) -> None:
        """Send pings over a path of which little is known yet: a failure may be its doing."""
        path = self.wire.path
        if self.run.bundled:
            return
        line = Line(self.wire, self.spec, self.redactor, Recorder())
        api = Api(line, self.run.target.token("server"), "")
        while not path.troubles and path.requests < SAMPLE:
            path.troubles += troubled(line.send(api.request("ping")))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """The tests are known: show how far they are, if anybody looks."""
        if session.items:
            self._show_progress(len(session.items))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """As `pytest_collection_finish`, which only workers see; every one has the same tests."""
        self._show_progress(len(ids))

    def _show_progress(self, tests: int) -> None:
        if self.is_controller and self.progress is None and wants_progress(self.config):
            self.progress = RunProgress(self.config)
            self.progress.begin(tests)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect what a test reports, in this process or another."""
        found = getattr(report, "conformance", None)
        if found is not None:
            told = json.loads(found)
            self.collected.add(told)
            if self._journal is not None:
                self._keep(partial(self._journal.add, told))
            if self.progress is not None:
                self.progress.count(told["checks"])
        elif report.failed:
            self.collected.trouble = f"{report.nodeid} died"
        if self.progress is not None and report.when == "teardown":
            self.progress.advance()

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """One entry for each requirement that did not pass: its outcome, its first test, why."""
        entries = summary_of(self.collected.checks)
        if entries:
            terminalreporter.section("requirements that did not pass")
        for line in entries[:MOST_LINES]:
            terminalreporter.line(printable(line, 300))
        if len(entries) > MOST_LINES:
            terminalreporter.line("and more, all in the report")

    def finish(self, exit_status: int) -> int:
        """Write the results and return the exit code of the verdict."""
        if self.progress is not None:
            self.progress.end()
        if exit_status == pytest.ExitCode.USAGE_ERROR:
            return EXIT_USAGE
        trouble = TROUBLE.get(pytest.ExitCode(exit_status)) or self.collected.trouble
        return self._conclude(trouble)

    def give_up(self, reason: str) -> None:
        """Leave an inconclusive result for a server with which there is no run to be had."""
        if self._directory is not None:
            self._conclude(reason)

    def _conclude(self, trouble: str | None) -> int:
        assert self._directory is not None
        seconds = time.time() - self.started
        results = self.collected.results(self._head(), seconds, trouble)
        judgement, directory = results.judgement, self._directory
        self._keep(lambda: directory.write(results.document))
        if self._unwritten is not None:
            where = f"{directory.path}: {self._unwritten}"
            self._last_words = [
                f"verdict: {judgement}",
                *self._failed(results.document["verdict"]["failed"]),
                f"cannot write the results to {where}",
            ]
            code = EXIT_CODES[judgement.verdict]
            return code or EXIT_CODES[Verdict.INCONCLUSIVE]
        if self._journal is not None:
            self._journal.remove()
        self._last_words = [
            *(f"notice: {printable(notice)}" for notice in results.document["notices"]),
            f"verdict: {judgement}",
            *self._failed(results.document["verdict"]["failed"]),
            f"report: {self._directory.path / 'report.html'}",
        ]
        return EXIT_CODES[judgement.verdict]

    @staticmethod
    def _failed(ids: list[str]) -> list[str]:
        """The failed requirements in a line, so that the end of a log names them."""
        return [f"failed: {', '.join(ids)}"] if ids else []

    def close(self) -> None:
        """Stop what was started, and have the last word on the terminal."""
        self._closing.close()
        if self._last_words:
            print(*self._last_words, sep="\n", flush=True)


CONFORMANCE = pytest.StashKey[Conformance]()

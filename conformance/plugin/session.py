"""One run from set-up to report, in the controller and in each worker of pytest-xdist."""

import gc
import json
import os
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
from conformance.bundled import bundled_target, running_server
from conformance.catalogue import catalogue
from conformance.cleanup import erase
from conformance.client import Api
from conformance.collecting import Collected, cleaned, head_of
from conformance.exchange import Redactor
from conformance.explain import printable
from conformance.failures import UsageError
from conformance.guard import check_live, harmless_only
from conformance.known import load_known, tolerated, write_known
from conformance.pacing import Pacer
from conformance.path import SAMPLE, troubled
from conformance.players import PATTERN, Players, created_in
from conformance.plugin.keeping import Keeping
from conformance.plugin.options import option_value
from conformance.plugin.progress import RunProgress, wants_progress
from conformance.plugin.selection import (
    announced,
    harmless,
    longest_first,
    of_profile,
    of_requirements,
)
from conformance.preflight import environments, identify, misconfigured
from conformance.profiles import PROFILES, Profile
from conformance.recorder import Recorder
from conformance.report import RunDirectory
from conformance.results import Check, Outcome, redact_check
from conformance.revision import revisions
from conformance.run import Identity, Run, new_id, new_seed
from conformance.spec import Spec, load_newer_spec, load_spec
from conformance.target import Target, load_target, target_of_url
from conformance.verdict import EXIT_CODES, EXIT_USAGE, Verdict
from conformance.wire import Line, Wire

MOST_LINES = 120
GARBAGE = 10_000
"""Objects after which Python looks for garbage; its own number is 700."""
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


def summary_of(checks: list[Check]) -> list[str]:
    """Lines for the end of the terminal, worst outcomes first."""
    lines = []
    for outcome in (
        Outcome.FAILED,
        Outcome.KNOWN,
        Outcome.WARNED,
        Outcome.INCONCLUSIVE,
        Outcome.BLOCKED,
    ):
        for id, requirement in catalogue().items():
            found = [c for c in checks if c.requirement == id and c.outcome is outcome]
            if found:
                more = f" and {len(found) - 1} more" if len(found) > 1 else ""
                lines.append(f"{outcome.upper()} {id}: {requirement.sentence}")
                clearest = min(found, key=lambda check: len(check.exchanges))
                lines.append(f"  {clearest.test}{more}: {clearest.message}")
    return lines


class Conformance:
    """The run that a pytest process takes part in.

    The controller settles the run, starts the bundled server, collects what all tests report
    and writes the results. A worker is told the run and only executes scenarios.
    """

    run: Run
    spec: Spec
    redactor: Redactor
    wire: Wire
    players: Players
    keeping: Keeping

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.is_controller = not hasattr(config, "workerinput")
        self.collected = Collected()
        self.started = time.time()
        self.progress: RunProgress | None = None
        self._closing = ExitStack()
        self._last_words: list[str] = []
        self._has_begun = False
        self._erasing = False

    def option(self, flag: str) -> Any:
        """The value of one of the suite's options."""
        return option_value(self.config, flag)

    @property
    def profile(self) -> Profile:
        """How much effort the run makes."""
        return PROFILES[self.run.profile]

    def set_up(self) -> None:
        """Settle target, identity and seed. UsageError or Unreachable where that fails."""
        if self.is_controller:
            self._settle()
        else:
            told = self.config.workerinput  # type: ignore[attr-defined]
            directory = Path(told["conformance_directory"])
            self._adopt(Run.unpacked(told["conformance"]), directory, told["workerid"])
        self.config.pluginmanager.register(self, "conformance-run")

    def _settle(self) -> None:
        """Make a run of what the user asked for, and see whether there is a server for it."""
        self._refuse_contradictions()
        bundled = self._is_bundled()
        profile = PROFILES[self.option("--profile")]
        seed, examples = self.option("--seed"), self.option("--examples")
        known = self.option("--known-failures")
        run = Run(
            id=new_id(),
            profile=profile.name,
            seed=new_seed() if seed is None else seed,
            examples=profile.examples if examples is None else examples,
            shrink=self.option("--shrink"),
            rate=rate_of(self.option("--rate")),
            spec=str(self._path(self.option("--spec") or resources.spec_file())),
            bundled=bundled,
            target=self._target(),
            identity=Identity(),
            known=load_known(self._path(known)) if known else (),
        )
        self._load_spec(Path(run.spec))
        reports = self._path(self.option("--reports"))
        self._directory = RunDirectory.create(reports, run.id, self.started)
        self._adopt(run, self._directory.path, "main")
        self._closing.callback(self._forget)
        self._adopt_identity(identify(self.line(), run.target.token("server")))
        if not bundled:
            others = environments(self.run, self.line())
            check_live(self.run, others, self.option("--allow-live"))
        self.keeping.begin(self._head())
        if not bundled and not self.option("--trust-target"):
            self._preflight()
        self._directory.announce()

    def _refuse_contradictions(self) -> None:
        if self.option("--examples") is not None and self.option("--examples") < 1:
            raise UsageError("--examples must be at least 1")
        if self.option("--fault") and not self._is_bundled():
            raise UsageError("--fault is for the bundled server: leave --base-url and --target out")
        unknown = sorted((self.wanted() or set()) - set(catalogue()))
        if unknown:
            known = "`kraty-conformance requirements` lists them"
            raise UsageError(f"--requirement {unknown[0]!r} is no requirement: {known}")

    def _preflight(self) -> None:
        """UsageError where the target file says what the server does not confirm."""
        problems = misconfigured(self.run, self.line(), writes=not self.harmless_only)
        if problems:
            told = "\n".join(f"configuration: {problem}" for problem in problems)
            raise UsageError(
                f"{told}\nnothing was tested: mend the target file, or give --trust-target if it "
                "is right and the server is wrong"
            )

    def _path(self, value: object) -> Path:
        return Path(self.config.invocation_params.dir, str(value))

    def wanted(self) -> set[str] | None:
        """The requirements that `--requirement` selects, or None for all."""
        told = self.option("--requirement")
        return None if told is None else {id.strip() for id in told.split(",")}

    @property
    def harmless_only(self) -> bool:
        """Whether only scenarios that change nothing may run."""
        return harmless_only(self.option("--allow-live"))

    def _is_bundled(self) -> bool:
        return not any(self.option(flag) for flag in ("--base-url", "--target"))

    def _target(self) -> Target:
        base_url, file = self.option("--base-url"), self.option("--target")
        if file:
            return load_target(self._path(file), os.environ, base_url)
        if base_url:
            return target_of_url(base_url, os.environ)
        fault = self.option("--fault")
        server = self._closing.enter_context(running_server(fault))
        target = bundled_target(server)
        return replace(target, name=f"{target.name} with {fault}") if fault else target

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
        self.keeping = Keeping(directory, worker, run.target.base_url)
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

    def line(self, recorder: Recorder | None = None) -> Line:
        """A way to the server, with judge and recorder on it."""
        found = recorder or Recorder()
        return Line(self.wire, self.spec, self.redactor, found, self.players)

    def api(self, line: Line, role: str) -> Api:
        """A client with the key of a role. NotExercised where the target declares none."""
        return Api(line, self.run.target.token(role), self.run.identity.game_id or "")

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
        wanted = self.wanted()
        chosen = items if wanted is None else of_requirements(items, wanted)
        if self.harmless_only:
            chosen = harmless(chosen)
        chosen = of_profile(chosen, self.profile)
        return chosen if self.is_controller else longest_first(chosen)

    def announce(self, ids: Sequence[str]) -> None:
        """Tell what is going to happen on the server, before it does."""
        run, erased = self.run, "left there" if self.option("--keep") else "erased at the end"
        requests, players = announced(ids, run.examples, self.profile.histories)
        fate = "gone with the bundled server" if run.bundled else erased
        self._print(
            f"about {requests} requests; about {players} players with their grants, lobbies and "
            f"holdings, all named {run.prefix}-…, {fate}"
        )

    def _print(self, line: str) -> None:
        reporter: Any = self.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.ensure_newline()
            reporter.write_line(line)

    def is_whole(self) -> bool:
        """Whether no test was left out: only then a known failure that passes is one too many."""
        option, home = self.config.option, resources.scenarios().resolve()
        chosen = (option.keyword, option.markexpr, self.option("--requirement"), option.deselect)
        left_out = (option.ignore, option.ignore_glob, option.maxfail, self.profile.most_requests)
        places = {self._path(argument).resolve() for argument in self.config.args}
        return not any((*chosen, *left_out, self.harmless_only)) and places <= {home, home.parent}

    def told(self, check: Check) -> Check:
        """The check as it is reported: without secrets, and a known failure as one."""
        return tolerated(redact_check(check, self.redactor), self.run.known, today())

    def _head(self) -> dict[str, Any]:
        return head_of(self.run, self.spec, self.started, revisions_of(self.spec))

    def sound_out_the_path(self) -> None:
        """Send pings over a path of which little is known yet: a failure may be its doing."""
        path = self.wire.path
        if self.run.bundled:
            return
        line = self.line()
        api = self.api(line, "server")
        while not path.troubles and path.requests < SAMPLE:
            path.troubles += troubled(line.send(api.request("ping")))

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Note a Ctrl-C before anything else can: code that cannot raise would swallow it.

        A second one is ignored while the first is dealt with, but it ends the clean-up.
        """
        watched = threading.current_thread() is threading.main_thread()
        if (
            not (self.is_controller and watched)
            or signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        ):
            return

        def note(number: int, frame: Any) -> None:
            if self.collected.trouble == INTERRUPTED and not self._erasing:
                return
            self.collected.trouble = INTERRUPTED
            session.shouldstop = INTERRUPTED
            signal.default_int_handler(number, frame)

        before = signal.signal(signal.SIGINT, note)
        self._closing.callback(signal.signal, signal.SIGINT, before)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """The tests are known: show how far they are, if anybody looks."""
        _spare_the_collector()
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
            told = json.loads(found)
            self.collected.add(told)
            self.keeping.add(found)
            if self.progress is not None:
                self.progress.count(told["checks"])
        elif report.failed and not hasattr(report, "conformance_status"):
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
        """Erase the run's players, write the results and return the exit code of the verdict."""
        if self.progress is not None:
            self.progress.end()
        if exit_status == pytest.ExitCode.USAGE_ERROR:
            self.abandon()
            return EXIT_USAGE
        self.collected.cleaned = self._clean_up()
        trouble = self.collected.trouble or TROUBLE.get(pytest.ExitCode(exit_status))
        self.collected.whole = trouble is None and self.is_whole()
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
                self.keeping.discard()
            self._directory.discard()

    def _clean_up(self) -> dict[str, Any]:
        """Erase the players of the run, unless they are to be left or go with the server."""
        created = created_in(self.keeping.path)
        if self.run.bundled:
            return cleaned(0, 0, 0, "the bundled server is gone, and all players with it")
        if self.option("--keep"):
            return cleaned(len(created), 0, len(created), "as --keep says")
        if not created:
            self.keeping.keep_players(())
            return cleaned(0, 0, 0)
        again = f"`kraty-conformance clean {self.keeping.path}` erases them"
        self._print(f"erasing {len(created)} players; Ctrl-C leaves the rest, and {again}")
        self._erasing = True
        done = erase(self._erasers(), created, self.run.prefix)
        self._erasing = False
        self.keeping.keep_players(done.left)
        left = len(done.left)
        return cleaned(done.created, done.erased, left, again if left else None)

    def _erasers(self) -> dict[str, Api]:
        line = self.line()
        return {role: Api(line, token, "") for role, token in self.run.target.keys.items()}

    def _conclude(self, trouble: str | None) -> int:
        seconds = time.time() - self.started
        results = self.collected.results(self._head(), seconds, trouble, self.run.known)
        judgement = results.judgement
        failed = results.document["verdict"]["failed"]
        self.keeping.conclude(results.document)
        self._write_known_failures(results.document)
        told = [f"verdict: {judgement}", *([f"failed: {', '.join(failed)}"] if failed else [])]
        known = results.document["knownFailures"]
        told += [f"known failures: {entry['problem']}" for entry in known if entry["problem"]]
        code = EXIT_CODES[judgement.verdict]
        if self.keeping.unwritten is not None:
            where = f"{self.keeping.path}: {self.keeping.unwritten}"
            self._last_words += [*told, f"cannot write the results to {where}"]
            return code or EXIT_CODES[Verdict.INCONCLUSIVE]
        notices = [f"notice: {printable(notice)}" for notice in results.document["notices"]]
        report = f"report: {self.keeping.path / 'report.html'}"
        self._last_words += [*notices, *told, report]
        return code

    def _write_known_failures(self, document: dict[str, Any]) -> None:
        """Begin a file of known failures, where the user asked for one."""
        file = self.option("--write-known-failures")
        if file is None:
            return
        path, said = self._path(file), failures_of(document)
        try:
            write_known(path, said)
            self._last_words.append(f"known failures: {path} ({len(said)} entries)")
        except OSError as error:
            self._last_words.append(f"cannot write the known failures {path}: {error.strerror}")
        except UsageError as error:
            self._last_words.append(str(error))

    def close(self) -> None:
        """Stop what was started, and have the last word on the terminal."""
        gc.freeze()  # pytest looks for garbage five times more, which would take half a second
        self._closing.close()
        if self._last_words:
            print(*self._last_words, sep="\n", flush=True)


def _spare_the_collector() -> None:
    """Let Python's garbage collector look at what a test leaves, not at all that was loaded.

    Modules and collected tests stay until the end. Looking through them again and again took a
    tenth of a run.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE)


def rate_of(told: str | None) -> int:
    """Requests a minute as `--rate` has them, `90` or `90/min`; 0 for no cap."""
    number = (told or "0").removesuffix("/min")
    if not number.isascii() or not number.isdigit() or (told and int(number) < 1):
        raise UsageError(f"--rate {told!r} is no number of requests a minute, such as 90/min")
    return int(number)


def today() -> date:
    """The day by which known failures expire."""
    return datetime.now(UTC).date()


def revisions_of(spec: Spec) -> list[str]:
    """What a newer description changes; nothing for the bundled one."""
    bundled = load_spec(resources.spec_file())
    return [] if spec is bundled else revisions(bundled, spec)


def failures_of(document: dict[str, Any]) -> list[tuple[str, str]]:
    """The requirements that failed, known or not, each with what was said first."""
    failing = (Outcome.FAILED, Outcome.KNOWN)
    return [
        (row["id"], next(c["message"] for c in row["checks"] if c["outcome"] == row["outcome"]))
        for row in document["requirements"]
        if row["outcome"] in failing
    ]


CONFORMANCE = pytest.StashKey[Conformance]()

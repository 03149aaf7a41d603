"""Set-up of a run: its target, its server, its directory, and whether anything can be tested."""

import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from conformance import resources
from conformance.contract.openapi import Spec, load_newer_spec, load_spec
from conformance.contract.openapi_diff import revisions
from conformance.failures import Unreachable, UsageError
from conformance.lifecycle.bundled_target import running_server
from conformance.lifecycle.live_keys import check_live
from conformance.lifecycle.preflight import environments, identify, misconfigured
from conformance.plugin.collection import COLLECTION, Collection
from conformance.plugin.command_line import CommandLine
from conformance.plugin.conclusion import CONCLUSION, Conclusion
from conformance.plugin.orphans import end_with_parent
from conformance.plugin.selection import SELECTION, Selection
from conformance.plugin.session import CONTROLLER, SESSION, RunSession
from conformance.report import RunDirectory
from conformance.results.collector import Collected, head_of
from conformance.results.document import Head
from conformance.settings.run import Run
from conformance.settings.target import Target


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


def join(config: pytest.Config) -> None:
    """Take part in a run as a worker of pytest-xdist, whose controller has settled everything."""
    end_with_parent()
    received = config.workerinput  # type: ignore[attr-defined]
    run = Run.unpacked(received["conformance"])
    directory = Path(received["conformance_directory"])
    spec = _load_spec(Path(run.spec))
    session = RunSession(config, run, spec, directory, received["workerid"])
    config.stash[SELECTION] = Selection(session.command_line, spec, is_worker=True)
    config.stash[SESSION] = session
    config.add_cleanup(session.close)


def set_up(config: pytest.Config) -> None:
    """Settle what is tested, and the run if there is one. UsageError or Unreachable on failure."""
    command_line = CommandLine(config)
    command_line.refuse_contradictions()
    spec = _load_spec(command_line.spec_file)
    config.stash[SELECTION] = Selection(command_line, spec)
    if not command_line.only_looks:
        _set_up_run(config, command_line, spec)


def _set_up_run(config: pytest.Config, command_line: CommandLine, spec: Spec) -> None:
    started, closing = time.time(), ExitStack()
    config.add_cleanup(closing.close)
    run = command_line.run(_target(command_line, closing))
    reports = command_line.path(command_line.option("--reports"))
    directory = RunDirectory.create(reports, run.id, started)
    try:
        session = RunSession(config, run, spec, directory.path, CONTROLLER)
    except UsageError:  # a proxy or a certificate that cannot be used
        directory.discard()
        raise
    closing.callback(session.close)
    closing.callback(session.pacer.forget)
    closing.callback(session.waiting.forget)
    if run.bundled:  # no other run has this server's keys
        closing.callback(run.lock_file("throttled").unlink, missing_ok=True)
    collection = Collection(config, session, Collected())
    conclusion = Conclusion(session, directory, collection.collected, closing)
    config.stash[SESSION] = session
    config.stash[COLLECTION] = collection
    config.stash[CONCLUSION] = conclusion
    try:
        _check_server(session)
        conclusion.begin(_head(session, started))
        _check_target_file(session)
        if session.transport.health.given_up is not None:
            raise Unreachable(session.transport.health.given_up)
        directory.announce()
    except UsageError:
        conclusion.abandon()
        raise
    except Unreachable as error:
        conclusion.begin(_head(session, started))
        conclusion.give_up(str(error))
        raise
    config.pluginmanager.register(collection, "conformance-collection")


def _target(command_line: CommandLine, closing: ExitStack) -> Target:
    if not command_line.is_bundled:
        return command_line.target()
    server = closing.enter_context(running_server(command_line.option("--fault")))
    return command_line.bundled_target(server)


def _load_spec(path: Path) -> Spec:
    bundled = resources.spec_file()
    return load_spec(bundled) if path == bundled else load_newer_spec(path, bundled)


def _check_server(session: RunSession) -> None:
    """Is there a server that takes the key, and may it be tested?"""
    session.identify(identify(session.channel(), session.run.target.token("server")))
    if not session.run.bundled:
        others = environments(session.run, session.channel())
        check_live(session.run, others, session.command_line.option("--allow-live"))


def _check_target_file(session: RunSession) -> None:
    """UsageError where the target file says what the server does not confirm."""
    command_line = session.command_line
    if session.run.bundled or command_line.option("--trust-target"):
        return
    writes = not command_line.harmless_only
    problems = misconfigured(session.run, session.channel(), writes=writes)
    if problems:
        listed = "\n".join(f"configuration: {problem}" for problem in problems)
        raise UsageError(
            f"{listed}\nnothing was tested: fix the target file, or give --trust-target if it "
            "is right and the server is wrong"
        )


def _head(session: RunSession, started: float) -> Head:
    bundled = load_spec(resources.spec_file())
    revised = [] if session.spec is bundled else revisions(bundled, session.spec)
    return head_of(session.run, session.spec, started, revised)

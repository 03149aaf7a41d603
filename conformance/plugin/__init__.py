"""The pytest plugin: `pytest --base-url URL` is the whole suite.

It is inert unless scenarios are about to be collected, so `pytest tests` knows nothing of it.
Modules: `setup`, `collection` and `conclusion` are a run from its beginning to its end, `session`
is what tests have of it, `fixtures` what scenarios ask for, `outcomes` what a test's ending says
about requirements, `retries` how often a test runs.
"""

from collections.abc import Generator
from typing import Any

import pytest

from conformance.contract.requirements import catalogue
from conformance.failures import Mismatch, Unreachable, UsageError
from conformance.lifecycle.live_keys import HARMLESS
from conformance.plugin.collection import COLLECTION, freeze_gc
from conformance.plugin.command_line import add_options
from conformance.plugin.conclusion import CONCLUSION
from conformance.plugin.outcomes import (
    CHECKS,
    RECORDER,
    checks_of,
    evident,
    is_should,
    redact,
    remember_warning,
)
from conformance.plugin.retries import run_scenario
from conformance.plugin.selection import SELECTION
from conformance.plugin.session import SESSION
from conformance.plugin.setup import join, point_at_scenarios, selects_scenarios, set_up
from conformance.plugin.test_ids import test_id
from conformance.results.verdict import EXIT_CODES, EXIT_USAGE, Verdict

MARKERS = (
    "requirement(id, ...): the requirements that the scenario decides",
    f"{HARMLESS}: changes nothing on a server that keeps the contract",
)

pytest_plugins = ["conformance.plugin.fixtures"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options of the suite."""
    add_options(parser.getgroup("conformance", "Kraty Server API conformance"))


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Set the run up: target, server, key, seed. Every mistake ends here, in one line."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    point_at_scenarios(config)
    if not selects_scenarios(config):
        return
    try:
        join(config) if hasattr(config, "workerinput") else set_up(config)
    except UsageError as error:
        pytest.exit(str(error), returncode=EXIT_USAGE)
    except Unreachable as error:
        pytest.exit(str(error), returncode=EXIT_CODES[Verdict.INCONCLUSIVE])


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Hand the run over to a worker process of pytest-xdist."""
    session = node.config.stash.get(SESSION, None)
    if session is not None:
        node.workerinput["conformance"] = session.run.packed()
        node.workerinput["conformance_directory"] = str(session.files.path)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Print every setting, so that a typo shows."""
    session = config.stash.get(SESSION, None)
    if session is not None:
        return session.header()
    only_lists = "conformance: tests are only listed; no server is contacted, nothing is written"
    return [only_lists] if SELECTION in config.stash else []


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a scenario that takes an `operation` once for each operation of the spec."""
    if "operation" in metafunc.fixturenames and SELECTION in metafunc.config.stash:
        operations = metafunc.config.stash[SELECTION].spec.operations
        metafunc.parametrize("operation", list(operations))


def pytest_itemcollected(item: pytest.Item) -> None:
    """Refuse a requirement id that the catalogue does not have."""
    for marker in item.iter_markers("requirement"):
        for id in marker.args:
            if id not in catalogue():
                raise pytest.UsageError(f"{item.nodeid}: {id!r} is no requirement")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what the requirement, the profile or a live key does not allow for."""
    selection = config.stash.get(SELECTION, None)
    if selection is not None:
        chosen = selection.of(items)
        kept = set(chosen)
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = chosen


def pytest_collection_finish(session: pytest.Session) -> None:
    """All is loaded that stays until the end."""
    if SESSION in session.config.stash:
        freeze_gc()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Run a scenario, and repeat it where a failing network may have spoilt it."""
    session = item.config.stash.get(SESSION, None)
    if session is None or next(item.iter_markers("requirement"), None) is None:
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    run_scenario(item, nextitem, session)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """A SHOULD that is not met is a Python warning, and only a failure where warnings are."""
    try:
        return (yield)
    except Mismatch as error:
        if SESSION not in item.config.stash or not is_should(item, error):
            raise
        remember_warning(item, error)
        return None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep what the test's ending says about its requirements; `run_scenario` reports it."""
    report = yield
    session = item.config.stash.get(SESSION, None)
    if session is not None and CHECKS in item.stash:
        checks = checks_of(item, call, session)
        item.stash[CHECKS][report.when] = checks
        redact(report, session.redactor)
        shown = evident(checks, item.stash[RECORDER])
        if shown:
            session.files.add_exchanges(test_id(item), shown)
    return report


def pytest_report_teststatus(
    report: pytest.TestReport, config: pytest.Config
) -> tuple[str, str, str] | None:
    """Show blocked, warned and not exercised tests as what they are; no letters beside a bar."""
    status = getattr(report, "conformance_status", None)
    if status is None:
        return None
    collection = config.stash.get(COLLECTION, None)
    category, letter, word = status
    return category, "" if collection and collection.display else letter, word


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the results; the exit code is the verdict's."""
    config = session.config
    if SESSION in config.stash:
        freeze_gc()
    conclusion, collection = config.stash.get(CONCLUSION, None), config.stash.get(COLLECTION, None)
    if conclusion is not None and collection is not None:
        display = collection.display
        collection.note_what_did_not_run()
        try:
            session.exitstatus = conclusion.finish(config, int(exitstatus), display)
        finally:
            if display is not None:
                display.end()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the bundled server, and end with the verdict and the path of the report."""
    conclusion = config.stash.get(CONCLUSION, None)
    if conclusion is not None:
        conclusion.close(config)

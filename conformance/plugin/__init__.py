"""The pytest plugin: `pytest --base-url URL` is the whole suite.

It is inert unless scenarios are about to be collected, so `pytest tests` knows nothing of it.
Modules: `options` (command line), `session` (one run from set-up to report), `fixtures` (what
scenarios ask for), `outcomes` (what a test's ending says about requirements), `attempts` (tests
that a failing path has spoilt).
"""

from collections.abc import Generator
from typing import Any

import pytest

from conformance.contract.requirements import catalogue
from conformance.failures import Mismatch, Unreachable, UsageError
from conformance.lifecycle.live_keys import HARMLESS
from conformance.plugin.command_line import add_options
from conformance.plugin.garbage import freeze_gc
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
from conformance.plugin.session import (
    CONFORMANCE,
    Conformance,
    point_at_scenarios,
    selects_scenarios,
)
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
        conformance = Conformance(config)
        config.stash[CONFORMANCE] = conformance
        conformance.set_up()
    except UsageError as error:
        conformance.abandon()
        pytest.exit(str(error), returncode=EXIT_USAGE)
    except Unreachable as error:
        conformance.give_up(str(error))
        pytest.exit(str(error), returncode=EXIT_CODES[Verdict.INCONCLUSIVE])


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker process of pytest-xdist which run it belongs to."""
    conformance = node.config.stash.get(CONFORMANCE, None)
    if conformance is not None:
        node.workerinput["conformance"] = conformance.run.packed()
        node.workerinput["conformance_directory"] = str(conformance.files.path)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Print every setting, so that a typo shows."""
    conformance = config.stash.get(CONFORMANCE, None)
    return conformance.header() if conformance else []


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a scenario that takes an `operation` once for each operation of the spec."""
    if "operation" in metafunc.fixturenames and CONFORMANCE in metafunc.config.stash:
        operations = metafunc.config.stash[CONFORMANCE].spec.operations
        metafunc.parametrize("operation", list(operations))


def pytest_itemcollected(item: pytest.Item) -> None:
    """Refuse a requirement id that the catalogue does not have."""
    for marker in item.iter_markers("requirement"):
        for id in marker.args:
            if id not in catalogue():
                raise pytest.UsageError(f"{item.nodeid}: {id!r} is no requirement")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what the requirement, the profile or a live key does not allow for."""
    conformance = config.stash.get(CONFORMANCE, None)
    if conformance is not None:
        chosen = conformance.select(items)
        kept = set(chosen)
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = chosen


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Repeat a test that a failing path has spoilt."""
    conformance = item.config.stash.get(CONFORMANCE, None)
    if conformance is None or next(item.iter_markers("requirement"), None) is None:
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    run_scenario(item, nextitem, conformance)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """A SHOULD that is not met is a Python warning, and only a failure where warnings are."""
    try:
        return (yield)
    except Mismatch as error:
        if CONFORMANCE not in item.config.stash or not is_should(item, error):
            raise
        remember_warning(item, error)
        return None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep what the test's ending says about its requirements; `run_scenario` reports it."""
    report = yield
    conformance = item.config.stash.get(CONFORMANCE, None)
    if conformance is not None and CHECKS in item.stash:
        checks = checks_of(item, call, conformance)
        item.stash[CHECKS][report.when] = checks
        redact(report, conformance.redactor)
        shown = evident(checks, item.stash[RECORDER])
        if shown:
            conformance.files.add_exchanges(test_id(item), shown)
    return report


def pytest_report_teststatus(
    report: pytest.TestReport, config: pytest.Config
) -> tuple[str, str, str] | None:
    """Show blocked, warned and not exercised tests as what they are; no letters on a terminal."""
    status = getattr(report, "conformance_status", None)
    if status is None:
        return None
    conformance = config.stash.get(CONFORMANCE, None)
    category, letter, word = status
    return category, "" if conformance and conformance.progress else letter, word


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the results; the exit code is the verdict's."""
    conformance = session.config.stash.get(CONFORMANCE, None)
    if conformance is not None:
        freeze_gc()
        if conformance.is_controller:
            session.exitstatus = conformance.finish(int(exitstatus))


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the bundled server, and end with the verdict and the path of the report."""
    conformance = config.stash.get(CONFORMANCE, None)
    if conformance is not None:
        conformance.close()

"""A flaky network accuses no correct server.

`pytest tests/test_flaky.py --flaky-runs 20 --log-cli-level INFO` tries so many seeds, with every
scenario written by hand; CI tries one, with a few.
"""

import logging
from pathlib import Path

import pytest
from flaky_proxy import flaky
from support import Ended, reference, run_suite

from conformance.lifecycle.bundled_target import running_server

log = logging.getLogger(__name__)
SCENARIOS = ("-k", "not histories and not sequences and not generated")
FEW = ("-k", "test_bans or test_acks.py")
SOME = ("-k", "test_grants.py or test_merges.py or test_ledgers.py")
FAULTS = {
    "merge-keeps-larger": "MERGE-2",
    "grant-replay-201": "GRANT-2",
    "ledger-holding-before": "LEDGER-1",
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(1, 1 + metafunc.config.getoption("flaky_runs")))


def behind_a_flaky_path(folder: Path, url: str, seed: int, *selection: str) -> Ended:
    """A run through the proxy."""
    with flaky(url, seed) as (way, proxy):
        ended = run_suite(folder, "--seed", str(seed), *selection, url=way, target=None)
        outcomes = {
            outcome: len(ended.with_outcome(outcome))
            for outcome in ("passed", "failed", "warned", "inconclusive", "blocked")
        }
        log.info("seed %d: %s, %s", seed, outcomes, dict(proxy.done))
        assert sum(proxy.done.values()) - proxy.done["passed"] > 0, "the path was not flaky"
    return ended


def test_a_correct_server_is_never_accused(
    seed: int, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    selection = SCENARIOS if pytestconfig.getoption("flaky_runs") > 1 else FEW
    with reference() as url:
        ended = behind_a_flaky_path(tmp_path, url, seed, *selection)
    assert ended.code in (0, 3), ended.output
    assert ended.with_outcome("failed", "warned") == []
    assert len(ended.with_outcome("passed")) >= (60 if selection is SCENARIOS else 8)
    assert "the network or a gateway failed" in ended.output


@pytest.mark.parametrize("fault", list(FAULTS))
def test_a_faulty_server_is_named_or_nothing_is_said(fault: str, seed: int, tmp_path: Path) -> None:
    requirement = FAULTS[fault]
    with running_server(fault) as url:
        ended = behind_a_flaky_path(tmp_path, url, seed, *SOME, "--requirement", requirement)
    assert ended.outcome(requirement) in ("failed", "inconclusive"), ended.output
    log.info("%s: %s", requirement, ended.outcome(requirement))

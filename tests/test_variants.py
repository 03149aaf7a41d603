"""Servers that read the free points the other way are never accused."""

import pytest
from support import Runner

from conformance.faults.deviations import settings_of
from conformance.faults.variants import VARIANTS

CLASHING = ("catalogue-200", "sliding-budget")
"""Variants that read a point otherwise than another variant: one server cannot have both."""
BUNDLES = {"most": [id for id in VARIANTS if id not in CLASHING], "others": list(CLASHING)}


@pytest.mark.parametrize("bundle", list(BUNDLES))
def test_a_server_of_variants_is_conformant(bundle: str, run_suite: Runner) -> None:
    server = settings_of(VARIANTS[id] for id in BUNDLES[bundle])
    ended = run_suite("--examples", "3", "-n", "2", "-q", server=server)

    assert ended.with_outcome("failed", "inconclusive", "blocked") == [], ended.output
    assert ended.code == 0

"""Servers that read the free points the other way are never accused."""

import pytest
from support import Runner, reference

from conformance.faults.deviations import settings_of
from conformance.faults.variants import VARIANTS

CLASHING = ("catalogue-200", "sliding-budget")
BUNDLES = {
    "most": [id for id in VARIANTS if id not in CLASHING],
    "others": list(CLASHING),
}
"""Variants that can be one server; two of them give another answer to a point of the first."""


@pytest.mark.parametrize("bundle", list(BUNDLES))
def test_a_server_of_variants_is_conformant(bundle: str, run_suite: Runner) -> None:
    settings = settings_of(VARIANTS[id] for id in BUNDLES[bundle])
    with reference(settings) as url:
        ended = run_suite("--examples", "10", "-n", "2", "-q", url=url)

    assert ended.with_outcome("failed", "inconclusive", "blocked") == [], ended.output
    assert ended.code == 0

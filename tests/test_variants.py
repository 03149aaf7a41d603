"""Conformant servers that do otherwise where the contract lets them are never accused."""

import pytest
from support import Runner

from conformance.faults.deviations import settings_of
from conformance.faults.variants import VARIANTS

CLASHING = {
    "others": (
        "catalogue-200",
        "sliding-budget",
        "numbered-rows",
        "instants-to-the-second",
        "seconds-of-rows",
        "tabbed-profile",
        "keys-move",
        "keys-stay",
    ),
    "rest": ("leaky-bucket", "instants-of-the-store", "closed-connections", "chunked-answers"),
}
"""Variants that clash with others, by the server that has them: no server can have all."""
BUNDLES = {"most": [id for id in VARIANTS if id not in sum(CLASHING.values(), ())], **CLASHING}


@pytest.mark.parametrize("bundle", list(BUNDLES))
def test_a_server_of_variants_is_conformant(bundle: str, run_suite: Runner) -> None:
    server = settings_of(VARIANTS[id] for id in BUNDLES[bundle])
    ended = run_suite("--examples", "3", "-n", "2", "-q", server=server)

    assert ended.with_outcome("failed", "inconclusive", "blocked", "warned") == [], ended.output
    assert ended.code == 0

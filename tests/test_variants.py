"""Conformant servers that do otherwise where the contract lets them are never accused.

These are whole runs. After each, whoever was there before is as they were, and all others are gone.
"""

import pytest
from support import Runner, reference
from test_cleanup import settle, states

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
    with reference(settings_of(VARIANTS[id] for id in BUNDLES[bundle])) as url:
        settle(url)
        before = states(url)
        ended = run_suite("--examples", "3", "-n", "2", "-q", url=url)
        assert states(url) == before

    assert ended.with_outcome("failed", "inconclusive", "blocked", "warned") == [], ended.output
    assert ended.code == 0
    cleanup = ended.document["cleanup"]
    assert cleanup["created"] > 1000
    assert (cleanup["erased"], cleanup["left"]) == (cleanup["created"], 0)
    assert not list((ended.reports / "latest").glob("players-*"))

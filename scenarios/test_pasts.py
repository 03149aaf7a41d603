"""Pasts: whatever happened to a player before, every operation keeps the contract."""

import pytest

from conformance.fuzzing import DECIDED_BY_SEQUENCES
from conformance.fuzzing.player_pasts import EVENTS, expect_contract_kept
from conformance.testkit import (
    Api,
    Given,
    Recorder,
    Share,
)

pytestmark = pytest.mark.usefixtures("trusted_export")


@pytest.mark.requirement(*DECIDED_BY_SEQUENCES)
@pytest.mark.parametrize("first", list(EVENTS))
def test_every_operation_keeps_the_contract_after_any_past(
    first: str, api: Api, given: Given, recorder: Recorder, share: Share
) -> None:
    beginning = list(EVENTS).index(first)
    others = [*EVENTS, *EVENTS][beginning : beginning + len(EVENTS)]
    for turn, then in enumerate(share(others, 6), beginning):
        recorder.restart()
        expect_contract_kept(api, given, (first, then), 5 * turn)

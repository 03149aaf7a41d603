"""Views: whatever is written shows at once in everything that was read just before."""

import pytest

from conformance.fuzzing import DECIDED_BY_SEQUENCES
from conformance.fuzzing.oracle import Oracle
from conformance.fuzzing.player_pasts import ENDS, expect_end_seen, expect_writes_seen

pytestmark = pytest.mark.usefixtures("trusted_export")


@pytest.mark.requirement(*DECIDED_BY_SEQUENCES)
def test_every_write_shows_at_once_in_every_view(oracle: Oracle) -> None:
    expect_writes_seen(oracle)


@pytest.mark.requirement(*DECIDED_BY_SEQUENCES)
@pytest.mark.parametrize("end", list(ENDS))
def test_the_end_of_a_player_shows_at_once_in_every_view(end: str, oracle: Oracle) -> None:
    expect_end_seen(oracle, end)

"""Random sequences of all operations, compared with a model of what the contract promises."""

import pytest

from conformance.fuzzing import DECIDED_BY_SEQUENCES, explore
from conformance.testkit import Api, Given, Recorder, Run


@pytest.mark.usefixtures("trusted_export")
@pytest.mark.requirement(*DECIDED_BY_SEQUENCES)
def test_no_sequence_of_operations_departs_from_the_contract(
    api: Api, given: Given, recorder: Recorder, run: Run
) -> None:
    given.entries()
    explore(api, given, recorder, run)

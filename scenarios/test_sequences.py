"""Random sequences of all operations, compared with a model of what the contract promises."""

import pytest

from conformance.arrange import Given
from conformance.client import Api
from conformance.fuzzing import IN_SEQUENCES, explore
from conformance.recorder import Recorder
from conformance.run import Run


@pytest.mark.usefixtures("clear_view")
@pytest.mark.requirement(*IN_SEQUENCES)
def test_no_sequence_of_operations_departs_from_the_contract(
    api: Api, given: Given, recorder: Recorder, run: Run
) -> None:
    given.entries()
    explore(api, given, recorder, run)

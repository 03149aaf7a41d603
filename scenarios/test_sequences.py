"""Random sequences of all operations, compared with a model of what the contract promises."""

import pytest

from conformance.arrange import Given
from conformance.client import Api
from conformance.fuzzing.machine import REQUIREMENTS, machine_for, run_sequences
from conformance.recorder import Recorder
from conformance.run import Run

STEPS = 25
SEQUENCES_AN_EXAMPLE = 2


@pytest.mark.usefixtures("clear_view")
@pytest.mark.requirement(*REQUIREMENTS)
def test_no_sequence_of_operations_departs_from_the_contract(
    api: Api, given: Given, recorder: Recorder, run: Run
) -> None:
    given.entries()
    machine = machine_for(api, given, recorder, run.shrink)

    sequences = run.examples * SEQUENCES_AN_EXAMPLE
    run_sequences(machine, sequences=sequences, steps=STEPS, seed=run.seed)

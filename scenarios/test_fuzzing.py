"""HTTP, ERR and AUTH-1 over generated requests: every operation, good data and bad."""

import pytest

from conformance.arrange import Given
from conformance.client import Api
from conformance.fuzzing import IN_CASES, fuzz
from conformance.recorder import Recorder
from conformance.run import Run

requirement = pytest.mark.requirement


@requirement(*IN_CASES)
def test_generated_requests_keep_the_contract(
    operation: str, api: Api, given: Given, recorder: Recorder, run: Run
) -> None:
    fuzz(api.line.spec.operations[operation], api, given, recorder, run)

"""HTTP, ERR and AUTH-1 over generated requests: every operation, good data and bad."""

import pytest

from conformance.client.api import Api
from conformance.client.recorder import Recorder
from conformance.fuzzing import IN_CASES, fuzz
from conformance.settings.run import Run
from conformance.testkit.given import Given

requirement = pytest.mark.requirement


@requirement(*IN_CASES)
def test_generated_requests_keep_the_contract(
    operation: str, api: Api, given: Given, recorder: Recorder, run: Run
) -> None:
    fuzz(api.channel.spec.operations[operation], api, given, recorder, run)

"""HTTP, ERR and AUTH-1: generated requests to every operation, valid and invalid."""

from conformance.fuzzing import DECIDED_BY_CASES, fuzz
from conformance.testkit import Api, Given, Recorder, Run, requirement


@requirement(*DECIDED_BY_CASES)
def test_generated_requests_keep_the_contract(
    operation: str, api: Api, given: Given, recorder: Recorder, run: Run
) -> None:
    fuzz(api.channel.spec.operations[operation], api, given, recorder, run)

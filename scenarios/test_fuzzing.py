"""HTTP, ERR and AUTH-1: generated requests to every operation, valid and invalid."""

from conformance.fuzzing import IN_CASES, fuzz
from conformance.testkit import Api, Given, Recorder, Run, requirement


@requirement(*IN_CASES)
def test_generated_requests_keep_the_contract(
    operation: str, api: Api, given: Given, recorder: Recorder, run: Run
) -> None:
    fuzz(api.channel.spec.operations[operation], api, given, recorder, run)

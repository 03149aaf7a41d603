"""HTTP, ERR and AUTH-1 over generated requests: every operation, good data and bad."""

from functools import partial

import pytest
from schemathesis.schemas import BaseSchema

from conformance.arrange import Given
from conformance.client import Api
from conformance.fuzzing.fuzzer import REQUIREMENTS, Fuzzer
from conformance.fuzzing.generation import generating_schema, run_cases
from conformance.plugin.session import Conformance
from conformance.recorder import Recorder
from conformance.run import Run

requirement = pytest.mark.requirement


@pytest.fixture(scope="module")
def schema(conformance: Conformance) -> BaseSchema:
    return generating_schema(conformance.spec)


@requirement(*REQUIREMENTS)
def test_generated_requests_keep_the_contract(
    operation: str, schema: BaseSchema, api: Api, given: Given, recorder: Recorder, run: Run
) -> None:
    known = api.line.spec.operations[operation]
    fuzzer = Fuzzer(known, api, given, recorder, run.shrink)
    fuzzer.shrinking.run(
        partial(
            run_cases,
            *(schema, known.path, known.method, fuzzer.check),
            examples=run.examples,
            seed=run.seed,
        )
    )

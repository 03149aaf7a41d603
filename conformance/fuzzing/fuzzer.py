"""Sends the cases of one operation and judges each."""

import zlib
from dataclasses import replace
from typing import Any

from schemathesis.generation.case import Case

from conformance.client.api import Answer, Api
from conformance.client.recorder import Recorder
from conformance.contract.breach import Breach
from conformance.contract.openapi import Operation
from conformance.contract.request_validity import Validity, classify
from conformance.failures import Mismatch
from conformance.fuzzing.binding import Binder
from conformance.fuzzing.shrink_limit import ShrinkLimit
from conformance.http.exchange import Request
from conformance.testkit.given import Given

WITHOUT_KEY_ONE_IN = 16


class Fuzzer:
    """Sends and judges cases of `operation`. The recorder keeps each breach at its smallest."""

    def __init__(
        self,
        operation: Operation,
        api: Api,
        given: Given,
        recorder: Recorder,
        shrink_seconds: float,
    ) -> None:
        self.operation = operation
        self.api = api
        self.recorder = recorder
        self.binder = Binder(api, given)
        self.shrink_limit = ShrinkLimit(recorder, shrink_seconds)

    def check(self, case: Case[Any]) -> None:
        """Send the case; Mismatch if it shows a breach, so that Hypothesis shrinks it."""
        self.shrink_limit.check()
        self.recorder.restart()
        request = self.binder.request(self.operation, case)
        if is_sample(case) and classify(self.operation, request) is Validity.VALID:
            self._send_without_key(request)
        self.api.send_repeatable(request)
        for breach in self.recorder.breaches:
            error = Mismatch(breach.expected, breach.received, breach.requirement)
            self.shrink_limit.record(error)
            raise error

    def _send_without_key(self, request: Request) -> None:
        headers = tuple(pair for pair in request.headers if pair[0] != "Authorization")
        answer = Answer(self.api.send(replace(request, headers=headers)))
        if answer.status != 401:
            expected = "401 for a request without a key"
            self.recorder.add_breach(Breach("AUTH-1", expected, f"status {answer.status}"))


def is_sample(case: Case[Any]) -> bool:
    """Whether to send the case without a key first. The same case always gets the same answer."""
    content = repr((case.path_parameters, case.query, case.body))
    return zlib.crc32(content.encode("utf-8", "backslashreplace")) % WITHOUT_KEY_ONE_IN == 0

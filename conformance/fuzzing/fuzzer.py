"""Sends the cases of one operation and judges each."""

import zlib
from dataclasses import replace
from typing import Any

from schemathesis.generation.case import Case

from conformance.client.api import Answer, Api
from conformance.client.recorder import Recorder
from conformance.contract.exchange_rules import Breach
from conformance.contract.openapi import Operation
from conformance.contract.request_validity import Validity, classify
from conformance.failures import Mismatch
from conformance.fuzzing.binding import Binder
from conformance.fuzzing.shrink_limit import Shrinking
from conformance.http.exchange import Request
from conformance.testkit.given import Given

WITHOUT_KEY_ONE_IN = 16


class Fuzzer:
    """Checks cases of `operation`; every breach is kept, the smallest case of each."""

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
        self.shrinking = Shrinking(recorder, shrink_seconds)

    def check(self, case: Case[Any]) -> None:
        """Send the case; Mismatch where it shows a breach, so that Hypothesis shrinks it."""
        self.shrinking.guard()
        self.recorder.restart()
        request = self.binder.request(self.operation, case)
        if is_sample(case) and classify(self.operation, request) is Validity.VALID:
            self._send_without_key(request)
        self.api.send_repeatable(request)
        for breach in self.recorder.breaches:
            error = Mismatch(breach.expected, breach.received, breach.requirement)
            self.shrinking.found(error)
            raise error

    def _send_without_key(self, request: Request) -> None:
        headers = tuple(pair for pair in request.headers if pair[0] != "Authorization")
        answer = Answer(self.api.send(replace(request, headers=headers)))
        if answer.status != 401:
            expected = "401 for a request without a key"
            self.recorder.find(Breach("AUTH-1", expected, f"status {answer.status}"))


def is_sample(case: Case[Any]) -> bool:
    """Whether the case is sent without a key first; decided by its content, so repeatably."""
    content = repr((case.path_parameters, case.query, case.body))
    return zlib.crc32(content.encode("utf-8", "backslashreplace")) % WITHOUT_KEY_ONE_IN == 0

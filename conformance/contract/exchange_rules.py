"""The rules that every exchange must keep: AUTH-6, ERR-1, 3 and 4, HTTP-1 and 2, RATE-1 and 2.

`judge` is a pure function of one request and its response. It returns all breaches, also those of
what an answer must repeat (`echo_rules`).
"""

import json
from collections.abc import Iterator

import jsonschema

from conformance.contract.breach import Breach
from conformance.contract.echo_rules import echoes
from conformance.contract.openapi import JSON, Operation
from conformance.contract.request_validity import Validity, classify, is_plain_target
from conformance.http.exchange import GATEWAY_STATUSES, Request, Response, header
from conformance.http.redaction import Redactor

PROTOCOL_STATUSES = frozenset([400, 404, 405, 406, 411, 413, 414, 415, 431])
"""Statuses that HTTP itself allows for a malformed request (HTTP-1)."""

BEFORE_THE_API = frozenset([411, 413, 414, 431])
"""Statuses that an HTTP server may send before the API sees the request, so without envelope."""


THROTTLED = {
    "RateLimit-Limit": range(1, 10**12),
    "RateLimit-Remaining": range(1),
    "RateLimit-Reset": range(10**12),
    "Retry-After": range(1, 61),
}
"""The headers of a 429, and what their numbers may be (RATE-2)."""


def judge(
    operation: Operation, request: Request, response: Response, redactor: Redactor
) -> list[Breach]:
    """Every breach of one exchange."""
    if response.status in GATEWAY_STATUSES:
        return list(_secrecy(response, redactor))
    return [
        *_secrecy(response, redactor),
        *_no_crash(response),
        *_status(operation, request, response),
        *_refusal_of_malformed(operation, request, response),
        *_envelope(operation, request, response),
        *_shape(operation, response),
        *_budget(response),
        *echoes(operation, request, response),
    ]


def _secrecy(response: Response, redactor: Redactor) -> Iterator[Breach]:
    if redactor.leaks(response):
        yield Breach(
            "AUTH-6", "no response to show the secret of a key", "a response that shows one"
        )


def _no_crash(response: Response) -> Iterator[Breach]:
    if response.status >= 500:
        yield Breach("ERR-3", "any input to be answered below 500", f"status {response.status}")


def _status(operation: Operation, request: Request, response: Response) -> Iterator[Breach]:
    status = response.status
    if status in operation.statuses or status == 429 or status >= 500:
        return
    # FREE: an unknown item, currency or crate key may get 404, which no operation documents.
    if status == 404 and (operation.takes_body or operation.id == "getPlayer"):
        return
    if status == 400 and operation.id == "getPlayer":
        return
    validity = classify(operation, request)
    if validity is Validity.VALID or status not in PROTOCOL_STATUSES:
        documented = ", ".join(operation.documented)
        yield Breach(
            "HTTP-1",
            f"a documented status of {operation.id} ({documented}) for a {validity.value} request",
            f"status {status}",
        )


def _refusal_of_malformed(
    operation: Operation, request: Request, response: Response
) -> Iterator[Breach]:
    if response.status >= 300 or 400 not in operation.statuses:
        return
    if classify(operation, request) is Validity.MALFORMED:
        yield Breach(
            "ERR-4",
            "400 for a body that breaks the documented schema",
            f"status {response.status}: the body was accepted",
        )


def _envelope(operation: Operation, request: Request, response: Response) -> Iterator[Breach]:
    if response.status < 300 or response.status in BEFORE_THE_API:
        return
    if response.status in (400, 404) and not is_plain_target(operation, request.target):
        return  # an HTTP server may refuse such a path before the API sees it
    problem = _envelope_problem(response)
    if problem:
        yield Breach(
            "ERR-1",
            'a failure to carry {"error": {"code", "message"}} as application/json',
            f"status {response.status} with {problem}",
        )


def _envelope_problem(response: Response) -> str | None:
    if response.media_type != JSON:
        return f"content type {response.media_type or 'missing'}"
    try:
        body = response.json
    except ValueError as error:
        return f"a body that is not JSON ({error})"
    member = body.get("error") if isinstance(body, dict) else None
    if not isinstance(member, dict):
        return "no object `error` in the body"
    missing = [name for name in ("code", "message") if not isinstance(member.get(name), str)]
    return f"no text {' and '.join(missing)} in `error`" if missing else None


def _budget(response: Response) -> Iterator[Breach]:
    """The headers of a 429, whichever operation it is of; one without an envelope breaks ERR-1."""
    if response.status != 429 or _envelope_problem(response):
        return
    sent = {name: header(response.headers, name) for name in THROTTLED}
    missing = [name for name, value in sent.items() if value is None]
    if missing:
        yield Breach("RATE-1", "a 429 to carry its headers", f"no {', '.join(missing)}")
    wrong = [
        f"{name}: {value}"
        for name, value in sent.items()
        if value is not None and not _is_within(value, THROTTLED[name])
    ]
    if wrong:
        yield Breach("RATE-2", "whole numbers in range on a 429", ", ".join(wrong))


def _is_within(value: str, bounds: range) -> bool:
    return value.isascii() and value.isdigit() and int(value) in bounds


def _shape(operation: Operation, response: Response) -> Iterator[Breach]:
    validator = operation.response_validator(response.status)
    if validator is None or response.status >= 300:
        return
    expected = f"a {response.status} of {operation.id} to match its documented schema"
    if response.media_type != JSON:
        received = f"content type {response.media_type or 'missing'}"
        yield Breach("HTTP-2", f"{expected} as {JSON}", received)
    try:
        body = response.json
    except ValueError as error:
        yield Breach("HTTP-2", expected, f"a body that is not JSON ({error})")
        return
    problems = [f"{error.json_path}: {_in_json(error)[:200]}" for error in validator.problems(body)]
    if problems:
        yield Breach("HTTP-2", expected, "; ".join(problems[:5]))


def _in_json(error: jsonschema.ValidationError) -> str:
    """The message of jsonschema, which spells values as Python does."""
    message = error.message
    for value in (error.instance, error.validator_value):
        spelled = repr(value)
        if spelled in message:
            message = message.replace(spelled, json.dumps(value, ensure_ascii=False), 1)
    return message

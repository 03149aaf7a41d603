"""Rules of single exchanges: each both passes and accuses, and FREE points accuse no server."""

import json
from typing import Any

import pytest

from conformance import resources
from conformance.contract.exchange_rules import judge
from conformance.contract.openapi import load_spec
from conformance.contract.request_validity import Validity, classify
from conformance.http.exchange import Request, Response
from conformance.http.redaction import Redactor

SPEC = load_spec(resources.spec_file())
TOKEN = "kc_prefix.very-secret"
REDACTOR = Redactor({"server": TOKEN})
JSON = (("Content-Type", "application/json"),)
ERROR = {"error": {"code": "validation_failed", "message": "no"}}
PLAYER = {"externalId": "ada"}
WALLET = {**PLAYER, "economyKey": "gold"}
BALANCE: dict[str, Any] = {"data": {"economyKey": "gold", "balance": 5, "applied": True}}


def balance(value: object) -> dict[str, Any]:
    return {"data": {**BALANCE["data"], "balance": value}}


def request(operation: str, body: Any = None, path: dict[str, str] | None = None) -> Request:
    known = SPEC.operations[operation]
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return Request(operation, known.method, known.target(path or {}), JSON, raw)


def response(status: int, body: Any, headers: tuple[tuple[str, str], ...] = JSON) -> Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, headers, raw)


def breaches(sent: Request, received: Response) -> list[str]:
    found = judge(SPEC.operations[sent.operation], sent, received, REDACTOR)
    return [breach.requirement for breach in found]


CREDIT = request("creditWallet", {"amount": 5}, WALLET)


TEXT = (("Content-Type", "text/plain"),)
WIDE = {"data": {**BALANCE["data"], "traceId": "x"}, "meta": {}}
LEAKING = {"error": {"code": "x", "message": f"the key {TOKEN} is bad"}}
SPENT = (
    ("RateLimit-Limit", "60"),
    ("RateLimit-Remaining", "0"),
    ("RateLimit-Reset", "30"),
    ("Retry-After", "30"),
)
ANSWERS: dict[str, tuple[Response, list[str]]] = {
    "a right one": (response(200, BALANCE), []),
    "further members": (response(200, WIDE), []),
    "a charset": (response(200, BALANCE, (("content-type", "application/json; charset=x"),)), []),
    "404 for an unknown catalogue key": (response(404, ERROR), []),
    "502": (response(502, b"<html>", ()), []),
    "503": (response(503, b"<html>", ()), []),
    "504": (response(504, b"<html>", ()), []),
    "429": (response(429, ERROR, (*JSON, *SPENT)), []),
    "429 without a header": (response(429, ERROR, (*JSON, *SPENT[1:])), ["RATE-1"]),
    "429 with a date": (
        response(429, ERROR, (*JSON, *SPENT[:3], ("Retry-After", "tomorrow"))),
        ["RATE-2"],
    ),
    "429 with something left": (
        response(429, ERROR, (*JSON, *SPENT[:1], ("RateLimit-Remaining", "1"), *SPENT[2:])),
        ["RATE-2"],
    ),
    "an undocumented success": (response(202, BALANCE), ["HTTP-1"]),
    "an undocumented refusal": (response(422, ERROR), ["HTTP-1"]),
    "a crash": (response(500, ERROR), ["ERR-3"]),
    "an error that is text": (response(409, b"oops"), ["ERR-1"]),
    "an error that is a string": (response(409, {"error": "no"}), ["ERR-1"]),
    "a code that is a number": (response(409, {"error": {"code": 4}}), ["ERR-1"]),
    "no envelope": (response(409, {"message": "no"}), ["ERR-1"]),
    "an error of another media type": (response(409, ERROR, TEXT), ["ERR-1"]),
    "a key in a body": (response(409, LEAKING), ["AUTH-6"]),
    "a key in a header": (response(200, BALANCE, (*JSON, ("X", "very-secret"))), ["AUTH-6"]),
    "a member missing": (response(200, {"data": {"economyKey": "gold", "balance": 5}}), ["HTTP-2"]),
    "no data": (response(200, BALANCE["data"]), ["HTTP-2"]),
    "a number that is a string": (response(200, balance("5")), ["HTTP-2"]),
    "a number below its minimum": (response(200, balance(-1)), ["HTTP-2"]),
    "NaN": (response(200, b'{"data": {"balance": NaN}}'), ["HTTP-2"]),
    "no body": (response(200, b""), ["HTTP-2"]),
    "a success of another media type": (response(200, BALANCE, TEXT), ["HTTP-2"]),
    "no media type": (response(200, BALANCE, ()), ["HTTP-2"]),
}


@pytest.mark.parametrize("name", list(ANSWERS))
def test_an_answer_to_a_valid_request_breaks(name: str) -> None:
    answer, broken = ANSWERS[name]
    assert breaches(CREDIT, answer) == broken


@pytest.mark.parametrize("status", [413, 414, 431])
def test_a_refusal_by_the_http_server_needs_no_envelope(status: int) -> None:
    sent = request("creditWallet", b"{", WALLET)
    assert breaches(sent, response(status, b"too large", ())) == []


def test_a_refusal_of_a_valid_path_needs_the_envelope_even_for_a_free_body() -> None:
    sent = request("creditWallet", {"amount": 5, "reason": None}, WALLET)
    assert breaches(sent, response(400, b"no", ())) == ["ERR-1"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b'{"amount": NaN}',
        b'{"amount": "\xff"}',
        {},
        [],
        {"amount": 0},
        {"amount": "5"},
        {"amount": True},
        {"amount": 1.5},
        {"amount": None},
        {"amount": 5, "reason": 7},
    ],
)
def test_taking_a_malformed_body_breaks_err_4(body: Any) -> None:
    sent = request("creditWallet", body, WALLET)
    assert breaches(sent, response(200, BALANCE)) == ["ERR-4"]
    assert breaches(sent, response(400, ERROR)) == []


FREE_BODIES = [
    {"amount": 5.0},
    {"amount": 5, "reason": None},
    {"amount": 5, "idempotencyKey": None},
    {"amount": 5, "reason": ""},
    {"amount": 5, "reason": "a\u0000b"},
    b'{"amount": 5, "reason": "\\ud800"}',
    b'{"amount": 5, "amount": 6}',
    {"amount": 2**53},
    {"amount": 5, "reason": "x" * 201},
    b'{"amount": 5, "note": 1e400}',
    b'{"amount": ' + b"9" * 5000 + b"}",
]


@pytest.mark.parametrize("body", FREE_BODIES)
def test_a_free_body_may_be_taken_or_refused(body: Any) -> None:
    sent = request("creditWallet", body, WALLET)
    assert classify(SPEC.operations["creditWallet"], sent) is Validity.FREE
    assert breaches(sent, response(200, BALANCE)) == []
    assert breaches(sent, response(400, ERROR)) == []
    assert breaches(sent, response(415, ERROR)) == []
    assert breaches(sent, response(500, ERROR)) == ["ERR-3"]


def grant(more: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    """A grant of an item, with more members of the item or of the grant."""
    entry = {"type": "item", "itemKey": "a", "quantity": 1, **(more or {})}
    return {"idempotencyKey": "k", "entries": [entry], **members}


@pytest.mark.parametrize(
    ("operation", "body", "validity"),
    [
        ("deletePlayer", None, Validity.FREE),
        ("deletePlayer", {}, Validity.VALID),
        ("deletePlayer", {"reason": None}, Validity.FREE),
        ("deletePlayer", {"reason": "because"}, Validity.MALFORMED),
        ("deletePlayer", b" \n", Validity.FREE),
        ("deletePlayer", b"null", Validity.FREE),
        ("deletePlayer", b"[" * 100_000 + b"]" * 100_000, Validity.FREE),
        ("banPlayer", None, Validity.MALFORMED),
        ("banPlayer", {"reason": None}, Validity.MALFORMED),
        ("unbanPlayer", None, Validity.VALID),
        ("unbanPlayer", {"idempotencyKey": "k"}, Validity.FREE),
        ("migratePlayers", {"rows": []}, Validity.FREE),
        ("migratePlayers", {"rows": [{}]}, Validity.FREE),
        ("migratePlayers", {"rows": [7]}, Validity.FREE),
        ("migratePlayers", {"rows": {}}, Validity.MALFORMED),
        ("migratePlayers", {"rows": [{}] * 1001}, Validity.MALFORMED),
        ("createGrant", {"idempotencyKey": "k", "entries": []}, Validity.MALFORMED),
        ("createGrant", grant({"parameters": None}), Validity.FREE),
        ("createGrant", grant(expiresAt="2099-01-01 00:00:00"), Validity.FREE),
        ("createGrant", grant(expiresAt="2051-12-31T23:59:60Z"), Validity.FREE),
        ("createGrant", grant(expiresAt="tomorrow"), Validity.MALFORMED),
    ],
)
def test_validity_is_the_contracts(operation: str, body: Any, validity: Validity) -> None:
    assert classify(SPEC.operations[operation], request(operation, body, PLAYER)) is validity


@pytest.mark.parametrize("id", ["", "a\u0000b", "x" * 201, ".", ".."])
def test_an_odd_id_is_free(id: str) -> None:
    sent = request("exportPlayer", path={"externalId": id})
    assert classify(SPEC.operations["exportPlayer"], sent) is Validity.FREE


@pytest.mark.parametrize(
    ("query", "validity"),
    [("limit=5", Validity.VALID), ("limit=0", Validity.FREE), ("limit=x", Validity.FREE)],
)
def test_a_bad_limit_is_free(query: str, validity: Validity) -> None:
    operation = SPEC.operations["getPlayer"]
    sent = Request("getPlayer", "GET", operation.target(PLAYER, query), (), b"")
    assert classify(operation, sent) is validity


def test_values_are_spelled_as_json() -> None:
    came = response(200, balance({"a": None}))
    found = judge(SPEC.operations["creditWallet"], CREDIT, came, REDACTOR)
    received = " ".join(breach.received for breach in found)
    assert '{"a": null} is not of type' in received
    assert "None" not in received

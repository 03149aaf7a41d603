"""Rules of single exchanges: each both passes and accuses, and FREE points are left alone."""

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
BALANCE = {"data": {"economyKey": "gold", "balance": 5, "applied": True}}


def request(operation: str, body: Any = None, path: dict[str, str] | None = None) -> Request:
    known = SPEC.operations[operation]
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return Request(operation, known.method, known.target(path or {}), JSON, raw)


def response(status: int, body: Any, headers: tuple[tuple[str, str], ...] = JSON) -> Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, headers, raw)


def breaches(sent: Request, came: Response) -> list[str]:
    found = judge(SPEC.operations[sent.operation], sent, came, REDACTOR)
    return [breach.requirement for breach in found]


CREDIT = request("creditWallet", {"amount": 5}, WALLET)


def test_a_right_answer_breaks_nothing() -> None:
    assert breaches(CREDIT, response(200, BALANCE)) == []


def test_further_members_break_nothing() -> None:
    wide = {"data": {**BALANCE["data"], "traceId": "x"}, "meta": {}}
    assert breaches(CREDIT, response(200, wide)) == []


def test_a_charset_on_the_media_type_breaks_nothing() -> None:
    headers = (("content-type", "application/json; charset=utf-8"),)
    assert breaches(CREDIT, response(200, BALANCE, headers)) == []


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({"data": {"economyKey": "gold", "balance": 5}}, JSON),
        ({"data": {"economyKey": "gold", "balance": "5", "applied": True}}, JSON),
        ({"data": {"economyKey": "gold", "balance": -1, "applied": True}}, JSON),
        ({"economyKey": "gold", "balance": 5, "applied": True}, JSON),
        (b'{"data": {"balance": NaN}}', JSON),
        (b"", JSON),
        (BALANCE, (("Content-Type", "text/html"),)),
        (BALANCE, ()),
    ],
)
def test_a_success_that_is_not_as_documented_breaks_http_2(body: Any, headers: Any) -> None:
    assert breaches(CREDIT, response(200, body, headers)) == ["HTTP-2"]


def test_an_undocumented_status_for_a_valid_request_breaks_http_1() -> None:
    assert breaches(CREDIT, response(202, BALANCE)) == ["HTTP-1"]
    assert breaches(CREDIT, response(422, ERROR)) == ["HTTP-1"]


def test_an_undocumented_404_for_an_unknown_catalogue_key_is_free() -> None:
    assert breaches(CREDIT, response(404, ERROR)) == []


def test_a_5xx_breaks_err_3() -> None:
    assert breaches(CREDIT, response(500, ERROR)) == ["ERR-3"]


@pytest.mark.parametrize(
    "body", [b"oops", {"error": "no"}, {"error": {"code": 4}}, {"message": "no"}]
)
def test_a_failure_without_the_envelope_breaks_err_1(body: Any) -> None:
    assert breaches(CREDIT, response(409, body)) == ["ERR-1"]


def test_a_failure_of_another_media_type_breaks_err_1() -> None:
    assert breaches(CREDIT, response(409, ERROR, (("Content-Type", "text/plain"),))) == ["ERR-1"]


@pytest.mark.parametrize("status", [413, 414, 431])
def test_a_refusal_by_the_http_server_needs_no_envelope(status: int) -> None:
    sent = request("creditWallet", b"{", WALLET)
    assert breaches(sent, response(status, b"too large", ())) == []


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_failing_gateway_accuses_nobody_at_first(status: int) -> None:
    assert breaches(CREDIT, response(status, b"<html>", ())) == []


def test_a_refusal_of_a_valid_path_needs_the_envelope_even_for_a_free_body() -> None:
    sent = request("creditWallet", {"amount": 5, "reason": None}, WALLET)
    assert breaches(sent, response(400, b"no", ())) == ["ERR-1"]


def test_a_secret_in_a_response_breaks_auth_6() -> None:
    leaking = {"error": {"code": "x", "message": f"the key {TOKEN} is bad"}}
    assert breaches(CREDIT, response(409, leaking)) == ["AUTH-6"]
    assert breaches(CREDIT, response(200, BALANCE, (*JSON, ("X-Key", "very-secret")))) == ["AUTH-6"]


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
        (
            "createGrant",
            {
                "idempotencyKey": "k",
                "entries": [{"type": "item", "itemKey": "a", "quantity": 1, "parameters": None}],
            },
            Validity.FREE,
        ),
        (
            "createGrant",
            {
                "idempotencyKey": "k",
                "expiresAt": "2099-01-01 00:00:00",
                "entries": [{"type": "item", "itemKey": "a", "quantity": 1}],
            },
            Validity.FREE,
        ),
        (
            "createGrant",
            {
                "idempotencyKey": "k",
                "expiresAt": "tomorrow",
                "entries": [{"type": "item", "itemKey": "a", "quantity": 1}],
            },
            Validity.MALFORMED,
        ),
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

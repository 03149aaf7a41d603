"""The OpenAPI file says what the contract's tables say."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from openapi_spec_validator import validate

from conformance import resources
from conformance.contract.openapi import Schemas, encoded, load_spec
from conformance.contract.requirements import catalogue

SPEC = load_spec(resources.spec_file())

STATUSES = {
    "ping": "200 401 403",
    "createGrant": "200 201 400 401 403 409 429",
    "ackGrant": "200 401 403 404 429",
    "createLobby": "201 400 401 403 404 409 429",
    "getLobby": "200 401 403 404 429",
    "getPlayer": "200 401 403 404 429",
    "banPlayer": "200 400 401 403 404 429",
    "unbanPlayer": "200 401 403 404 429",
    "mergePlayer": "200 401 403 404 422 429",
    "grantItem": "200 400 401 403 409 429",
    "revokeItem": "200 400 401 403 409 429",
    "creditWallet": "200 400 401 403 409 429",
    "debitWallet": "200 400 401 403 409 429",
    "migratePlayers": "200 400 401 403 429",
    "migrateWallet": "200 400 401 403 429",
    "migrateInventory": "200 400 401 403 429",
    "deletePlayer": "200 400 401 403 429",
    "exportPlayer": "200 401 403 404 429",
}
SCHEMAS = [
    "ServerPingResponse",
    "ErrorResponse",
    "ServerGrantResponse",
    "GrantedRewardEntry",
    "ServerLobbyResponse",
    "PlayerProfileResponse",
    "BanPlayerResponse",
    "UnbanPlayerResponse",
    "MergePlayerResponse",
    "ServerAdjustItemResponse",
    "ServerAdjustWalletResponse",
    "MigratePlayerRow",
    "MigrateWalletRow",
    "MigrateInventoryRow",
    "MigrateOutcome",
    "DeletePlayerResponse",
    "ExportPlayerResponse",
]
HEADERS = {"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "Retry-After"}


def test_the_document_is_valid_openapi() -> None:
    validate(SPEC.document)
    assert SPEC.document["openapi"].startswith("3.1")


def test_every_operation_documents_its_statuses_and_no_other() -> None:
    documented = {
        id: " ".join(map(str, sorted(operation.statuses)))
        for id, operation in SPEC.operations.items()
    }
    assert documented == STATUSES


def test_the_seventeen_schemas_are_there() -> None:
    assert sorted(SPEC.document["components"]["schemas"]) == sorted(SCHEMAS)


@pytest.mark.parametrize("operation", list(STATUSES))
def test_every_429_declares_the_rate_limit_headers(operation: str) -> None:
    responses = SPEC.operations[operation].definition["responses"]
    if "429" in responses:
        assert set(SPEC.schemas.resolve(responses["429"])["headers"]) == HEADERS


@pytest.mark.parametrize("operation", list(STATUSES))
def test_every_failure_carries_the_error_envelope(operation: str) -> None:
    for status, response in SPEC.operations[operation].definition["responses"].items():
        if int(status) >= 400:
            content = SPEC.schemas.resolve(response)["content"]["application/json"]
            assert content["schema"] == {"$ref": "#/components/schemas/ErrorResponse"}


def test_no_schema_forbids_further_members() -> None:
    assert "additionalProperties" not in json.dumps(SPEC.document)


def test_the_catalogue_names_operations_that_exist() -> None:
    named = {id for requirement in catalogue().values() for id in requirement.operations}
    assert named <= set(SPEC.operations)


@pytest.mark.parametrize(
    ("text", "segment"),
    [
        ("a/b", "a%2Fb"),
        ("a%2Fb", "a%252Fb"),
        ("..", "%2E%2E"),
        ("a+b c", "a%2Bb%20c"),
        ("\u00e9", "%C3%A9"),
    ],
)
def test_a_path_segment_is_encoded_whole(text: str, segment: str) -> None:
    assert encoded(text) == segment


def sample(schema: Mapping[str, Any]) -> Any:
    """A value that fits a schema of the description, with every member that is described."""
    schema = SPEC.schemas.resolve(schema)
    for choice in ("oneOf", "anyOf"):
        if choice in schema:
            return sample(schema[choice][0])
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    kind = schema.get("type", "object")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        return {name: sample(one) for name, one in schema.get("properties", {}).items()}
    if kind == "array":
        return [sample(schema["items"])] if "items" in schema else []
    moment = "2026-01-02T03:04:05Z" if schema.get("format") == "date-time" else "text"
    return {"string": moment, "integer": 1, "number": 1, "boolean": True, "null": None}[kind]


JUDGED: dict[str, Mapping[str, Any]] = {
    **{name: {"$ref": f"#/components/schemas/{name}"} for name in SCHEMAS},
    **{one.id: one.body_schema for one in SPEC.operations.values() if one.body_schema},
}
SURROGATE = "\ud800"
ODD: list[Any] = [
    *(0, -1, 1.0, 1.5, 2**53, 2**64, 10**30, float("nan"), True, None),
    *("", "2026-01-02", "2026-02-30T00:00:00Z", "2026-01-02T03:04:60z", "\0", SURROGATE, "gold"),
    *([], [[]], {}, {"error": {}}),
]


def spoiled(value: Any, odd: Any) -> Iterator[Any]:
    """The value with one of its parts left out, or another in its place."""
    yield odd
    if isinstance(value, dict):
        for name, part in value.items():
            yield {key: one for key, one in value.items() if key != name}
            yield from ({**value, name: worse} for worse in spoiled(part, odd))
        yield {**value, "more": odd}
    elif isinstance(value, list):
        for place, part in enumerate(value):
            rest = value[:place], value[place + 1 :]
            yield from ([*rest[0], worse, *rest[1]] for worse in spoiled(part, odd))


@pytest.mark.parametrize("which", list(JUDGED))
def test_both_validators_say_the_same(which: str) -> None:
    """jsonschema-rs is asked first: what it takes, jsonschema has to take too, and the reverse."""
    validator = SPEC.schemas.validator(JUDGED[which])
    good = sample(JUDGED[which])
    assert validator.is_surely_valid(good)
    assert list(validator.exact.iter_errors(good)) == []
    for odd in ODD:
        for value in spoiled(good, odd):
            fits, sure = validator.exact.is_valid(value), validator.is_surely_valid(value)
            # What has no UTF-8 may be left to jsonschema.
            assert sure == fits or (fits and odd == SURROGATE), value


def test_a_pattern_that_only_one_validator_understands_is_left_to_it() -> None:
    schemas = Schemas({"openapi": "3.1.0"})
    validator = schemas.validator({"type": "string", "pattern": "^a(?P<b>.)(?P=b)$"})
    assert validator.is_valid("axx")
    assert not validator.is_valid("axy")

"""The OpenAPI file says what the contract's tables say."""

import json

import pytest
from openapi_spec_validator import validate

from conformance import resources
from conformance.catalogue import catalogue
from conformance.spec import encoded, load_spec

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

"""A newer description of the API needs no new code; its changes are reported."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from support import Runner, keys, reference, serving

from conformance import resources
from conformance.contract.openapi import load_newer_spec, load_spec
from conformance.contract.openapi_diff import revisions
from conformance.failures import UsageError
from conformance.reference.app import create_app
from conformance.reference.world import load_world

BUNDLED = resources.spec_file()
Document = dict[str, Any]


@pytest.fixture
def newer(tmp_path: Path) -> Callable[[Callable[[Document], None]], Path]:
    """Writes the bundled description, changed."""

    def write(change: Callable[[Document], None]) -> Path:
        document = json.loads(BUNDLED.read_text())
        change(document)
        file = tmp_path / "newer.json"
        file.write_text(json.dumps(document))
        return file

    return write


SEASON = {
    "type": "object",
    "required": ["season"],
    "properties": {"season": {"type": "integer", "minimum": 1}},
}
ANSWER = {"type": "object", "required": ["data"], "properties": {"data": SEASON}}


def in_json(schema: Document) -> Document:
    return {"application/json": {"schema": schema}}


def with_a_season(document: Document) -> None:
    """An operation that the suite does not know."""
    named = {"name": "externalId", "in": "path", "required": True, "schema": {"type": "string"}}
    document["paths"]["/players/{externalId}/season"] = {
        "post": {
            "operationId": "setSeason",
            "tags": ["Seasons"],
            "parameters": [named],
            "requestBody": {"required": True, "content": in_json(SEASON)},
            "responses": {
                "200": {"description": "Done.", "content": in_json(ANSWER)},
                "400": {"description": "Malformed."},
                "401": {"$ref": "#/components/responses/Unauthenticated"},
                "403": {"$ref": "#/components/responses/Forbidden"},
            },
        }
    }


def changes(file: Path) -> list[str]:
    return revisions(load_spec(BUNDLED), load_newer_spec(file, BUNDLED))


def reworded(document: Document) -> None:
    document["info"].update(version="9")
    document["paths"]["/ping"]["get"]["summary"] = "Is it there?"


def without_unban(document: Document) -> None:
    del document["paths"]["/players/{externalId}/unban"]


def with_uptime(document: Document) -> None:
    schemas = document["components"]["schemas"]
    schemas["ServerPingResponse"]["required"] = ["ok", "apiKey", "uptime"]


def moved(document: Document) -> None:
    paths = document["paths"]
    paths["/players/{externalId}/dump"] = paths.pop("/players/{externalId}/export")


@pytest.mark.parametrize(
    ("change", "reported"),
    [
        (reworded, []),
        (with_a_season, ["the spec adds setSeason (POST /players/{externalId}/season)"]),
        (without_unban, ["the spec has no unbanPlayer (POST /players/{externalId}/unban)"]),
        (with_uptime, ["the spec changes ping: responses"]),
        (moved, ["the spec changes exportPlayer: path"]),
    ],
)
def test_what_a_newer_description_changes_is_reported(
    change: Callable[[Document], None], reported: list[str], newer: Callable[..., Path]
) -> None:
    assert changes(newer(change)) == reported


def test_operations_keep_their_names_whatever_the_file_calls_them(
    newer: Callable[..., Path],
) -> None:
    def renamed(document: Document) -> None:
        document["paths"] = {
            "/server/v1" + path.replace("{externalId}", "{id}"): item
            for path, item in document["paths"].items()
        }
        for item in document["paths"].values():
            for operation in item.values():
                operation.pop("operationId")
                operation.pop("tags")

    file = newer(renamed)
    spec = load_newer_spec(file, BUNDLED)
    assert set(spec.operations) == set(load_spec(BUNDLED).operations)
    assert spec.operations["getPlayer"].target({"externalId": "a/b"}) == "/server/v1/players/a%2Fb"


def test_a_run_does_not_care_what_the_file_calls_things(
    newer: Callable[..., Path], run_suite: Runner
) -> None:
    def renamed(document: Document) -> None:
        text = json.dumps(document["paths"])
        for old, new in (("externalId", "playerId"), ("fromExternalId", "from")):
            text = text.replace(f"{{{old}}}", f"{{{new}}}").replace(f'"{old}"', f'"{new}"')
        document["paths"] = json.loads(text)

    file = newer(renamed)
    selection = ("-k", "test_bans or mergePlayer or deletePlayer", "--examples", "2")
    with reference() as url:
        ended = run_suite("--spec", str(file), *selection, url=url)
    assert ended.code == 0, ended.output
    assert ended.document["cleanup"]["created"] > 10


def test_ranges_and_default_document_statuses(newer: Callable[..., Path]) -> None:
    def ranges(document: Document) -> None:
        responses = document["paths"]["/players/{externalId}"]["get"]["responses"]
        error = responses.pop("404")
        responses["4XX"] = error
        document["paths"]["/ping"]["get"]["responses"] = {
            "200": document["paths"]["/ping"]["get"]["responses"]["200"],
            "default": error,
        }

    operations = load_newer_spec(newer(ranges), BUNDLED).operations
    assert {404, 418} <= operations["getPlayer"].statuses
    assert operations["getPlayer"].response_validator(404) is not None
    assert 500 not in operations["getPlayer"].statuses
    assert 401 in operations["ping"].statuses
    assert operations["ping"].documented == ["200", "default"]


def test_two_operations_of_one_name_are_refused(newer: Callable[..., Path]) -> None:
    def doubled(document: Document) -> None:
        paths = document["paths"]
        paths["/players/{externalId}/dump"] = paths["/players/{externalId}/export"]

    with pytest.raises(UsageError, match="two operations have one operationId"):
        load_newer_spec(newer(doubled), BUNDLED)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"paths": {}}', "openapi: 3.1.0"])
def test_a_file_that_is_no_description_is_one_line(text: str, tmp_path: Path) -> None:
    file = tmp_path / "newer.json"
    file.write_text(text)
    with pytest.raises(UsageError, match="is not a usable OpenAPI description") as raised:
        load_newer_spec(file, BUNDLED)
    assert "\n" not in str(raised.value)


def seasons(answer: Callable[[Any], Response]) -> Any:
    """The reference server with the new operation."""
    app = create_app(load_world(resources.world_file()))

    async def set_season(request: Request) -> Response:
        problem = {"error": {"code": "x", "message": "x"}}
        token = request.headers.get("authorization", "")
        if token == f"Bearer {keys()['KRATY_CLIENT_KEY']}":
            return JSONResponse(problem, 403)
        if token != f"Bearer {keys()['KRATY_SERVER_KEY']}":
            return JSONResponse(problem, 401, {"WWW-Authenticate": "Bearer"})
        try:
            season = (await request.json())["season"]
        except Exception:
            season = None
        return answer(season) if type(season) is int and season > 0 else JSONResponse(problem, 400)

    path = "/server/v1/players/{external_id}/season"
    app.router.routes.insert(0, Route(path, set_season, methods=["POST"]))
    return app


SELECTION = ("-k", "setSeason", "--examples", "10")


def test_an_added_operation_is_fuzzed_and_checked_for_shape(
    newer: Callable[..., Path], run_suite: Runner
) -> None:
    file = newer(with_a_season)
    with serving(seasons(lambda n: JSONResponse({"data": {"season": n}}))) as url:
        good = run_suite("--spec", str(file), *SELECTION, url=url)
    with serving(seasons(lambda n: JSONResponse({"data": {"season": str(n)}}))) as url:
        wrong_shape = run_suite("--spec", str(file), *SELECTION, url=url)
    assert not good.with_outcome("failed"), good.output
    assert good.document["spec"]["operations"] == 19
    assert "the spec adds setSeason" in " ".join(good.document["notices"])
    sent = {row["operation"]: row["endings"] for row in good.document["traffic"]}["setSeason"]
    assert sent["200"] > 3
    assert sent["400"] > 3
    assert wrong_shape.code == 1
    assert "HTTP-2" in wrong_shape.with_outcome("failed")


def test_a_removed_operation_is_not_exercised(
    newer: Callable[..., Path], run_suite: Runner
) -> None:
    ended = run_suite("--spec", str(newer(without_unban)), "-k", "test_bans")
    assert ended.code == 0, ended.output
    assert ended.outcome("BAN-7") == "not_exercised"
    assert "the spec has no unbanPlayer" in ended.output


def nested(required: bool) -> Callable[[Document], None]:
    """Metadata that have metadata in them, or must have."""

    def change(document: Document) -> None:
        below = {"$ref": "#/components/schemas/Nested"}
        must = {"required": ["below"]} if required else {}
        document["components"]["schemas"]["Nested"] = {
            "type": "object",
            "properties": {"below": below, "n": {}},
            **must,
        }
        operation = document["paths"]["/players/{externalId}/grants"]["post"]
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        schema["properties"]["metadata"] = below
        schema["required"] += ["metadata"] if required else []

    return change


def test_a_body_that_may_hold_itself_is_fuzzed(
    newer: Callable[..., Path], run_suite: Runner
) -> None:
    file = newer(nested(required=False))
    ended = run_suite("--spec", str(file), "-k", "test_fuzzing and createGrant")
    assert ended.outcome("ERR-3") == "passed", ended.output


def test_a_body_that_must_hold_itself_is_not_exercised(
    newer: Callable[..., Path], run_suite: Runner
) -> None:
    file = newer(nested(required=True))
    ended = run_suite("--spec", str(file), "-k", "createGrant and (fuzzing or revoked)")
    assert not ended.with_outcome("inconclusive"), ended.output
    assert "by the spec, nothing is a valid POST" in ended.output
    assert "a body of createGrant never ends" in ended.output

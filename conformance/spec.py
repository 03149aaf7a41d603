"""The OpenAPI description, as far as the suite needs it: operations and their schemas."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jsonschema
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

BASE_PATH = "/server/v1"
JSON = "application/json"
_URI = "urn:kraty:openapi"
_METHODS = ("get", "put", "post", "delete", "patch")


def encoded(segment: str) -> str:
    """A path segment, percent-encoded; a lone dot or two would else be folded away (HTTP-4)."""
    if segment in (".", ".."):
        return segment.replace(".", "%2E")
    return quote(segment, safe="", errors="surrogatepass")


@dataclass(frozen=True, eq=False)
class Operation:
    """One operation: `id` is its operationId, `path` its template without the base path."""

    id: str
    method: str
    path: str
    tag: str
    definition: Mapping[str, Any]
    schemas: "Schemas"

    @cached_property
    def statuses(self) -> frozenset[int]:
        """The documented statuses."""
        return frozenset(int(status) for status in self.definition["responses"])

    @property
    def takes_body(self) -> bool:
        """Whether the operation documents a request body."""
        return "requestBody" in self.definition

    @cached_property
    def body_schema(self) -> Mapping[str, Any] | None:
        """The schema of the request body, references included, or None."""
        if not self.takes_body:
            return None
        schema: Mapping[str, Any] = self.definition["requestBody"]["content"][JSON]["schema"]
        return schema

    @cached_property
    def body_validator(self) -> jsonschema.Draft202012Validator:
        """Validates a request body. KeyError for an operation that takes none."""
        return self.schemas.validator(self.definition["requestBody"]["content"][JSON]["schema"])

    def response_validator(self, status: int) -> jsonschema.Draft202012Validator | None:
        """Validates a response body of this status; None where the status is not documented."""
        return self._response_validators.get(status)

    @cached_property
    def _response_validators(self) -> dict[int, jsonschema.Draft202012Validator]:
        responses = {
            int(status): self.schemas.resolve(response)
            for status, response in self.definition["responses"].items()
        }
        return {
            status: self.schemas.validator(response["content"][JSON]["schema"])
            for status, response in responses.items()
            if JSON in response.get("content", {})
        }

    def target(self, path: Mapping[str, str], query: str = "") -> str:
        """The request target: base path, encoded path, query string."""
        filled = self.path.format(**{name: encoded(value) for name, value in path.items()})
        return BASE_PATH + filled + (f"?{query}" if query else "")


class Schemas:
    """Resolves references within one document and builds validators."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        resource: Resource[Any] = DRAFT202012.create_resource(document)
        self._registry: Registry[Any] = Registry().with_resource(_URI, resource)
        self._resolver = self._registry.resolver(_URI)

    def resolve(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        """Follow `$ref` to what it names."""
        while "$ref" in node:
            node = self._resolver.lookup(node["$ref"]).contents
        return node

    def validator(self, schema: Mapping[str, Any]) -> jsonschema.Draft202012Validator:
        """A validator that asserts formats and resolves references within the document."""
        based = {"$id": _URI + ":schema", **_absolute(schema)}
        return jsonschema.Draft202012Validator(
            based,
            registry=self._registry,
            format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER,
        )


def _absolute(schema: Any) -> Any:
    """Point local references at the document, so that a schema can be used on its own."""
    if isinstance(schema, Mapping):
        return {
            key: _URI + value if key == "$ref" and value.startswith("#") else _absolute(value)
            for key, value in schema.items()
        }
    if isinstance(schema, list):
        return [_absolute(item) for item in schema]
    return schema


class Spec:
    """The description of the API: `operations` by operationId, `document` as it was read."""

    def __init__(self, text: bytes) -> None:
        self.document: dict[str, Any] = json.loads(text)
        self.sha256 = hashlib.sha256(text).hexdigest()
        self.schemas = Schemas(self.document)
        self.operations = {
            definition["operationId"]: Operation(
                id=definition["operationId"],
                method=method.upper(),
                path=path,
                tag=definition["tags"][0],
                definition=definition,
                schemas=self.schemas,
            )
            for path, item in self.document["paths"].items()
            for method, definition in item.items()
            if method in _METHODS
        }

    @property
    def version(self) -> str:
        """The version that the document gives itself."""
        return str(self.document["info"]["version"])


@cache
def load_spec(path: Path) -> Spec:
    """Read an OpenAPI file."""
    return Spec(path.read_bytes())

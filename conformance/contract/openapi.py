"""The parts of the OpenAPI description that the suite needs: operations and their schemas."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jsonschema
import jsonschema_rs
import referencing.exceptions
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from conformance.contract.input_files import read_input
from conformance.contract.spec_limits import MAX_DEPTH, MAX_OPERATIONS, refuse_endless
from conformance.failures import NotExercised, UsageError

BASE_PATH = "/server/v1"
JSON = "application/json"
_URI = "urn:kraty:openapi"
FORMATS = jsonschema.Draft202012Validator.FORMAT_CHECKER
MAX_MEBIBYTES = 8
"""The largest OpenAPI description that is read."""
_METHODS = ("get", "put", "post", "delete", "patch")


def encoded(segment: str) -> str:
    """A path segment, percent-encoded, dots too: clients and gateways resolve `.` and `..`."""
    if segment in (".", ".."):
        return segment.replace(".", "%2E")
    return quote(segment, safe="", errors="surrogatepass")


class Validator:
    """Validates against one schema of the description, formats included.

    jsonschema decides. jsonschema-rs is many times as fast and looks first, so that jsonschema sees
    only what may be invalid.
    """

    def __init__(
        self, schema: dict[str, Any], registry: Registry[Any], document: dict[str, Any]
    ) -> None:
        self.exact = jsonschema.Draft202012Validator(
            schema, registry=registry, format_checker=FORMATS
        )
        self._schema = schema
        self._document = document

    @cached_property
    def _quick(self) -> jsonschema_rs.Validator | None:
        try:
            return jsonschema_rs.validator_for(
                self._schema,
                formats={name: partial(FORMATS.conforms, format=name) for name in FORMATS.checkers},
                validate_formats=True,
                registry=jsonschema_rs.Registry([(_URI, self._document)]),
                offline=True,
            )
        except (ValueError, jsonschema_rs.ReferencingError):
            return None  # such as a pattern that only jsonschema understands

    def is_valid(self, value: Any) -> bool:
        """Whether the value is valid."""
        return self.is_surely_valid(value) or self.exact.is_valid(value)

    def problems(self, value: Any) -> Iterator[jsonschema.ValidationError]:
        """All errors in the value."""
        if not self.is_surely_valid(value):
            yield from self.exact.iter_errors(value)

    def is_surely_valid(self, value: Any) -> bool:
        """Whether jsonschema-rs accepts the value; if it does not, it may be wrong."""
        try:
            return self._quick is not None and self._quick.is_valid(value)
        except ValueError:
            return False  # such as a lone surrogate, which UTF-8 cannot hold


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
        """The documented statuses; ranges (`4XX`) and `default` are expanded."""
        return frozenset(n for s in self.documented for n in _statuses_of(s))

    @property
    def documented(self) -> list[str]:
        """The documented statuses, as the description spells them."""
        return sorted(str(status) for status in self.definition["responses"])

    @property
    def takes_body(self) -> bool:
        """Whether the operation documents a JSON request body."""
        return JSON in self._bodies

    @cached_property
    def _bodies(self) -> Mapping[str, Any]:
        """The documented request bodies by media type."""
        body = self.schemas.resolve(self.definition.get("requestBody", {}))
        bodies: Mapping[str, Any] = body.get("content", {})
        return bodies

    @cached_property
    def body_schema(self) -> Mapping[str, Any] | None:
        """The schema of the request body, with unresolved references; None if it takes no body."""
        if not self.takes_body:
            return None
        schema: Mapping[str, Any] = self._bodies[JSON]["schema"]
        return schema

    def ignores(self, field: str) -> bool:
        """Whether a field of the body is not documented, so that it means nothing (HTTP-5)."""
        schema = self.schemas.resolve(self.body_schema or {})
        return self.method == "POST" and field not in schema.get("properties", {})

    @cached_property
    def body_validator(self) -> Validator:
        """The validator of request bodies. KeyError for an operation that takes none."""
        return self.schemas.validator(self._bodies[JSON]["schema"])

    def response_validator(self, status: int) -> Validator | None:
        """The validator of response bodies of this status; None if the status is not documented."""
        spelled = (str(status), f"{status // 100}XX", "default")
        return next((self._validators[s] for s in spelled if s in self._validators), None)

    @cached_property
    def _validators(self) -> dict[str, Validator]:
        responses = {
            str(status): self.schemas.resolve(response)
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


def _statuses_of(spelled: str) -> Iterable[int]:
    if spelled.isdigit():
        return (int(spelled),)
    first = int(spelled[0]) * 100 if spelled[0].isdigit() else 100
    return range(first, first + 100 if spelled[0].isdigit() else 600)


class Schemas:
    """Resolves references within one document and builds validators."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        resource: Resource[Any] = DRAFT202012.create_resource(document)
        self._registry: Registry[Any] = Registry().with_resource(_URI, resource)
        self._resolver = self._registry.resolver(_URI)

    def resolve(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        """Follow `$ref` to what it names."""
        while "$ref" in node:
            node = self._resolver.lookup(node["$ref"]).contents
        return node

    def validator(self, schema: Mapping[str, Any]) -> Validator:
        """The validator of a schema of the document."""
        based = {"$id": _URI + ":schema", **_absolute(schema)}
        return Validator(based, self._registry, self._document)


def _absolute(schema: Any) -> Any:
    """Make local references absolute, so that the schema can be used on its own."""
    if isinstance(schema, Mapping):
        return {
            key: _URI + value if key == "$ref" and value.startswith("#") else _absolute(value)
            for key, value in schema.items()
        }
    if isinstance(schema, list):
        return [_absolute(item) for item in schema]
    return schema


class Spec:
    """The OpenAPI description: `operations` by operationId, and the whole `document`.

    `names` maps the `shape_of` an operation to the id and path by which the suite knows it, for a
    document that has other ids or parameter names. ValueError or KeyError for a document that does
    not describe an API.
    """

    def __init__(
        self, text: bytes, names: Mapping[tuple[str, str], tuple[str, str]] | None = None
    ) -> None:
        self.document: dict[str, Any] = json.loads(text)
        self.sha256 = hashlib.sha256(text).hexdigest()
        self._strip_base_path()
        self.schemas = Schemas(self.document)
        self._rename(names or {})
        found = list(self._read(names or {}))
        self.operations = {operation.id: operation for operation in found}
        if len(self.operations) < len(found):
            raise ValueError("two operations have one operationId")

    def _strip_base_path(self) -> None:
        """Remove the base path, if the document has it in each path rather than in `servers`."""
        paths: dict[str, Any] = self.document["paths"]
        if paths and all(path.startswith(BASE_PATH + "/") for path in paths):
            stripped = {path.removeprefix(BASE_PATH): item for path, item in paths.items()}
            self.document["paths"] = stripped

    def _rename(self, names: Mapping[tuple[str, str], tuple[str, str]]) -> None:
        """Give the parameters of known paths the names by which the suite knows them."""
        known = {shape: path for (_, shape), (_, path) in names.items()}
        paths = {}
        for path, item in self.document["paths"].items():
            own = known.get(shape_of("", path)[1], path)
            renamed = dict(zip(_parameters(path), _parameters(own), strict=True))
            for part in (item, *(item[method] for method in _METHODS if method in item)):
                if renamed and "parameters" in part:
                    part["parameters"] = [
                        {
                            **self.schemas.resolve(one),
                            **_renaming(self.schemas.resolve(one), renamed),
                        }
                        for one in part["parameters"]
                    ]
            paths[own] = item
        self.document["paths"] = paths

    def _read(self, names: Mapping[tuple[str, str], tuple[str, str]]) -> Iterator[Operation]:
        for path, item in self.document["paths"].items():
            for method in _METHODS:
                if method in item:
                    definition = item[method]
                    known = names.get(shape_of(method, path))
                    yield Operation(
                        id=(known and known[0])
                        or definition.get("operationId")
                        or f"{method} {path}",
                        method=method.upper(),
                        path=path,
                        tag=(definition.get("tags") or ["other"])[0],
                        definition={"parameters": item.get("parameters", []), **definition},
                        schemas=self.schemas,
                    )

    def operation(self, id: str) -> Operation:
        """The operation of this id; NotExercised if the description has none."""
        if id not in self.operations:
            raise NotExercised(f"{id} is not in the OpenAPI description")
        return self.operations[id]

    @property
    def version(self) -> str:
        """The version in the document."""
        return str(self.document["info"]["version"])


def _parameters(path: str) -> list[str]:
    return re.findall(r"{([^}]*)}", path)


def _renaming(parameter: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, str]:
    own = names.get(parameter.get("name", "")) if parameter.get("in") == "path" else None
    return {"name": own} if own else {}


def shape_of(method: str, path: str) -> tuple[str, str]:
    """Method and path of an operation, without the names of its parameters."""
    return method.upper(), re.sub(r"{[^}]*}", "{}", path)


@cache
def load_spec(path: Path) -> Spec:
    """Read an OpenAPI file."""
    return Spec(path.read_bytes())


@cache
def load_newer_spec(path: Path, bundled: Path) -> Spec:
    """Read a user's OpenAPI file. Operations of the `bundled` one keep their ids.

    UsageError for a file that cannot be used.
    """
    known = load_spec(bundled).operations.values()
    names = {shape_of(one.method, one.path): (one.id, one.path) for one in known}
    text = read_input(path, "the spec", MAX_MEBIBYTES)
    try:
        refuse_endless(json.loads(text))
        spec = Spec(text, names)
        if len(spec.operations) > MAX_OPERATIONS:
            raise ValueError(f"it has more than {MAX_OPERATIONS} operations")
        if "ping" not in spec.operations or not isinstance(spec.version, str):
            raise ValueError(f"it has no GET {BASE_PATH}/ping")
        for operation in spec.operations.values():
            operation.response_validator(200)
            _ = operation.statuses, operation.body_schema
    except RecursionError:
        deep = f"it is nested more than {MAX_DEPTH} levels deep"
        raise UsageError(f"the spec {path} is not a usable OpenAPI description: {deep}") from None
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        referencing.exceptions.Unresolvable,
    ) as error:
        raise UsageError(f"the spec {path} is not a usable OpenAPI description: {error}") from None
    return spec

"""Decides from the bytes that were sent whether a request is valid.

A generator may be wrong about what it generates. So before a server is accused of accepting an
invalid request, or of refusing a valid one, the request is read again here. If the contract leaves
the point free (its section 3, "FREE everywhere"), the server is not accused.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import cache, lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

import jsonschema

from conformance.contract.openapi import BASE_PATH, JSON, Operation, Schemas
from conformance.http.exchange import Request, header

MAX_EXACT = 2**53 - 1
LONG_ID = 200
LARGE_BODY = 100_000
DEEP = 50
_LONGEST_NUMBER = 400
_LEAP = re.compile(r"(:\d\d):60")
"""A leap second, which RFC 3339 knows and Python does not."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class Validity(Enum):
    """What may be expected of the server."""

    VALID = "valid"
    FREE = "free"
    MALFORMED = "malformed"


@dataclass
class _Survey:
    """What a JSON value contains, keys included.

    `ambiguous`: an object has a key twice. `usual`: the contract defines every string and number
    in it. `depth`: how deep it is nested.
    """

    ambiguous: bool = False
    usual: bool = True
    depth: int = 0


@lru_cache(maxsize=8)
def classify(operation: Operation, request: Request) -> Validity:
    """Judge a request to `operation`; several rules ask, so the last answers are kept."""
    body = _classify_body(operation, request)
    in_chunks = header(request.headers, "transfer-encoding") is not None  # may get 411
    plain = not in_chunks and is_plain_target(operation, request.target)
    return Validity.FREE if body is Validity.VALID and not plain else body


def _classify_body(operation: Operation, request: Request) -> Validity:
    if not operation.takes_body:
        return Validity.FREE if request.body else Validity.VALID
    if _may_count_as_missing(operation, request):
        return Validity.FREE
    try:
        body = read_json(request.body)
    except RecursionError:
        return Validity.FREE
    except ValueError:
        return Validity.MALFORMED
    survey = _survey(body)
    if survey.ambiguous:
        return Validity.FREE
    return _classify_json(operation, request, body, survey)


def _may_count_as_missing(operation: Operation, request: Request) -> bool:
    """Whether no field is required and the server may see no JSON body at all."""
    if (operation.body_schema or {}).get("required"):
        return False
    return request.body.strip() in (b"", b"null") or not _is_json(request)


def _classify_json(operation: Operation, request: Request, body: Any, survey: _Survey) -> Validity:
    if operation.body_validator.is_valid(body):
        usual = survey.usual and body.get("rows") != []
        sane = len(request.body) <= LARGE_BODY and survey.depth <= DEEP
        return Validity.VALID if usual and sane and _is_json(request) else Validity.FREE
    return Validity.FREE if _relaxed_validator(operation).is_valid(body) else Validity.MALFORMED


def read_json(raw: bytes) -> Any:
    """Parse strictly: UTF-8, no NaN. ValueError for text that is not JSON.

    RecursionError for a value that is nested too deep to be read here. An object with a duplicate
    key is returned as `_Ambiguous`. Numbers with hundreds of digits are shortened, which leaves
    them far beyond every exact number.
    """
    return _READER.decode(raw.decode("utf-8"))


def unambiguous(raw: bytes) -> Any:
    """The JSON of a body; None for what is none, or has a key twice or is nested too deep."""
    try:
        body = read_json(raw)
    except (ValueError, RecursionError):
        return None
    return None if _survey(body).ambiguous else body


class _Ambiguous(dict[str, Any]):
    """An object with a duplicate key, which no rule gives a meaning."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    return members if len(members) == len(pairs) else _Ambiguous(members)


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_READER = json.JSONDecoder(
    parse_constant=_refuse,
    parse_int=lambda digits: int(digits[:_LONGEST_NUMBER]),
    object_pairs_hook=_object,
)


def _is_json(request: Request) -> bool:
    content_type = header(request.headers, "content-type") or ""
    return content_type.partition(";")[0].strip().lower() == JSON


@cache
def _relaxed_validator(operation: Operation) -> jsonschema.Draft202012Validator:
    """Accepts what the schema accepts, and what the contract leaves free.

    That is: null for an optional field, any row (an invalid one fails alone or refuses the batch,
    MIG-3), and a date-time that follows ISO 8601 but not RFC 3339.
    """
    formats = jsonschema.FormatChecker(formats=())
    formats.checks("date-time", raises=(TypeError, ValueError))(_iso)
    schema = _relaxed(operation.body_schema, operation.schemas)
    return jsonschema.Draft202012Validator(schema, format_checker=formats)


def _relaxed(schema: Any, schemas: Schemas, within: tuple[str, ...] = ()) -> Any:
    """The schema without references; one that is `within` itself takes anything there."""
    if isinstance(schema, list):
        return [_relaxed(item, schemas, within) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    reference = schema.get("$ref")
    if reference in within:
        return {}
    within = (*within, reference) if isinstance(reference, str) else within
    schema = schemas.resolve(schema)
    relaxed = {keyword: _relaxed(value, schemas, within) for keyword, value in schema.items()}
    for name, declared in relaxed.get("properties", {}).items():
        if name == "rows":
            del declared["items"]
        if name not in schema.get("required", ()):
            relaxed["properties"][name] = {"anyOf": [declared, {"type": "null"}]}
    return relaxed


def _iso(text: object) -> bool:
    return not isinstance(text, str) or bool(datetime.fromisoformat(_LEAP.sub(r"\1:59", text)))


def _plain(value: Any) -> bool:
    """Whether the contract defines what this value means."""
    if isinstance(value, str):
        return 0 < len(value) <= LONG_ID and not _CONTROL.search(value)
    if isinstance(value, float):
        return False
    return not isinstance(value, int) or abs(value) <= MAX_EXACT


def _survey(value: Any) -> _Survey:
    """Survey a value, level by level."""
    found, level = _Survey(), [value]
    while level:
        found.depth += 1
        nodes, level = level, []
        for node in nodes:
            if isinstance(node, dict):
                found.ambiguous = found.ambiguous or isinstance(node, _Ambiguous)
                level += node.keys()
                level += node.values()
            elif isinstance(node, list):
                level += node
            elif found.usual:
                found.usual = _plain(node)
    return found


def is_plain_target(operation: Operation, target: str) -> bool:
    """Whether the contract defines each path parameter, and `limit` is a number."""
    path, _, query = target.partition("?")
    segments = path.removeprefix(BASE_PATH).split("/")
    template = operation.path.split("/")
    if len(segments) != len(template):
        return False
    for sent, declared in zip(segments, template, strict=True):
        if declared.startswith("{") and not _plain_segment(sent):
            return False
    return not query or re.fullmatch(r"limit=[1-9][0-9]{0,2}", query) is not None


def _plain_segment(segment: str) -> bool:
    try:
        text = unquote_to_bytes(segment).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return _plain(text) and text not in (".", "..")

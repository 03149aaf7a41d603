"""Generates cases for one operation: systematic and random ones, valid and invalid.

Schemathesis generates them from a changed copy of the spec. There, values that name things on the
server have their own format (see `placeholders`), amounts stay in the range that the contract
defines, and examples are left out, since they would repeat one idempotency key. Whether a request
is valid is judged by the real spec (see `contract.request_validity`).
"""

import copy
from collections.abc import Callable
from functools import cache
from typing import Any

import hypothesis
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig
from schemathesis.generation.case import Case
from schemathesis.generation.hypothesis.builder import (
    HypothesisTestConfig,
    HypothesisTestMode,
    create_test,
)
from schemathesis.schemas import BaseSchema

from conformance.contract.openapi import Spec
from conformance.failures import NotExercised
from conformance.fuzzing import placeholders

MAX_AMOUNT = 2**31 - 1
MAX_SEATS = 64

FUZZING_MODES = [GenerationMode.POSITIVE] * 4 + [GenerationMode.NEGATIVE]
"""One random case in five is invalid; most systematic cases are invalid already."""

PARAMETER_KINDS = {
    "externalId": "player",
    "fromExternalId": "source",
    "toExternalId": "target",
    "grantId": "grant",
    "lobbyId": "lobby",
    "gameId": "game",
    "eventKey": "event",
    "itemKey": "item",
    "economyKey": "currency",
}
PROPERTY_KINDS = {
    "idempotencyKey": "key",
    "key": "key",
    "externalPlayerId": "player",
    "externalPlayerIds": "player",
    "itemKey": "item",
    "economyKey": "currency",
    "currencyKey": "currency",
    "crateItemKey": "crate",
}
MAXIMA = {"amount": MAX_AMOUNT, "quantity": MAX_AMOUNT, "capacity": MAX_SEATS}

SETTINGS = hypothesis.settings(
    database=None,
    deadline=None,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
    print_blob=False,
)


@cache
def generating_schema(spec: Spec) -> BaseSchema:
    """The schema that Schemathesis generates from."""
    for kind in placeholders.KINDS:
        schemathesis.openapi.format(placeholders.format_name(kind), placeholders.strategy(kind))
    schema = schemathesis.openapi.from_dict(generating_document(spec), config=SchemathesisConfig())
    schema.config.phases.coverage.unexpected_methods = set()
    schema.config.phases.fuzzing.generation.update(modes=FUZZING_MODES)
    return schema


def generating_document(spec: Spec) -> dict[str, Any]:
    """The changed copy of the spec."""
    document = copy.deepcopy(spec.document)
    document.pop("security", None)
    for operation in spec.operations.values():
        definition = document["paths"][operation.path][operation.method.lower()]
        for parameter in definition.get("parameters", []):
            kind = PARAMETER_KINDS.get(parameter["name"])
            if operation.id == "deletePlayer":
                kind = "doomed"
            if kind and parameter["in"] == "path":
                _mark(parameter["schema"], kind)
    _annotate(document)
    return document


def _annotate(node: Any) -> None:
    """Give properties that name things their format, and amounts a maximum; remove examples."""
    if isinstance(node, list):
        for item in node:
            _annotate(item)
    if not isinstance(node, dict):
        return
    node.pop("example", None)
    properties = node.get("properties")
    for name, declared in (properties if isinstance(properties, dict) else {}).items():
        if name in PROPERTY_KINDS:
            _mark(declared.get("items", declared), PROPERTY_KINDS[name])
        if name in MAXIMA and declared.get("type") == "integer":
            declared["maximum"] = MAXIMA[name]
    for value in node.values():
        _annotate(value)


def _mark(schema: dict[str, Any], kind: str) -> None:
    if schema.get("type") == "string":
        schema["format"] = placeholders.format_name(kind)


def run_cases(
    schema: BaseSchema,
    path: str,
    method: str,
    check: Callable[[Case[Any]], None],
    *,
    examples: int,
    seed: int,
) -> None:
    """Generate the cases of one operation, check each, and shrink the first that fails.

    Raises what `check` raised for the smallest failing case; NotExercised if the spec allows none.
    """
    settings = hypothesis.settings(SETTINGS, max_examples=examples)
    config = HypothesisTestConfig(
        project=schema.config,
        modes=list(HypothesisTestMode),
        settings=settings,
        explicit_settings=settings,
        seed=seed,
        apply_ci_profile=False,
    )

    def test(case: Case[Any]) -> None:
        check(case)

    try:
        create_test(operation=schema[path][method], test_func=test, config=config)()
    except Unsatisfiable:
        raise NotExercised(f"by the spec, nothing is a valid {method} {path}") from None

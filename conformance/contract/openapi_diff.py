"""Lists what a newer OpenAPI description changes."""

import json
from typing import Any

from conformance.contract.openapi import Operation, Spec, shape_of


def revisions(bundled: Spec, given: Spec) -> list[str]:
    """A line for each operation that is added, removed or changed."""
    before, after = bundled.operations, given.operations
    return [
        *(f"the spec adds {id} ({_call(after[id])})" for id in after if id not in before),
        *(f"the spec has no {id} ({_call(before[id])})" for id in before if id not in after),
        *(
            f"the spec changes {id}: {', '.join(changed)}"
            for id in before
            if id in after and (changed := _changed(before[id], after[id]))
        ),
    ]


def _call(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


def _changed(before: Operation, after: Operation) -> list[str]:
    parts = {"parameters": "parameters", "requestBody": "request body", "responses": "responses"}
    changed = [
        word
        for name, word in parts.items()
        if _whole(before, before.definition.get(name)) != _whole(after, after.definition.get(name))
    ]
    shapes = {shape_of(operation.method, operation.path) for operation in (before, after)}
    return changed if len(shapes) == 1 else [*changed, "path"]


def _whole(operation: Operation, node: Any) -> str:
    """A part of the description, with references resolved and without descriptions."""
    return json.dumps(_followed(operation, node, (), {}), sort_keys=True)


def _followed(
    operation: Operation, node: Any, above: tuple[str, ...], known: dict[str, Any]
) -> Any:
    """The node with references resolved; `known` keeps what each of them resolves to."""
    if isinstance(node, list):
        return [_followed(operation, item, above, known) for item in node]
    if not isinstance(node, dict):
        return node
    name = node.get("$ref")
    if isinstance(name, str):
        if name in above:
            return name
        if name not in known:
            resolved = dict(operation.schemas.resolve(node))
            known[name] = _followed(operation, resolved, (*above, name), known)
        return known[name]
    return {
        key: _followed(operation, value, above, known)
        for key, value in node.items()
        if key not in ("description", "summary", "example", "examples", "title")
    }

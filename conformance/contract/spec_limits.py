"""Limits on a user's OpenAPI description, so that reading it ends."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

MAX_DEPTH = 100
"""Levels of nesting; the bundled description has 13."""
MAX_OPERATIONS = 500
MAX_PARTS = 500_000
"""Parts of the description with each reference replaced by what it names, recursion aside."""
IN_PLACE = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else")
"""Keywords whose schemas judge the same value: a circle through them has no end."""


def refuse_endless(document: Any) -> None:
    """ValueError for a description that is nested too deeply, or whose references have no end."""
    _refuse_depth(document)
    references = _References(document)
    references.refuse_circles()
    references.refuse_growth()


def _refuse_depth(document: Any) -> None:
    level, nodes = 0, [document]
    while nodes:
        level += 1
        if level > MAX_DEPTH:
            raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")
        nodes = [part for node in nodes for part in _parts(node)]


def _parts(node: Any) -> list[Any]:
    """The objects and lists in a node."""
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return [part for part in inner if isinstance(part, (dict, list))]


class _References:
    """The references of a document, by their text."""

    def __init__(self, document: Any) -> None:
        self._document = document
        self._sizes: dict[str, int] = {}

    def refuse_circles(self) -> None:
        """ValueError for a reference that leads back to itself before it names anything."""
        ended: set[str] = set()
        for name in _names(self._document):
            self._follow(name, [], ended)

    def _follow(self, name: str, above: list[str], ended: set[str]) -> None:
        if name in above or len(above) > MAX_DEPTH:
            circle = " → ".join([*above[above.index(name) if name in above else 0 :], name])
            raise ValueError(f"its references run in a circle: {circle[:300]}")
        if name not in ended:
            for next_name in _in_place(self._target(name)):
                self._follow(next_name, [*above, name], ended)
            ended.add(name)

    def refuse_growth(self) -> None:
        """ValueError for references to references that together describe far too much."""
        if self._size(self._document, ()) > MAX_PARTS:
            raise ValueError(f"its references describe more than {MAX_PARTS:,} parts")

    def _size(self, node: Any, above: tuple[str, ...]) -> int:
        name = node.get("$ref") if isinstance(node, dict) else None
        if isinstance(name, str):
            if name in above or len(above) > MAX_DEPTH:
                return 1
            if name not in self._sizes:
                self._sizes[name] = self._size(self._target(name), (*above, name))
            return self._sizes[name]
        return 1 + sum(self._size(part, above) for part in _parts(node))

    def _target(self, name: str) -> Any:
        """What a reference names in the document; None if there is nothing."""
        node = self._document
        for part in name.removeprefix("#").split("/")[1:]:
            key = unquote(part).replace("~1", "/").replace("~0", "~")
            if isinstance(node, list) and key.isdigit():
                node = node[int(key)] if int(key) < len(node) else None
            else:
                node = node.get(key) if isinstance(node, dict) else None
        return node if name.startswith("#") else None


def _names(node: Any) -> Iterator[str]:
    """All references in a document."""
    if isinstance(node, dict) and isinstance(node.get("$ref"), str):
        yield node["$ref"]
    for part in _parts(node):
        yield from _names(part)


def _in_place(node: Any) -> Iterator[str]:
    """The references that are followed before anything of a value is looked at."""
    if not isinstance(node, dict):
        return
    if isinstance(node.get("$ref"), str):
        yield node["$ref"]
    for keyword in IN_PLACE:
        inner = node.get(keyword)
        for schema in inner if isinstance(inner, list) else [inner]:
            yield from _in_place(schema)

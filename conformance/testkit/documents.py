"""Finds things in profiles and exports by their ids."""

from collections.abc import Iterable, Iterator
from typing import Any

from conformance.client.api import JsonObject

SHORT = 10
"""A number with fewer digits may be one of a sequence."""


def ids(rows: Iterable[JsonObject]) -> list[str]:
    """The ids of the rows of an export, sorted."""
    return sorted(str(row["id"]) for row in rows)


def mention(document: Any, id: str) -> dict[str, Any] | None:
    """The first object of a document that has the id as a value, or None.

    The members of a profile have no fixed names, so a scenario finds things in it by their ids.
    An id that is itself a row of a list is returned as `{"id": id}`.
    """
    return next(mentions(document, id), None)


def mentions(document: Any, id: str) -> Iterator[dict[str, Any]]:
    """Every such object. A player, a grant and a lobby may share an id: tables count from 1."""
    if isinstance(document, dict):
        if id in [value for value in document.values() if isinstance(value, str)]:
            yield document
        document = list(document.values())
    if isinstance(document, list):
        if id in document:
            yield {"id": id}
        for item in document:
            yield from mentions(item, id)


def row_of(rows: Iterable[dict[str, Any]], id: object) -> dict[str, Any] | None:
    """The row of an export's list with this id, or None."""
    return next((row for row in rows if row["id"] == id), None)


def lists_of(document: Any) -> Iterator[list[Any]]:
    """Every list of a profile, at any depth: their names are free."""
    if isinstance(document, list):
        yield document
        for item in document:
            yield from lists_of(item)
    if isinstance(document, dict):
        for value in document.values():
            yield from lists_of(value)


def is_short_number(id: str) -> bool:
    """Whether an id is so short a number that something of another kind may have it too."""
    return id.isascii() and id.isdigit() and len(id) < SHORT


def with_another_end(id: str) -> str:
    """An unused id of the same form: the last four characters are changed.

    A number gets a billion more: the next numbers may be other ids, some of them used.
    """
    if is_short_number(id):
        return str(int(id) + 10**9)
    changed = "".join("1" if c != "1" else "2" for c in id[-4:])
    return id[:-4] + changed

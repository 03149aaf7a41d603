"""Files of a campaign: a line for what it is, then a line for each trial."""

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from conformance.failures import UsageError

T = TypeVar("T")
Head = dict[str, Any]


def read_lines(
    path: Path, format: str, command: str, make: Callable[..., T]
) -> tuple[Head, list[T]]:
    """The head of a file of this format, and what is made of the members of each other line.

    UsageError for any other file.
    """
    first, *lines = path.read_text(encoding="utf-8").splitlines() or [""]
    made = []
    try:
        head: Head = json.loads(first)
        if head["format"] != format:
            raise ValueError
        for line in lines:
            with suppress(ValueError):  # a killed campaign leaves half a line
                made.append(make(**json.loads(line)))
    except (ValueError, TypeError, KeyError):
        raise UsageError(f"{path} is not a journal of `{command}`") from None
    return head, made


def write_lines(path: Path, head: Mapping[str, Any], rows: Iterable[Any]) -> None:
    """Write the whole file, each row a dataclass."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    new.write_text("".join([json.dumps(head) + "\n", *map(_line, rows)]), encoding="utf-8")
    new.replace(path)


def append_line(path: Path, row: Any) -> None:
    """Add one row at the end."""
    with path.open("a", encoding="utf-8") as file:
        file.write(_line(row))


def _line(row: Any) -> str:
    filled = {name: value for name, value in asdict(row).items() if value not in ("", [], {})}
    return json.dumps(filled) + "\n"

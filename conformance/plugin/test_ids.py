"""What a test is called, and what it decides."""

from functools import cache
from pathlib import Path

import pytest

from conformance import resources


def requirements_of(item: pytest.Item) -> list[str]:
    """The ids that the scenario's markers name."""
    return [id for marker in item.iter_markers("requirement") for id in marker.args]


def test_id(item: pytest.Item) -> str:
    """The same id wherever the package is installed: `scenarios/test_x.py::test_y[z]`."""
    path, _, name = item.nodeid.partition("::")
    return f"{_place(item.path) or path}::{name}"


@cache
def _place(path: Path) -> str | None:
    """A module's path from where the scenarios are; None for a module that is elsewhere."""
    home = resources.scenarios().parent.resolve()
    return path.relative_to(home).as_posix() if home in path.parents else None

"""What a test is called, and what it decides."""

import pytest

from conformance import resources


def requirements_of(item: pytest.Item) -> list[str]:
    """The ids that the scenario's markers name."""
    return [id for marker in item.iter_markers("requirement") for id in marker.args]


def test_id(item: pytest.Item) -> str:
    """The same id wherever the package is installed: `scenarios/test_x.py::test_y[z]`."""
    path, _, name = item.nodeid.partition("::")
    home = resources.scenarios().parent.resolve()
    if home in item.path.parents:
        path = item.path.relative_to(home).as_posix()
    return f"{path}::{name}"

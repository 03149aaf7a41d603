"""Registers the suite's options early, in this checkout only.

pytest looks for its configuration beside every argument that is a path, before it knows the
options of a conftest: `--target /elsewhere/staging.toml` would lead it away from the checkout.
This entry point is installed with the package, so the options are known wherever pytest looks;
outside the checkout it does nothing, so it cannot collide with the plugins of other projects.
"""

from pathlib import Path

import pytest

from conformance import resources


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Load the plugin where pytest was called in the checkout."""
    del parser
    here = Path.cwd().resolve()
    in_checkout = (resources.CHECKOUT / "conftest.py").exists()
    if in_checkout and (here == resources.CHECKOUT or resources.CHECKOUT in here.parents):
        pluginmanager.import_plugin("conformance.plugin")

"""Declares the options of the suite to pytest, and reads them."""

from typing import Any

import pytest

from conformance.options import OPTIONS


def add_options(group: pytest.OptionGroup) -> None:
    """Declare the options to pytest."""
    for option in OPTIONS:
        group.addoption(option.flag, **option.for_argparse)


def option_value(config: pytest.Config, flag: str) -> Any:
    """The value of one of the options."""
    option = next(option for option in OPTIONS if option.flag == flag)
    return config.getoption(option.dest)

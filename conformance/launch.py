"""How the suite is started from outside a checkout: the arguments that pytest needs."""

import re
from collections.abc import Sequence
from pathlib import Path

from conformance import resources


def pytest_arguments(arguments: Sequence[str]) -> list[str]:
    """The arguments for pytest: configuration, plugin and, unless modules are named, scenarios."""
    named = any(names_a_module(argument) for argument in arguments)
    return [
        *("-c", str(resources.PACKAGE / "pytest.ini")),
        *("--rootdir", str(resources.scenarios().parent)),
        *("-p", "conformance.plugin"),
        *("-p", "no:cacheprovider"),
        # Schemathesis' own plugin is for tests that it makes; here it only generates requests.
        *("-p", "no:schemathesis"),
        # Scenarios explain themselves; rewriting their few assertions takes seconds where Python
        # may not keep what was rewritten.
        "--assert=plain",
        # What a failure has to say is the suite's own; rendering its source lines takes long.
        "--tb=native",
        *(["--dist=worksteal"] if shares_work(arguments) else []),
        *("--allow-live=reads" if word == "--allow-live" else word for word in arguments),
        *([] if named else [str(resources.scenarios())]),
    ]


def shares_work(arguments: Sequence[str]) -> bool:
    """Whether several processes are asked for, and it is not said how they share the tests."""
    several = any(re.match(r"-n|--numprocesses", argument) for argument in arguments)
    return several and not any(argument.startswith("--dist") for argument in arguments)


def names_a_module(argument: str) -> bool:
    """Whether an argument selects scenarios: a module, or a test in one."""
    path = Path(argument.partition("::")[0])
    return path.suffix == ".py" and path.exists()

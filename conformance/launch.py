"""How the suite is started from outside a checkout: the arguments that pytest needs."""

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
        *("--allow-live=reads" if word == "--allow-live" else word for word in arguments),
        *([] if named else [str(resources.scenarios())]),
    ]


def names_a_module(argument: str) -> bool:
    """Whether an argument selects scenarios: a module, or a test in one."""
    path = Path(argument.partition("::")[0])
    return path.suffix == ".py" and path.exists()

"""How the suite is started from outside a checkout: the arguments that pytest needs."""

import os
import re
from argparse import ArgumentError, ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from conformance import resources
from conformance.failures import UsageError
from conformance.settings.options import OPTIONS
from conformance.settings.profiles import PROFILES

PROCESSES = 2
"""How many work on a whole run, where there are two cores."""
PYTESTS_OWN = ("PYTEST_ADDOPTS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD")
"""Variables of the environment that tell pytest what it may not have several processes with."""
VERBOSITY = ("-q", "-qq", "-v", "-vv")


def pytest_arguments(arguments: Sequence[str]) -> list[str]:
    """The arguments for pytest: configuration, plugin and, unless modules are named, scenarios."""
    _, for_pytest = options_of(arguments)
    named = any(names_a_module(argument) for argument in for_pytest)
    return [
        *("-c", str(resources.PACKAGE / "pytest.ini")),
        *("--rootdir", str(resources.scenarios().parent)),
        *("-p", "conformance.plugin"),
        *("-p", "no:cacheprovider"),
        # Plugins for tests that are made with these libraries, of which there are none here.
        *("-p", "no:schemathesis", "-p", "no:hypothesispytest", "-p", "no:anyio"),
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


def shared_by_default(arguments: Sequence[str]) -> list[str]:
    """The arguments, with several processes asked for where a whole run may have them.

    A run of a few tests, or one that has any other option of pytest, stays in one process:
    there they start longer than they save, or are in the way.
    """
    options, rest = options_of(arguments)
    plain = set(rest) <= set(VERBOSITY) and not any(name in os.environ for name in PYTESTS_OWN)
    if plain and is_large(options) and cores() > 1:
        return [*arguments, "-n", str(PROCESSES)]
    return list(arguments)


def is_large(options: Namespace) -> bool:
    """Whether the suite's own options ask for all tests, on a server with nobody's money on it."""
    few = PROFILES[options.profile].most_requests is not None
    return not (few or options.requirement or options.allow_live)


def options_of(arguments: Sequence[str]) -> tuple[Namespace, list[str]]:
    """The suite's own options, by their flags' names, and all other arguments.

    UsageError for a wrong one.
    """
    parser = ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for option in OPTIONS:
        name = option.flag.removeprefix("--").replace("-", "_")
        parser.add_argument(option.flag, **{**option.for_argparse, "dest": name})
    try:
        return parser.parse_known_args(arguments)
    except ArgumentError as error:
        raise UsageError(str(error)) from None


def cores() -> int:
    """How many processes this one may run at the same time."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def names_a_module(argument: str) -> bool:
    """Whether an argument selects scenarios: a module, or a test in one."""
    path = Path(argument.partition("::")[0])
    return path.suffix == ".py" and path.exists()

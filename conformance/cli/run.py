"""`kraty-conformance run`: runs the suite with pytest, in this process."""

import os
import sys
from collections.abc import Sequence

import click

from conformance.cli.stopping import stop
from conformance.failures import UsageError
from conformance.lifecycle.pytest_args import options_of, pytest_arguments, shared_by_default
from conformance.lifecycle.server_process import boot_early, stop_early
from conformance.results.verdict import EXIT_CODES, EXIT_USAGE, Verdict
from conformance.settings.options import OPTIONS

EXITS = """
\b
Exit codes:
  0  conformant
  1  not conformant
  2  wrong usage or target file
  3  inconclusive: unreachable, no valid key, interrupted, undecided
"""


PYTEST_USAGE_ERROR = 4
WITHOUT_A_SERVER = {
    *("-h", "--help", "--version", "-V", "--markers", "--cache-show"),
    *("--collect-only", "--collectonly", "--co", "--setup-plan", "--setupplan"),
    *("--fixtures", "--funcargs", "--fixtures-per-test"),
}
"""Options of pytest that run no test."""


def _forwarded() -> str:
    rows = [
        f"  {option.flag} {option.metavar or ''}\n{' ' * 22}{option.help}" for option in OPTIONS
    ]
    return "\n".join(["\b", "Options of the suite:", *rows])


@click.command(
    name="run",
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    help=f"""Run the suite; without a URL or target, against the bundled server.

{_forwarded()}

Everything else goes to pytest: -k NAME, -x, -n WORKERS, a scenario's path. A whole run takes
several processes where there are two cores and nothing goes to pytest; -n 0 keeps it in one.
{EXITS}""",
)
@click.pass_context
def run_suite(context: click.Context) -> None:
    """Hand over to pytest with this package's plugin and scenarios."""
    try:
        arguments = pytest_arguments(shared_by_default(context.args))
        boot_if_wanted(context.args)
    except UsageError as error:
        stop(str(error))
    try:
        import pytest  # noqa: PLC0415 - the bundled server boots meanwhile

        code = pytest.main(arguments)
    except KeyboardInterrupt:  # pytest, which would have dealt with it, was not loaded yet
        stop("interrupted before anything was tested", EXIT_CODES[Verdict.INCONCLUSIVE])
    finally:
        stop_early()
    sys.exit(EXIT_USAGE if code == PYTEST_USAGE_ERROR else code)


def boot_if_wanted(arguments: Sequence[str]) -> None:
    """Start the bundled server if the arguments name no other: it boots while pytest is loaded.

    A wrong guess costs only time. UsageError for a wrong option.
    """
    environment = os.environ.get("PYTEST_ADDOPTS", "").split()
    options, rest = options_of([*environment, *arguments])
    if not (options.base_url or options.target or WITHOUT_A_SERVER & set(rest)):
        boot_early(options.fault)

"""`kraty-conformance run`: runs the suite with pytest, in this process."""

import os
import sys
from collections.abc import Mapping, Sequence

import click

from conformance.cli.help import ForwardingCommand, GroupedOption
from conformance.cli.stopping import stop
from conformance.failures import UsageError
from conformance.lifecycle.pytest_args import options_of, pytest_arguments, shared_by_default
from conformance.lifecycle.server_process import boot_early, stop_early
from conformance.results.verdict import EXIT_CODES, EXIT_USAGE, Verdict
from conformance.settings.options import OPTIONS, Option

EXITS = {
    0: "conformant",
    1: "not conformant, or the list of known failures is outdated",
    2: "wrong usage, wrong target file, or a live key",
    3: "inconclusive: unreachable, no valid key, interrupted, undecided",
}
EXAMPLES = (
    "kraty-conformance run                                the bundled server",
    "kraty-conformance run --target staging.toml",
    "kraty-conformance run --target staging.toml --profile quick",
    "kraty-conformance run --target staging.toml --known-failures known.toml",
    'kraty-conformance run --requirement GRANT-4 -x       pytest has -x, -k "NAME", -n 0, --pdb',
)
COMPLETED: Mapping[str, click.Path] = {
    "FILE": click.Path(dir_okay=False),
    "DIR": click.Path(file_okay=False),
}
"""What a shell completes, by the names of values."""
PYTEST_USAGE_ERRORS = (4, 5)
"""pytest was called wrongly, or there is no test to list."""
WITHOUT_A_SERVER = {
    *("-h", "--help", "--version", "-V", "--markers", "--cache-show"),
    *("--collect-only", "--collectonly", "--co", "--setup-plan", "--setupplan"),
    *("--fixtures", "--funcargs", "--fixtures-per-test"),
}
"""Options of pytest that run no test."""


def _shown(option: Option) -> GroupedOption:
    """An option of the suite as click shows and completes it."""
    choices = option.more.get("choices")
    return GroupedOption(
        [option.flag],
        metavar=option.metavar,
        help=option.help,
        default=option.default,
        show_default=option.default is not None,
        is_flag=option.metavar is None,
        type=click.Choice(choices) if choices else COMPLETED.get(option.metavar or ""),
        group=option.group,
    )


@click.command(
    name="run",
    short_help="Run the suite against a server.",
    cls=ForwardingCommand,
    params=[_shown(option) for option in OPTIONS],
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    examples=EXAMPLES,
    exit_codes=EXITS,
    options_metavar="[OPTIONS] [PYTEST OPTIONS]",
    help="""Run the suite; without a URL or target, against the bundled server.

    Options that are not listed here go to pytest. A whole run takes two processes where there are
    two cores and nothing goes to pytest; -n 0 keeps it in one.""",
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
    except Exception as error:  # of pytest: it cannot print every interruption (Python 3.11)
        stop(f"pytest failed: {error!r}", EXIT_CODES[Verdict.INCONCLUSIVE])
    finally:
        stop_early()
    sys.exit(EXIT_USAGE if code in PYTEST_USAGE_ERRORS else code)


def boot_if_wanted(arguments: Sequence[str]) -> None:
    """Start the bundled server if the arguments name no other: it boots while pytest is loaded.

    A wrong guess costs only time. UsageError for a wrong option.
    """
    environment = os.environ.get("PYTEST_ADDOPTS", "").split()
    options, rest = options_of([*environment, *arguments])
    if not (options.base_url or options.target or WITHOUT_A_SERVER & set(rest)):
        boot_early(options.fault)

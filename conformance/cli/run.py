"""`kraty-conformance run`: runs the suite in a pytest process."""

import signal
import subprocess
import sys

import click

from conformance.cli.stopping import stop
from conformance.failures import UsageError
from conformance.lifecycle.pytest_args import pytest_arguments, shared_by_default
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
    except UsageError as error:
        stop(str(error))
    process = subprocess.Popen([sys.executable, "-m", "conformance.cli.testing", *arguments])
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    code = wait(process)
    if code < 0:
        how = "`kraty-conformance report DIR` makes a report of what it knew, `clean DIR` erases"
        print(f"kraty-conformance: pytest was killed by signal {-code}; {how}", file=sys.stderr)
    sys.exit(exit_code(code))


def wait(process: subprocess.Popen[bytes]) -> int:
    """Wait for pytest to end; a Ctrl-C reaches it too, and it still has its results to write."""
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def exit_code(code: int) -> int:
    """The exit code of `run`: pytest has another for wrong usage, and a signal decides nothing."""
    if code < 0:
        return EXIT_CODES[Verdict.INCONCLUSIVE]
    return EXIT_USAGE if code == PYTEST_USAGE_ERROR else code

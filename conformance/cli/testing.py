"""The process of `kraty-conformance run` in which pytest runs.

    python -m conformance.cli.testing ARGUMENTS

Takes pytest's arguments. The bundled server takes as long to boot as pytest and the suite take to
be loaded; here both happen at the same time. Plain `pytest` starts it when it is needed.
"""

import runpy
import sys
from collections.abc import Sequence

from conformance.failures import UsageError
from conformance.lifecycle.pytest_args import options_of
from conformance.lifecycle.server_process import boot_early, stop_early
from conformance.results.verdict import EXIT_CODES, Verdict

WITHOUT_A_SERVER = ("-h", "--help", "--version", "-V", "--markers")


def expect_the_bundled_server(arguments: Sequence[str]) -> None:
    """Start it if the arguments ask for no other; a wrong guess costs only time."""
    try:
        options, rest = options_of(arguments)
    except UsageError:
        return  # to say so is pytest's part
    if (
        options.base_url is None
        and options.target is None
        and not set(rest) & set(WITHOUT_A_SERVER)
    ):
        boot_early(options.fault)


def main() -> None:
    """Hand over to pytest."""
    try:
        expect_the_bundled_server(sys.argv[1:])
        runpy.run_module("pytest", run_name="__main__", alter_sys=True)
    except KeyboardInterrupt:  # pytest, which would have dealt with it, was not there yet
        print("interrupted before anything was tested", file=sys.stderr)
        sys.exit(EXIT_CODES[Verdict.INCONCLUSIVE])
    finally:
        stop_early()


if __name__ == "__main__":
    main()

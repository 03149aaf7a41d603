"""`kraty-conformance clean`: erases what a run left."""

import os
import sys
from pathlib import Path

import click
import msgspec

from conformance.cli.help import Command
from conformance.cli.stopping import stop
from conformance.failures import Unreachable, UsageError
from conformance.lifecycle.cleanup import Cleaned, clean_directory
from conformance.report import read_results, write_results
from conformance.report.forms import write_forms
from conformance.report.reading import RESULTS
from conformance.report.text import printable
from conformance.results.document import Cleanup
from conformance.results.verdict import EXIT_CODES, Verdict


@click.command(
    name="clean",
    cls=Command,
    short_help="Erase the players that a run left.",
    examples=("kraty-conformance clean reports/latest --target staging.toml",),
    exit_codes={
        0: "nobody is left",
        2: "wrong usage, another server, or a server that does not answer",
        3: "some players are left",
    },
)
@click.argument("directory", type=click.Path(path_type=Path), metavar="DIR")
@click.option("--target", type=click.Path(path_type=Path), help="The target file of the run.")
def clean_up(directory: Path, target: Path | None) -> None:
    """Erase the players that a run left: after a crash, a Ctrl-C, or --keep.

    DIR is the run's directory. Keys come from the environment variables that the run used.
    """
    try:
        done = clean_directory(directory, target, os.environ)
        _update_results(directory, done)
    except (UsageError, Unreachable) as error:
        stop(str(error))
    except OSError as error:
        stop(f"cannot write to {directory}: {error.strerror}")
    why = f": {printable(done.refusal)}" if done.refusal else ""
    print(f"{done.erased} of {done.created} players erased, {len(done.left)} left{why}")
    sys.exit(EXIT_CODES[Verdict.INCONCLUSIVE] if done.left else 0)


def _update_results(directory: Path, done: Cleaned) -> None:
    """Let the results of the run, where it has any, say what became of its players."""
    if not (directory / RESULTS).exists():
        return
    document = read_results(directory)
    before = document.cleanup
    erased = before.erased + done.erased
    cleanup = Cleanup(
        created=max(before.created, erased + len(done.left)),
        erased=erased,
        left=len(done.left),
        reason=before.reason if done.left else None,
    )
    document = msgspec.structs.replace(document, cleanup=cleanup)
    write_results(directory, document)
    write_forms(directory, document)

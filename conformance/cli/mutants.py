"""`kraty-conformance faults mutate`: runs the suite on mutants of the reference server."""

import sys
from pathlib import Path

import click

from conformance.cli.campaigns import (
    ending_in_one_line,
    journal_option,
    watched,
    workers_option,
)
from conformance.cli.help import Command
from conformance.failures import UsageError
from conformance.faults.mutants.journal import MutantJournal, Tried
from conformance.faults.mutants.readings import Readings, load_readings
from conformance.faults.mutants.score import score_of
from conformance.faults.mutants.tables import outcome_lines, where

EXIT_TOO_FEW = 1


@click.command(
    name="mutate",
    cls=Command,
    short_help="Test the suite on mutants of the reference server.",
    examples=(
        "kraty-conformance faults mutate -n 20                a sample of twenty",
        "kraty-conformance faults mutate --resume             goes on after an interruption",
        "kraty-conformance faults mutate --resume auth.py:1a2b3c4d    this one again",
    ),
    exit_codes={
        0: "at least 99 % of the mutants that can be seen from outside are killed",
        1: "fewer are; a survivor without a reading counts as one that can be seen",
        2: "wrong usage, or the mutation library is missing",
        3: "interrupted, or the suite fails on the unchanged server",
    },
)
@click.argument("keys", nargs=-1, metavar="[MUTANT]...")
@click.option(
    "-n",
    "--sample",
    "size",
    type=click.IntRange(min=1),
    default=300,
    show_default=True,
    help="How many mutants of the code that a run reaches.",
)
@click.option("--seed", default=1, show_default=True, help="Of the sample, and of each run.")
@workers_option("-j", "--jobs")
@journal_option("reports/mutants.jsonl")
@click.option(
    "--resume",
    is_flag=True,
    help="Keep the journal; leave out its mutants, except those that are named.",
)
@click.option(
    "--readings",
    "readings_file",
    type=click.Path(dir_okay=False, path_type=Path),
    default="docs/mutants.toml",
    show_default=True,
    help="What people read in the survivors.",
)
def mutate_reference(
    keys: tuple[str, ...],
    *,
    size: int,
    seed: int,
    workers: int,
    journal: Path,
    resume: bool,
    readings_file: Path,
) -> None:
    """Change the reference server in one place at a time, and see whether the suite notices.

    A mutant is killed if the run names a broken requirement, or does not end. The others are shown
    with their change.
    """
    with ending_in_one_line(journal):
        readings = load_readings(readings_file)
        kept = MutantJournal(journal, seed=seed, resume=resume)
        for key in keys:
            kept.known.pop(key, None)
        tried = _try(keys, kept, size=size, seed=seed, workers=workers)
    _show(tried, readings)


def _try(
    keys: tuple[str, ...], journal: MutantJournal, *, size: int, seed: int, workers: int
) -> list[Tried]:
    try:
        from conformance.faults.mutants.campaign import (  # noqa: PLC0415 - an extra has the library
            chosen,
            try_mutants,
        )
        from conformance.faults.mutants.reach import measure  # noqa: PLC0415 - as above
    except ImportError as error:
        needed = "pip install 'kraty-conformance[mutants]'"
        raise UsageError(f"mutants need {error.name}, which is not installed: {needed}") from None
    print("measuring the code that a run reaches", file=sys.stderr)
    reach = measure(seed)
    mutants = chosen(keys, reach, size=size, seed=seed)
    campaign = try_mutants(mutants, reach, journal, workers=workers, seed=seed)
    return watched(campaign, len(mutants), _line_of)


def _line_of(tried: Tried) -> str:
    named = f" by {', '.join(tried.named)}" if tried.named else ""
    return f"{tried.key}, {where(tried)}: {tried.fate}{named} ({tried.seconds:.1f} s)"


def _show(tried: list[Tried], readings: Readings) -> None:
    print("\n".join(outcome_lines(tried, readings)))
    sys.exit(0 if score_of(tried, readings).is_good else EXIT_TOO_FEW)

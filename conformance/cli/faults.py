"""`kraty-conformance faults`: lists the seeded faults, and runs the suite against them."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import click
from rich.console import Console

from conformance.cli.campaigns import (
    ending_in_one_line,
    journal_option,
    watched,
    workers_option,
)
from conformance.cli.help import Command
from conformance.cli.mutants import mutate_reference
from conformance.cli.stopping import stop
from conformance.faults.campaign import Journal, run_campaign
from conformance.faults.deviations import Deviation
from conformance.faults.registry import faults, gaps
from conformance.faults.scoring import GOOD, Row, counts_of, document_of, row_of
from conformance.faults.tables import (
    fault_catalogue,
    fault_lines,
    matrix,
    outcome_table,
)
from conformance.faults.trial import Detection, Trial
from conformance.faults.variants import VARIANTS

EXIT_MISSED = EXIT_STALE = 1


@click.group(
    name="faults",
    invoke_without_command=True,
    short_help="List faulty servers; `faults run` tests the suite on them.",
)
@click.option("--markdown", is_flag=True, help="As docs/faults.md.")
@click.pass_context
def faults_group(context: click.Context, markdown: bool) -> None:
    """List the servers that are wrong in one way each; `faults run` tests the suite on them."""
    if context.invoked_subcommand is None:
        text = fault_catalogue(faults()) if markdown else "\n".join(fault_lines(faults()))
        print(text.rstrip("\n"))


faults_group.add_command(mutate_reference)


@faults_group.command(
    name="run",
    cls=Command,
    examples=(
        "kraty-conformance faults run                         every fault, a minute for ten",
        "kraty-conformance faults run merge-keeps-larger --full",
        "kraty-conformance faults run --variants -n 2",
    ),
    exit_codes={
        0: "all are caught, or no variant is accused",
        1: "a fault is missed, a variant is accused, or a requirement is named that is not broken",
        2: "wrong usage",
        3: "interrupted, or a trial left no results",
    },
)
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option(
    "--full",
    is_flag=True,
    help="Run the whole suite, not only the tests of the broken requirement.",
)
@click.option("--variants", is_flag=True, help="Try the conformant variants: none may be accused.")
@workers_option("-n")
@click.option("--seed", default=1, show_default=True, help="The first seed.")
@click.option("--seeds", default=1, show_default=True, help="Trials of each fault.")
@journal_option("reports/faults.jsonl")
@click.option("--resume", is_flag=True, help="Leave out the trials that the journal has.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document, not a table.")
@click.option("--matrix", "with_matrix", is_flag=True, help="Print fault by requirement too.")
def run_faults(
    ids: tuple[str, ...],
    *,
    full: bool,
    variants: bool,
    workers: int,
    seed: int,
    seeds: int,
    journal: Path,
    resume: bool,
    as_json: bool,
    with_matrix: bool,
) -> None:
    """Run the suite against faulty servers and see whether it names what they break."""
    full = full or variants
    every: Mapping[str, Deviation] = VARIANTS if variants else faults()
    unknown = [id for id in ids if id not in every]
    if unknown:
        stop(f"there is no {'variant' if variants else 'fault'} {unknown[0]!r}")
    chosen = [every[id] for id in (ids or every)]
    numbers = range(seed, seed + seeds)
    trials = [Trial(one.id, number, full) for one in chosen for number in numbers]
    problems = [] if ids or variants else gaps(faults())
    with ending_in_one_line(journal):
        detections = _run(trials, workers, Journal(journal, full=full, resume=resume))
    rows = [row_of(one, [d for d in detections if d.id == one.id]) for one in chosen]
    if as_json:
        document = document_of(rows, full=full, seeds=list(numbers), problems=problems)
        print(json.dumps(document, indent=2))
    else:
        _show(rows, problems, with_matrix=with_matrix)
    sys.exit(exit_code(rows, problems))


def exit_code(rows: Iterable[Row], problems: Sequence[str]) -> int:
    """0 if every fault is caught, nothing else is named, and no variant is accused."""
    good = all(row.finding in GOOD for row in rows)
    return 0 if good and not problems else EXIT_MISSED


def _run(trials: Sequence[Trial], workers: int, journal: Journal) -> list[Detection]:
    """All detections, with progress on the terminal's error stream."""
    return watched(run_campaign(trials, workers, journal), len(trials), _line_of)


def _line_of(detection: Detection) -> str:
    named = ", ".join(detection.reported) or "nothing"
    return f"{detection.id}, seed {detection.seed}: named {named} ({detection.seconds:.1f} s)"


def _show(rows: Sequence[Row], problems: Sequence[str], *, with_matrix: bool) -> None:
    console = Console()
    console.print(outcome_table(rows), highlight=False)
    if with_matrix:
        print("\n".join(matrix(rows)))
    for problem in problems:
        print(f"error: {problem}")
    print(", ".join(f"{count} {name}" for name, count in counts_of(rows).items()))

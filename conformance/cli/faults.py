"""`kraty-conformance faults`: lists the seeded faults, and runs the suite against them."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from conformance.failures import UsageError
from conformance.faults.campaign import Journal, run_campaign
from conformance.faults.deviations import Deviation
from conformance.faults.registry import faults, gaps
from conformance.faults.scoring import GOOD, Row, counts_of, document_of, row_of
from conformance.faults.tables import (
    fault_catalogue,
    fault_lines,
    matrix,
    outcome_markdown,
    outcome_table,
)
from conformance.faults.trial import Detection, Trial
from conformance.faults.variants import VARIANTS
from conformance.results.verdict import EXIT_USAGE

DEFAULT_JOURNAL = "reports/faults.jsonl"
EXIT_MISSED = 1
EXIT_BROKEN_OFF = 3


@click.group(name="faults", invoke_without_command=True)
@click.option("--markdown", is_flag=True, help="As docs/faults.md.")
@click.pass_context
def faults_group(context: click.Context, markdown: bool) -> None:
    """List the servers that are wrong in one way each; `faults run` tests the suite on them."""
    if context.invoked_subcommand is None:
        text = fault_catalogue(faults()) if markdown else "\n".join(fault_lines(faults()))
        print(text.rstrip("\n"))


@faults_group.command(name="run")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--full", is_flag=True, help="The whole suite, not the broken requirement alone.")
@click.option("--variants", is_flag=True, help="The conformant variants: none may be accused.")
@click.option("-n", "workers", default=os.cpu_count() or 1, help="Trials at a time.")
@click.option("--seed", default=1, show_default=True, help="The first seed.")
@click.option("--seeds", default=1, show_default=True, help="Trials of each fault.")
@click.option(
    "--journal",
    type=click.Path(dir_okay=False, path_type=Path),
    default=DEFAULT_JOURNAL,
    show_default=True,
    help="Where every trial is kept at once.",
)
@click.option("--resume", is_flag=True, help="Leave out what the journal has.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document, not a table.")
@click.option("--matrix", "with_matrix", is_flag=True, help="Print fault by requirement too.")
@click.option(
    "--markdown",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write counts and matrix to a file.",
)
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
    markdown: Path | None,
) -> None:
    r"""Run the suite against faulty servers and see whether it names what they break.

    \b
    Exit codes:
      0  all are caught, or no variant is accused
      1  one is missed or accused, or a requirement is named that it does not break
      2  wrong usage
      3  broken off
    """
    every: dict[str, Deviation] = dict(VARIANTS) if variants else dict(faults())
    unknown = [id for id in ids if id not in every]
    if unknown:
        _stop(f"there is no {'variant' if variants else 'fault'} {unknown[0]!r}", EXIT_USAGE)
    chosen = [every[id] for id in (ids or every)]
    numbers = range(seed, seed + seeds)
    trials = [Trial(one.id, number, full) for one in chosen for number in numbers]
    problems = [] if ids or variants else gaps(faults())
    try:
        detections = _run(trials, workers, Journal(journal, resume=resume))
    except UsageError as error:
        _stop(str(error), EXIT_USAGE)
    except OSError as error:
        _stop(f"cannot write the journal {journal}: {error.strerror}", EXIT_USAGE)
    except KeyboardInterrupt:
        _stop(f"interrupted; --resume --journal {journal} goes on from here", EXIT_BROKEN_OFF)
    except RuntimeError as error:
        _stop(f"a trial broke off: {error}", EXIT_BROKEN_OFF)
    rows = [row_of(one, [d for d in detections if d.id == one.id]) for one in chosen]
    if as_json:
        document = document_of(rows, full=full, seeds=list(numbers), problems=problems)
        print(json.dumps(document, indent=2))
    else:
        _show(rows, problems, with_matrix=with_matrix)
    if markdown is not None:
        title = f"{'Variants' if variants else 'Faults'}, {'full' if full else 'narrow'} mode"
        markdown.write_text(outcome_markdown(rows, title), encoding="utf-8")
    sys.exit(exit_code(rows, problems))


def exit_code(rows: Iterable[Row], problems: Sequence[str]) -> int:
    """0 where every fault is caught and nothing more named, and no variant is accused."""
    well = all(row.finding in GOOD for row in rows)
    return 0 if well and not problems else EXIT_MISSED


def _run(trials: Sequence[Trial], workers: int, journal: Journal) -> list[Detection]:
    """All detections, with progress on the terminal's error stream."""
    console = Console(stderr=True)
    columns = (TextColumn("trials"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("trials", total=len(trials))
        detections = []
        for _, detection in run_campaign(trials, workers, journal):
            detections.append(detection)
            named = ", ".join(detection.reported) or "nothing"
            progress.console.print(
                f"{detection.id}, seed {detection.seed}: named {named} ({detection.seconds:.1f} s)",
                highlight=False,
            )
            progress.advance(task)
    return detections


def _show(rows: Sequence[Row], problems: Sequence[str], *, with_matrix: bool) -> None:
    console = Console()
    console.print(outcome_table(rows), highlight=False)
    if with_matrix:
        print("\n".join(matrix(rows)))
    for problem in problems:
        print(f"error: {problem}")
    print(", ".join(f"{count} {name}" for name, count in counts_of(rows).items()))


def _stop(message: str, code: int) -> None:
    """End with one line."""
    print(f"kraty-conformance: {message}", file=sys.stderr)
    sys.exit(code)

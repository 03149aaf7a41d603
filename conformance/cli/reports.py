"""`kraty-conformance report` and `compare`: what is made of results."""

import sys
from pathlib import Path

import click
from rich.console import Console

from conformance.cli.help import Command
from conformance.cli.stopping import stop
from conformance.failures import UsageError
from conformance.report import read_results, write_results
from conformance.report.comparison import (
    compare,
    comparison_html,
    comparison_markdown,
    comparison_table,
)
from conformance.report.forms import write_forms
from conformance.report.reading import RESULTS
from conformance.report.recovery import document_of

EXIT_REGRESSION = 1


@click.command(
    name="report",
    cls=Command,
    short_help="Make the report of a run again, also after a crash.",
    examples=("kraty-conformance report reports/latest",),
    exit_codes={0: "the report is written", 2: "wrong usage, or results that cannot be read"},
)
@click.argument("directory", type=click.Path(path_type=Path), metavar="DIR")
def rebuild_report(directory: Path) -> None:
    """Make report.html and all other forms of a run anew from its results.json.

    After a crash there is none: then the results are made from the run's journal.
    """
    try:
        document = document_of(directory)
        folder = directory if directory.is_dir() else directory.parent
        if not (folder / RESULTS).exists():
            write_results(folder, document)
        write_forms(folder, document)
    except UsageError as error:
        stop(str(error))
    except OSError as error:
        stop(f"cannot write the report to {directory}: {error.strerror}")
    print(f"report: {folder.resolve() / 'report.html'}")


@click.command(
    name="compare",
    cls=Command,
    short_help="Compare the results of runs.",
    examples=(
        "kraty-conformance compare before/ after/",
        "kraty-conformance compare before/results.json after/results.json --html changes.html",
    ),
    exit_codes={
        0: "no MUST that passed in the first results fails in a later one, but as known",
        1: "a MUST regressed",
        2: "wrong usage, or results that cannot be read",
    },
)
@click.argument(
    "results", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RESULTS..."
)
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a page.")
@click.option("--md", type=click.Path(dir_okay=False, path_type=Path), help="Write Markdown.")
def compare_results(results: tuple[Path, ...], html: Path | None, md: Path | None) -> None:
    """Compare results.json files, or their directories: the later ones with the first."""
    if len(results) < 2:
        stop("compare needs the results of at least two runs")
    try:
        comparison = compare([read_results(path) for path in results])
        if html is not None:
            html.write_text(comparison_html(comparison), encoding="utf-8")
        if md is not None:
            md.write_text(comparison_markdown(comparison), encoding="utf-8")
    except UsageError as error:
        stop(str(error))
    except OSError as error:
        stop(f"cannot write the comparison to {error.filename}: {error.strerror}")
    Console().print(comparison_table(comparison), highlight=False, markup=False)
    print(", ".join(f"{count} {change}" for change, count in comparison.counts().items()))
    sys.exit(EXIT_REGRESSION if comparison.regressed else 0)

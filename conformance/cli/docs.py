"""`kraty-conformance docs`: the generated pages of a checkout, written or checked."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import click

from conformance.cli.help import Command
from conformance.cli.stopping import stop
from conformance.contract.requirements import as_markdown
from conformance.failures import UsageError
from conformance.faults.campaign import read_journal
from conformance.faults.mutants.journal import read_mutants
from conformance.faults.mutants.readings import load_readings
from conformance.faults.mutants.tables import MARKERS as MUTANTS
from conformance.faults.mutants.tables import mutant_table
from conformance.faults.registry import faults
from conformance.faults.tables import fault_catalogue, free_points, power_table, with_table
from conformance.results.document import results_schema

EXIT_STALE = 1
WHOLE: Mapping[str, Callable[[], str]] = {
    "requirements.md": as_markdown,
    "faults.md": lambda: fault_catalogue(faults()).rstrip("\n") + "\n",
    "free-points.md": free_points,
    "results.schema.json": lambda: json.dumps(results_schema(), indent=2) + "\n",
}
"""Pages that are generated from beginning to end, by file name."""


def pages(folder: Path) -> dict[Path, str]:
    """Each generated page with what it must hold; `power.md` keeps its prose.

    UsageError for a journal that is none, OSError for a file that cannot be read.
    """
    made = {folder / name: make() for name, make in WHOLE.items()}
    power = folder / "power.md"
    mutants = mutant_table(
        *read_mutants(folder / "mutants.jsonl"), load_readings(folder / "mutants.toml")
    )
    page = with_table(power.read_text(encoding="utf-8"), mutants, MUTANTS)
    return {**made, power: with_table(page, power_table(*read_journal(folder / "power.jsonl")))}


@click.command(
    name="docs",
    cls=Command,
    short_help="Write the generated pages of a checkout.",
    exit_codes={0: "all pages are current", 1: "with --check: a page is out of date"},
)
@click.option(
    "--folder",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    default="docs",
    show_default=True,
    help="Where the pages are.",
)
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if a page is out of date.")
def write_docs(folder: Path, *, check: bool) -> None:
    """Write the pages of docs/ that are generated from code and from the journals beside them."""
    try:
        for page, text in pages(folder).items():
            is_current = page.exists() and page.read_text(encoding="utf-8") == text
            if check and not is_current:
                stop(f"{page} is out of date: run `kraty-conformance docs`", EXIT_STALE)
            if not is_current:
                page.write_text(text, encoding="utf-8")
                print(page)
    except UsageError as error:
        stop(str(error))
    except OSError as error:
        stop(f"cannot use {error.filename}: {error.strerror}")

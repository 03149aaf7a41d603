"""`kraty-conformance requirements` and `variants`: what there is."""

import click

from conformance.contract.requirements import as_json, as_markdown, as_table
from conformance.faults.tables import free_points, variant_lines


@click.command(name="requirements")
@click.option("--json", "form", flag_value="json", help="As JSON.")
@click.option("--markdown", "form", flag_value="markdown", help="As docs/requirements.md.")
def list_requirements(form: str | None) -> None:
    """List every requirement of the contract."""
    forms = {None: as_table, "json": as_json, "markdown": as_markdown}
    print(forms[form]().rstrip("\n"))


@click.command(name="variants", short_help="List the conformant variants of the server.")
@click.option("--markdown", is_flag=True, help="As docs/free-points.md.")
def list_variants(markdown: bool) -> None:
    """List the conformant servers that answer a free point the other way."""
    print((free_points() if markdown else variant_lines()).rstrip("\n"))

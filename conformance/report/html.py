"""`report.html`: one file without a network, made from the results by a template."""

from functools import cache
from itertools import groupby
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

SYMBOLS = {
    "passed": "✓",
    "failed": "✗",
    "warned": "!",
    "inconclusive": "?",
    "blocked": "⊘",
    "not_exercised": "–",
}


@cache
def _template(name: str) -> Template:
    environment = Environment(
        loader=PackageLoader("conformance.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def render_template(name: str, **values: Any) -> str:
    """A page from a template of this package, with everything escaped."""
    return _template(name).render(**values)


def render_html(document: dict[str, Any]) -> str:
    """The page; whatever the server sent is escaped."""
    families = [
        (family, list(rows))
        for family, rows in groupby(document["requirements"], key=lambda row: row["family"])
    ]
    return render_template("report.html.j2", document=document, families=families, symbols=SYMBOLS)

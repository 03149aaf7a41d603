"""Writes all files that are made from results beside them."""

from pathlib import Path

from conformance.report.allure import write_allure
from conformance.report.har import join_parts
from conformance.report.html import render_html
from conformance.report.junit import render_junit
from conformance.report.reproduction import write_reproductions
from conformance.report.summary import render_badge, render_summary
from conformance.results.document import Document

FORMS = {
    "report.html": render_html,
    "summary.md": render_summary,
    "badge.json": render_badge,
}
"""The text files, by name."""


def write_forms(path: Path, document: Document) -> None:
    """Write the files into a directory. OSError if the disk is full."""
    (path / "junit.xml").write_bytes(render_junit(document))
    join_parts(path)
    write_reproductions(path, document)
    write_allure(path / "allure-results", document)
    for name, render in FORMS.items():
        (path / name).write_text(render(document), encoding="utf-8", errors="backslashreplace")

"""Reads `results.json`; for any other file, one line says what is wrong with it."""

import json
from pathlib import Path
from typing import Any

import msgspec

from conformance.failures import UsageError
from conformance.results.document import (
    FORMAT,
    FORMAT_VERSION,
    Document,
    document_from,
    footer_of,
)

RESULTS = "results.json"


def read_results(path: Path) -> Document:
    """The document of a run, by its directory or its `results.json`.

    UsageError for a file that is missing, cut off, doubled, edited, foreign or of a newer suite.
    """
    file = path / RESULTS if path.is_dir() else path
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from None
    except ValueError as error:
        raise UsageError(f"{file} is cut off or damaged: {error}") from None
    _check_origin(file, content)
    try:
        document = document_from(content)
    except msgspec.ValidationError as error:
        raise UsageError(f"{file} does not match its schema: {str(error)[:300]}") from None
    if document.footer != footer_of(document.requirements):
        raise UsageError(f"{file} was edited or joined: its footer does not match its contents")
    return document


def _check_origin(file: Path, content: Any) -> None:
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UsageError(f"{file} is not a results file of kraty-conformance")
    version = content.get("version")
    if version not in range(1, FORMAT_VERSION + 1):
        known = f"this suite reads versions 1 to {FORMAT_VERSION}"
        raise UsageError(f"{file} has version {version!r} of the results, {known}")

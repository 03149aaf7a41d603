"""Reads `results.json` back, and refuses what is none with one line that says why."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

from conformance.failures import UsageError
from conformance.results.check import FORMAT, FORMAT_VERSION, footer_of

RESULTS = "results.json"
SCHEMA = Path(__file__).parent / "results.schema.json"


@cache
def results_schema() -> dict[str, Any]:
    """The JSON Schema of `results.json`."""
    schema: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return schema


def read_results(path: Path) -> dict[str, Any]:
    """The document of a run, by its directory or its `results.json`.

    UsageError for a file that is missing, cut off, doubled, edited, foreign or of a newer suite.
    """
    file = path / RESULTS if path.is_dir() else path
    try:
        document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from None
    except ValueError as error:
        raise UsageError(f"{file} is cut off or damaged: {error}") from None
    _check_origin(file, document)
    for problem in jsonschema.Draft202012Validator(results_schema()).iter_errors(document):
        where = f"{problem.json_path}: {problem.message[:200]}"
        raise UsageError(f"{file} does not match its schema at {where}")
    if document["footer"] != footer_of(document["requirements"]):
        raise UsageError(f"{file} was edited or put together: its footer counts other contents")
    return document


def _check_origin(file: Path, document: Any) -> None:
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise UsageError(f"{file} holds no results of kraty-conformance")
    version = document.get("version")
    if version != FORMAT_VERSION:
        known = f"this suite reads version {FORMAT_VERSION}"
        raise UsageError(f"{file} has version {version!r} of the results, {known}")

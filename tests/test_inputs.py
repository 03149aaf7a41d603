"""A file that is far too large, or has no end, is one line; it does not keep a run for hours."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import command

from conformance import resources
from conformance.contract.openapi import load_newer_spec
from conformance.contract.openapi_diff import revisions
from conformance.failures import UsageError
from conformance.settings.known_failures import load_known
from conformance.settings.target import load_target

BUNDLED = resources.spec_file()
MEBIBYTE = 2**20
TARGET = 'base_url = "https://a.example"\n[world]\n'
KNOWN = '[[known]]\nrequirement = "MERGE-2"\nreason = "x"\n'
SCHEMAS = "#/components/schemas"


def bundled_with(schemas: dict[str, Any], **operation: Any) -> str:
    """The bundled description with more schemas, and with parts of an operation replaced."""
    document = json.loads(BUNDLED.read_text())
    document["components"]["schemas"].update(schemas)
    document["paths"]["/players/{externalId}/grants"]["post"].update(operation)
    return json.dumps(document)


CIRCLE = {"A": {"$ref": f"{SCHEMAS}/B"}, "B": {"$ref": f"{SCHEMAS}/A"}}
IN_PLACE = {"A": {"allOf": [{"type": "object"}, {"$ref": f"{SCHEMAS}/A"}]}}
NAMED = {"$ref": f"{SCHEMAS}/A"}
DOUBLING = {
    f"L{n}": {"properties": {side: {"$ref": f"{SCHEMAS}/L{n + 1}"} for side in "ab"}}
    for n in range(60)
} | {"L60": {"type": "string"}}
TREE = {"Tree": {"properties": {side: {"$ref": f"{SCHEMAS}/Tree"} for side in "abc"}}}


def nested(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (bundled_with(CIRCLE), "its references run in a circle: "),
        (bundled_with(CIRCLE, parameters=[NAMED]), "its references run in a circle: "),
        (bundled_with(CIRCLE, responses={"200": NAMED}), "its references run in a circle: "),
        (bundled_with(CIRCLE, requestBody=NAMED), "its references run in a circle: "),
        (bundled_with(IN_PLACE), f"in a circle: {SCHEMAS}/A → {SCHEMAS}/A"),
        (bundled_with(DOUBLING), "its references describe more than 500,000 parts"),
        (nested(200), "it is nested more than 100 levels deep"),
        (nested(50_000), "it is nested more than 100 levels deep"),
        (" " * 50 * MEBIBYTE, "more than 8 MiB"),
    ],
)
def test_a_description_without_end_is_one_line(text: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "newer.json"
    file.write_text(text)
    with pytest.raises(UsageError, match="the spec ") as raised:
        load_newer_spec(file, BUNDLED)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_recursive_schemas_are_no_circle(tmp_path: Path) -> None:
    file = tmp_path / "newer.json"
    file.write_text(bundled_with(TREE))
    spec = load_newer_spec(file, BUNDLED)
    assert revisions(load_newer_spec(BUNDLED, BUNDLED), spec) == []


def keys_of(count: int) -> str:
    return json.dumps([f"item_{n}" for n in range(count)])


TOO_MUCH: list[tuple[Callable[[Path], object], str, str]] = [
    (lambda file: load_target(file, {}), TARGET + f"items = {keys_of(50_000)}", "give at most 200"),
    (lambda file: load_target(file, {}), TARGET + f"items = {keys_of(100_000)}", "more than 1 MiB"),
    (lambda file: load_target(file, {}), f"a = {'[' * 50_000}{']' * 50_000}", "nested too deeply"),
    (load_known, KNOWN * 3000, "have 3000 entries; more than 2000 gate nothing"),
    (load_known, KNOWN * 50_000, "more than 1 MiB"),
    (load_known, f"a = {'[' * 50_000}{']' * 50_000}", "nested too deeply"),
]


@pytest.mark.parametrize(("load", "text", "words"), TOO_MUCH, ids=range(len(TOO_MUCH)))
def test_a_file_of_far_too_much_is_one_line(
    load: Callable[[Path], object], text: str, words: str, tmp_path: Path
) -> None:
    file = tmp_path / "much.toml"
    file.write_text(text)
    with pytest.raises(UsageError) as raised:
        load(file)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("flag", ["--spec", "--target", "--known-failures"])
def test_a_device_that_never_ends_is_refused(flag: str, tmp_path: Path) -> None:
    done = command("run", flag, "/dev/zero", "--reports", str(tmp_path), "-k", "test_ping")
    assert done.returncode == 2
    assert "/dev/zero: more than" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stdout + done.stderr

"""What is made from results, and how results are read back."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from click.testing import CliRunner
from support import run_at

from conformance import resources
from conformance.cli import main
from conformance.contract.openapi import load_spec
from conformance.contract.requirements import catalogue
from conformance.failures import UsageError
from conformance.report import RunDirectory, read_results, write_results
from conformance.report.forms import write_forms
from conformance.report.summary import plain, render_badge, render_summary
from conformance.results.check import Check, Outcome
from conformance.results.collector import Collected, head_of
from conformance.results.document import Document, Head, results_schema
from conformance.results.evidence import ShownExchange

NASTY = "<script>alert(1)</script> | `x` \x1b[31m **b** [a](http://x)\n# h"


EXCHANGE = ShownExchange(
    operation="createGrant",
    method="POST",
    target="/server/v1/players/a/grants",
    request_headers=(("Accept", "application/json"),),
    request_body='{"idempotencyKey": "k"}',
    status=201,
    response_headers=(("content-type", "application/json"),),
    response_body='{"data": {"id": "g"}}',
    error=None,
    started_at=1.0,
    seconds=0.01,
    curl="curl -i",
)


def exchange(**fields: Any) -> ShownExchange:
    """An exchange as results keep it."""
    return msgspec.structs.replace(EXCHANGE, **fields)


def head() -> Head:
    """What is known of a run before its first test."""
    run = run_at("https://api.example")
    return head_of(run, load_spec(resources.spec_file()), started=1000.0)


def document(*checks: Check, abort_reason: str | None = None) -> Document:
    """The results of a run that made these checks."""
    return Collected(checks=list(checks)).document(head(), 1.0, abort_reason)


def failed(requirement: str = "GRANT-2", message: str = "expected 200; received 201") -> Check:
    return Check(
        requirement,
        "scenarios/test_grants.py::test_x",
        Outcome.FAILED,
        message,
        "200",
        "201",
        exchanges=(exchange(),),
    )


def written(folder: Path, content: Document) -> Path:
    """The directory of a run with these results."""
    directory = RunDirectory.create(folder, "0123abcd", 0.0)
    write_results(directory.path, content)
    write_forms(directory.path, content)
    return directory.path


def test_what_a_run_writes_matches_the_schema_and_is_read_back(tmp_path: Path) -> None:
    made = document(failed(), abort_reason="the run was interrupted")
    path = written(tmp_path, made)
    content = json.loads((path / "results.json").read_text())
    jsonschema.Draft202012Validator.check_schema(results_schema())
    jsonschema.validate(content, results_schema())
    assert read_results(path) == made
    assert read_results(path / "results.json") == made


def test_results_of_format_version_1_are_read(tmp_path: Path) -> None:
    made = document(failed(), abort_reason="the run was interrupted")
    path = written(tmp_path, made)
    content = json.loads((path / "results.json").read_text())
    content["verdict"]["trouble"] = content["verdict"].pop("abortReason")
    (path / "results.json").write_text(json.dumps({**content, "version": 1}))
    assert read_results(path) == made


def test_a_lone_surrogate_of_a_server_is_written(tmp_path: Path) -> None:
    made = document(failed(message="\ud800"))
    target = msgspec.structs.replace(made.target, game_id="\ud800")
    path = written(tmp_path, msgspec.structs.replace(made, target=target))
    assert ascii(read_results(path).target.game_id) == ascii("\ud800")


def without_a_check(content: dict[str, Any]) -> dict[str, Any]:
    next(row for row in content["requirements"] if row["checks"])["checks"].pop()
    return content


def without_a_reason(content: dict[str, Any]) -> dict[str, Any]:
    del content["verdict"]["reason"]
    return content


NONE = "is not a results file of kraty-conformance"
DAMAGE = "is cut off or damaged"
SCHEMA = "does not match its schema"
REFUSALS: dict[str, tuple[Callable[[str], str], str]] = {
    "cut": (lambda text: text[: len(text) // 2], DAMAGE),
    "doubled": (lambda text: text + text, DAMAGE),
    "foreign": (lambda _: '{"version": 1}', NONE),
    "no object": (lambda _: "[]", NONE),
    "newer": (lambda text: changed(text, version=3), "has version 3 of the results"),
    "a check left out": (
        lambda text: json.dumps(without_a_check(json.loads(text))),
        "its footer does not match its contents",
    ),
    "a member left out": (lambda text: json.dumps(without_a_reason(json.loads(text))), SCHEMA),
    "no verdict": (lambda text: changed(text, version=1, verdict="none"), SCHEMA),
}


def changed(text: str, **members: object) -> str:
    return json.dumps({**json.loads(text), **members})


@pytest.mark.parametrize("name", list(REFUSALS))
def test_results_that_are_none_are_refused_with_a_line(name: str, tmp_path: Path) -> None:
    spoil, words = REFUSALS[name]
    path = written(tmp_path, document(failed()))
    file = path / "results.json"
    file.write_text(spoil(file.read_text()))

    with pytest.raises(UsageError, match=words) as raised:
        read_results(path)
    assert "\n" not in str(raised.value)
    assert CliRunner().invoke(main, ["report", str(path)]).exit_code == 2


def test_results_that_are_missing_are_a_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        read_results(tmp_path)


def contents(path: Path) -> dict[str, bytes]:
    """The files of a run by name; those of Allure have new names each time."""
    return {file.name: file.read_bytes() for file in path.iterdir() if file.is_file()}


def test_a_report_is_rebuilt_from_its_results(tmp_path: Path) -> None:
    path = written(tmp_path, document(failed()))
    made = contents(path)
    for name in made:
        if name != "results.json":
            (path / name).unlink()

    done = CliRunner().invoke(main, ["report", str(path)])

    assert done.exit_code == 0, done.output
    assert contents(path) == made
    assert str(path / "report.html") in done.output


def test_a_summary_has_the_verdict_and_what_failed() -> None:
    text = render_summary(document(failed()))
    assert text.startswith("## ❌ not conformant: staging\n")
    assert "| GRANT-2 |" in text
    assert "received 201" in text
    assert "| MUST | 0 | 1 |" in text


def test_a_summary_shows_equal_failures_once_and_where_to_begin() -> None:
    like = [msgspec.structs.replace(failed(), test=f"test_{n}") for n in range(183)]
    other = msgspec.structs.replace(failed(), test="test_z", expected="another")
    waiting = [Check("ACK-2", f"t{n}", Outcome.BLOCKED, "m", blamed="GRANT-2") for n in range(9)]
    text = render_summary(document(*like, other, *waiting))
    assert "received 201 (182 more like it, 1 elsewhere or otherwise) |" in text
    assert "**begin with GRANT-2: 9 tests wait for it**" in text


def test_a_summary_shows_what_a_server_sent_as_text() -> None:
    text = render_summary(document(failed(message=NASTY)))
    row = next(line for line in text.splitlines() if line.startswith("| GRANT-2"))
    assert "<script" not in row
    assert "\x1b" not in row
    assert row.count(" | ") == 2
    assert plain("a|b*c`d") == r"a\|b\*c\`d"


def passed_all() -> list[Check]:
    return [Check(id, "t", Outcome.PASSED) for id in catalogue()]


@pytest.mark.parametrize(
    ("checks", "message", "colour"),
    [
        ([failed(), failed("ACK-1")], "2 failed", "red"),
        (passed_all(), "conformant", "brightgreen"),
        (passed_all()[:1], "no failure found, 1 of 97 MUSTs", "yellow"),
        ([], "inconclusive", "lightgrey"),
    ],
)
def test_a_badge_is_what_shields_reads(checks: list[Check], message: str, colour: str) -> None:
    badge = json.loads(render_badge(document(*checks)))
    assert (badge["schemaVersion"], badge["label"]) == (1, "Kraty Server API")
    assert (badge["message"], badge["color"]) == (message, colour)

"""The document `results.json`, from which all reports are made.

Its JSON schema, `docs/results.schema.json`, is generated from these classes.
"""

import json
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from conformance.contract.requirements import Level
from conformance.http.traffic import Moment
from conformance.results.check import Check, Outcome
from conformance.results.known_status import KnownStatus
from conformance.results.verdict import Verdict

FORMAT = "kraty-conformance-results"
FORMAT_VERSION = 2


class Part(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A part of the document; in JSON, its members are in camelCase."""


class Suite(Part, frozen=True, kw_only=True):
    """The suite that tested."""

    name: str
    version: str


class Conclusion(Part, frozen=True, kw_only=True):
    """The verdict and its basis.

    `abort_reason` says why the run stopped early. `failed` holds ids of requirements. `outcomes`
    counts requirements by level and outcome.
    """

    verdict: Verdict
    reason: str
    failed: tuple[str, ...]
    abort_reason: str | None
    musts_exercised: int
    musts: int
    outcomes: dict[Level, dict[Outcome, int]]


class TestedTarget(Part, frozen=True, kw_only=True):
    """The server. `keys` holds roles, `world` what the target file declares.

    `key_variables` are the environment variables that held the keys, by role. `fault` is the
    deviation of the bundled server, if it had one.
    """

    name: str
    base_url: str
    bundled: bool
    keys: tuple[str, ...]
    world: dict[str, str | tuple[str, ...]]
    studio_id: str | None
    game_id: str | None
    environment: str | None
    key_variables: dict[str, str] = {}
    fault: str | None = None


class TestedSpec(Part, frozen=True, kw_only=True):
    """The OpenAPI description, with the number of its `operations`."""

    title: str
    version: str
    sha256: str
    operations: int


class RunSettings(Part, frozen=True, kw_only=True):
    """The settings that repeat the run."""

    id: str
    profile: str
    seed: int
    examples: int


class RunSummary(RunSettings, frozen=True, kw_only=True):
    """The run: `started_at` is an RFC 3339 date-time."""

    started_at: str
    seconds: float
    requests: int


class Cleanup(Part, frozen=True, kw_only=True):
    """How many players the run created, erased and left; `reason` says why some are left."""

    created: int = 0
    erased: int = 0
    left: int = 0
    reason: str | None = None


class RequirementResult(Part, frozen=True, kw_only=True):
    """A requirement with its checks; `reason` says why it is undecided."""

    id: str
    level: Level
    family: str
    sentence: str
    source: str
    operations: tuple[str, ...]
    outcome: Outcome
    reason: str | None
    checks: tuple[Check, ...]


class OperationTraffic(Part, frozen=True, kw_only=True):
    """How often an operation gave each status, and how many answers took how long."""

    operation: str
    documented: tuple[str, ...]
    endings: dict[str, int]
    latencies: tuple[int, ...]


class Footer(Part, frozen=True, kw_only=True):
    """How much the document holds. As its last member, it shows that the document is complete."""

    requirements: int
    checks: int
    exchanges: int


class Document(Part, frozen=True, kw_only=True):
    """Everything that a run found. `latency_bounds` are in milliseconds."""

    format: Literal["kraty-conformance-results"] = "kraty-conformance-results"
    version: Literal[2] = 2
    suite: Suite
    verdict: Conclusion
    target: TestedTarget
    spec: TestedSpec
    run: RunSummary
    cleanup: Cleanup
    known_failures: tuple[KnownStatus, ...]
    notices: tuple[str, ...]
    requirements: tuple[RequirementResult, ...]
    traffic: tuple[OperationTraffic, ...]
    latency_bounds: tuple[int, ...]
    timeline: tuple[Moment, ...]
    footer: Footer


class Head(Part, frozen=True, kw_only=True):
    """What is known before the first test.

    `started` is in seconds since the epoch. `revised` lists what a newer spec changes. `documented`
    has the statuses of each operation.
    """

    started: float
    suite: Suite
    target: TestedTarget
    spec: TestedSpec
    run: RunSettings
    revised: tuple[str, ...]
    documented: dict[str, tuple[str, ...]]


def footer_of(requirements: Sequence[RequirementResult]) -> Footer:
    """The footer of a document with these requirements."""
    checks = [check for row in requirements for check in row.checks]
    exchanges = sum(len(check.exchanges) for check in checks)
    return Footer(requirements=len(requirements), checks=len(checks), exchanges=exchanges)


def as_json(value: msgspec.Struct, *, indent: int | None = None) -> str:
    """JSON text of any part: one line of ASCII, or indented for people.

    Lone surrogates, which UTF-8 cannot hold, are escaped.
    """
    plain = msgspec.to_builtins(value)
    text = json.dumps(plain, indent=indent, ensure_ascii=indent is None)
    return text.encode("utf-8", "backslashreplace").decode()


def document_from(content: dict[str, Any]) -> Document:
    """A document from plain values of this format version or an earlier one.

    msgspec.ValidationError if they do not match.
    """
    verdict = content.get("verdict")
    if content.get("version") == 1 and isinstance(verdict, dict):
        verdict = {**verdict, "abortReason": verdict.get("trouble")}
        content = {**content, "version": FORMAT_VERSION, "verdict": verdict}
    return msgspec.convert(content, Document)


def results_schema() -> dict[str, Any]:
    """The JSON Schema of `results.json`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "results.json of kraty-conformance",
        **msgspec.json.schema(Document),
    }

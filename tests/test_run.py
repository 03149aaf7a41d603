"""The suite as its users run it: verdicts, exit codes, reports, secrets."""

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from pathlib import Path

import pytest
from junitparser import JUnitXml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from support import (
    ROOT,
    Ended,
    Runner,
    keys,
    python,
    reference,
    run_suite,
    serving,
    shared_run,
)

from conformance import resources
from conformance.reference.app import Settings
from conformance.reference.auth import Auth
from conformance.reference.bodies import GrantBody
from conformance.reference.errors import ApiError
from conformance.reference.grants import Grants
from conformance.reference.replies import Reply
from conformance.reference.services import Parts
from conformance.reference.state import Grant, Player, Remembered
from conformance.reference.world import load_world


class ReplayAnswers201(Grants):
    """GRANT-2 broken: a replay looks like a new grant."""

    def replay(self, first: Remembered) -> Reply:
        return Reply(201, first.answer)


class NoGrants(Grants):
    """GRANT-1 broken: nothing can be granted."""

    def create(self, external_id: str, body: object) -> Reply:
        raise ApiError(409, "conflict", f"no grants for {external_id} today: {body!r}")


class WrongConflictCode(Grants):
    """GRANT-3.code not met: the conflict has another code."""

    def create(self, external_id: str, body: object) -> Reply:
        try:
            return super().create(external_id, body)  # type: ignore[arg-type]
        except ApiError as error:
            raise ApiError(error.status, "conflict", error.message) from None


class ForgetsStatus(Grants):
    """HTTP-2 broken: an ack leaves `status` out."""

    def ack(self, external_id: str, grant_id: str) -> Reply:
        answer = dict(super().ack(external_id, grant_id).data)
        del answer["status"]
        return Reply(200, answer)


class CrashesOnMetadata(Grants):
    """ERR-3 broken: a grant with metadata is a 500."""

    def issue(self, player: Player, body: GrantBody, expires_at: datetime | None) -> Grant:
        if body.metadata is not None:
            raise ZeroDivisionError
        return super().issue(player, body, expires_at)


class Hostile(Grants):
    """Shows all keys in an error, with HTML and control characters."""

    def create(self, *_: object) -> Reply:
        tokens = " ".join(load_world(resources.world_file()).tokens)
        raise ApiError(409, "<script>alert(1)</script>", f"\x1b[31m</pre>{tokens}")


class RefusesKeys(Auth):
    """Refuses every key."""

    def check_permission(self, key: object) -> None:
        raise ApiError(403, "forbidden", f"not {key!r}")


def settings(**parts: type) -> Settings:
    return Settings(window=1, parts=Parts(**parts))


def answering(status: int, text: str) -> Starlette:
    """A server that is another one: it answers every request alike."""

    async def answer(_: Request) -> PlainTextResponse:
        return PlainTextResponse(text, status)

    return Starlette(routes=[Route("/{path:path}", answer)])


@pytest.fixture(scope="session")
def fine(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """A run on the bundled server."""
    selection = ("-k", "test_grants or test_ping", "--seed", "7")
    return shared_run(tmp_path_factory, "fine", lambda folder: run_suite(folder, *selection))


def on_replays(folder: Path, *arguments: str) -> Ended:
    """A run on a server that breaks GRANT-2."""
    return run_suite(
        folder,
        "-k",
        "test_grants or test_rate",
        *arguments,
        server=settings(grants=ReplayAnswers201),
    )


@pytest.fixture(scope="session")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    return shared_run(tmp_path_factory, "broken", on_replays)


@pytest.fixture(scope="session")
def broken_in_parallel(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """The same with two worker processes."""
    return shared_run(
        tmp_path_factory, "broken_in_parallel", lambda folder: on_replays(folder, "-n", "2")
    )


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    selection, server = ("-k", "pending_grant or test_acks"), settings(grants=Hostile)
    return shared_run(
        tmp_path_factory, "hostile", lambda folder: run_suite(folder, *selection, server=server)
    )


def test_the_bundled_server_is_conformant(fine: Ended) -> None:
    assert fine.code == 0, fine.output
    assert fine.outcome("GRANT-2") == "passed"
    assert fine.outcome("DEL-1") == "not_exercised"
    assert fine.document["run"]["seed"] == 7
    assert "seed 7" in fine.output
    lines = fine.output.strip().splitlines()
    assert re.match(r"verdict: no failure found: \d+ of 97 MUSTs exercised$", lines[-2])
    assert "MUSTs: no selected scenario tests it" in lines[-3]
    assert lines[-1].startswith("report: ")
    assert Path(lines[-1].removeprefix("report: ")).exists()


def test_without_a_terminal_the_output_is_plain(fine: Ended) -> None:
    assert "\x1b" not in fine.output
    assert not re.search(r"\b(\d+)/\1\b", fine.output), "a progress bar counts up to n/n"


def test_allure_results_are_written(fine: Ended) -> None:
    files = (fine.reports / "latest" / "allure-results").glob("*-result.json")
    checks = [check for row in fine.document["requirements"] for check in row["checks"]]
    assert sorted(json.loads(file.read_text())["status"] for file in files) == sorted(
        check["outcome"].replace("not_exercised", "skipped") for check in checks
    )


def test_a_broken_requirement_is_named(broken: Ended) -> None:
    assert broken.code == 1
    assert broken.with_outcome("failed") == ["GRANT-2", "GRANT-4"]
    check = broken.failure("GRANT-2")
    assert check["expected"].startswith("status 200")
    assert check["received"] == "status 201"
    assert [exchange["status"] for exchange in check["exchanges"]] == [201, 201]
    assert check["exchanges"][0]["curl"].startswith("curl ")
    assert "    reproduce:\n      curl " in broken.output
    assert "FAILED GRANT-2: The same key with the same body" in broken.output
    assert "failed: GRANT-2, GRANT-4" in broken.output
    assert "Traceback" not in broken.output


def test_junit_is_read_back(broken: Ended) -> None:
    xml = JUnitXml.fromfile(str(broken.reports / "latest" / "junit.xml"))
    checks = [check for row in broken.document["requirements"] for check in row["checks"]]
    assert xml.tests == len(checks)
    assert xml.failures == sum(check["outcome"] == "failed" for check in checks)
    assert xml.errors == 0


def test_workers_reach_the_same_verdict(broken: Ended, broken_in_parallel: Ended) -> None:
    outcomes = [
        {row["id"]: row["outcome"] for row in ended.document["requirements"]}
        for ended in (broken, broken_in_parallel)
    ]
    assert broken.code == broken_in_parallel.code == 1
    assert outcomes[0] == outcomes[1]


def test_the_exchanges_of_all_workers_are_in_the_har(broken_in_parallel: Ended) -> None:
    har = broken_in_parallel.read("exchanges.har")
    assert 201 in [entry["response"]["status"] for entry in json.loads(har)["log"]["entries"]]
    assert "Bearer [server key]" in har
    latest = broken_in_parallel.reports / "latest"
    assert not list(latest.glob("*.jsonl")), "a run that ended leaves no journal"


def test_no_secret_is_in_any_artefact(hostile: Ended) -> None:
    assert hostile.outcome("AUTH-6") == "failed"
    tokens = [token for name, token in keys().items() if name.startswith("KRATY_")]
    files = [file for file in hostile.reports.rglob("*") if file.is_file()]
    assert {"results.json", "report.html", "junit.xml"} <= {file.name for file in files}
    texts = {str(file): file.read_bytes().decode("utf-8", "replace") for file in files}
    leaks = [
        name
        for name, text in {**texts, "terminal": hostile.output}.items()
        if any(token.partition(".")[2] in text for token in tokens)
    ]
    assert leaks == []


def test_hostile_text_is_escaped(hostile: Ended) -> None:
    page = hostile.read("report.html")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    assert "\x1b[31m" not in hostile.output
    ET.fromstring(hostile.read("junit.xml"))  # noqa: S314 - our own file


def test_a_broken_step_blocks_what_needs_it(run_suite: Runner) -> None:
    ended = run_suite("-k", "second_ack or pending_grant", server=settings(grants=NoGrants))

    assert ended.code == 1
    assert ended.outcome("GRANT-1") == "failed"
    assert ended.outcome("ACK-2") == "blocked"
    assert ended.row("ACK-2")["checks"][0]["blamed"] == "GRANT-1"


@pytest.mark.parametrize(
    ("strict", "code", "outcome"),
    [((), 0, "warned"), (("-W", "error::conformance.ShouldWarning"), 1, "failed")],
    ids=["lenient", "strict"],
)
def test_a_should_warns_and_fails_only_on_demand(
    strict: tuple[str, ...], code: int, outcome: str, run_suite: Runner
) -> None:
    ended = run_suite(
        "--requirement", "GRANT-3,GRANT-3.code", *strict, server=settings(grants=WrongConflictCode)
    )

    assert (ended.code, ended.outcome("GRANT-3.code")) == (code, outcome)
    assert ("SHOULD not met" in ended.output) == (outcome == "warned")


def test_a_wrong_shape_fails_http_2_beside_the_scenario(run_suite: Runner) -> None:
    ended = run_suite("-k", "second_ack", server=settings(grants=ForgetsStatus))

    assert ended.code == 1
    assert ended.outcome("HTTP-2") == "failed"
    assert ended.outcome("ACK-2") == "passed"


def test_what_the_target_does_not_declare_is_not_exercised(
    run_suite: Runner, tmp_path: Path
) -> None:
    with reference() as url:
        target = tmp_path / "bare.toml"
        target.write_text(f'base_url = "{url}"\n[world]\ncurrencies = ["gold"]\n')
        ended = run_suite("--requirement", "RATE-1,LOBBY-1,LEDGER-1", target=target)

    assert ended.code == 0, ended.output
    assert ended.outcome("RATE-1") == "not_exercised"
    assert "keys.throttled" in ended.row("RATE-1")["reason"]
    assert "world.lobby_event" in ended.row("LOBBY-1")["reason"]
    assert ended.outcome("LEDGER-1") == "passed"


def test_fuzzing_names_a_crash_and_shows_the_case(run_suite: Runner) -> None:
    ended = run_suite(
        "-k",
        "generated and createGrant",
        "--examples",
        "200",
        server=settings(grants=CrashesOnMetadata),
    )

    assert ended.code == 1
    assert "metadata" in ended.failure("ERR-3")["exchanges"][-1]["requestBody"]
    assert "curl" in ended.output


def test_a_run_that_reaches_nothing_says_so(run_suite: Runner) -> None:
    with reference() as url:
        ended = run_suite("-k", "test_a_request_without_a_key_gets_401", url=url)

    assert "createGrant never succeeded: 401" in ended.document["notices"]
    assert any("answers were 401, 403 or 404" in notice for notice in ended.document["notices"])
    assert "notice: createGrant never succeeded" in ended.output


Served = Callable[[], AbstractContextManager[str]]
NO_START: dict[str, tuple[Served, str, str]] = {
    "another kind of server": (
        lambda: serving(answering(404, "<h1>Not found</h1>")),
        "",
        "is the base URL right?",
    ),
    "a gateway without a server": (lambda: serving(answering(503, "later")), "", "does not answer"),
    "a server that refuses the key": (
        lambda: reference(settings(auth=RefusesKeys)),
        "",
        "refuses the server key with 403 (forbidden)",
    ),
    "a path without an API": (reference, "/elsewhere", "is the base URL right?"),
    "no server": (lambda: nullcontext("http://127.0.0.1:1"), "", "does not answer"),
}


@pytest.mark.parametrize("name", list(NO_START))
def test_a_run_that_cannot_start_is_inconclusive(name: str, run_suite: Runner) -> None:
    server, path, words = NO_START[name]
    with server() as url:
        ended = run_suite(url=url + path)

    assert ended.code == 3
    assert words in ended.output
    assert "Traceback" not in ended.output
    assert ended.document["verdict"]["verdict"] == "inconclusive"
    assert ended.with_outcome("passed", "failed") == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--base-url", "nonsense"], "not an http(s) URL"),
        (["--base-url", ""], "--base-url is empty"),
        (["--target="], "--target is empty"),
        (["--target", "none.toml"], "cannot read the target file"),
        (["--seed", "x"], "--seed"),
        (["--profile", "slow"], "argument --profile: invalid choice: 'slow'"),
        (["--examples", "0"], "at least 1"),
        (["--no-such-option"], "--no-such-option"),
        (["--reports", str(ROOT / "README.md")], "cannot write reports"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(
    arguments: list[str], words: str, run_suite: Runner
) -> None:
    ended = run_suite(*arguments)

    assert ended.code == 2
    assert words in ended.output
    assert "Traceback" not in ended.output


def pytest_of(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """What plain pytest does."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )


def test_an_unknown_requirement_is_refused_at_collection(tmp_path: Path) -> None:
    (tmp_path / "test_own.py").write_text(
        "import pytest\n\n@pytest.mark.requirement('GRANT-99')\ndef test_own():\n    pass\n"
    )
    done = pytest_of("-p", "conformance.plugin", "test_own.py", folder=tmp_path)
    assert done.returncode != 0
    assert "'GRANT-99' is no requirement" in done.stdout + done.stderr


def test_plain_pytest_is_the_same_suite(tmp_path: Path) -> None:
    done = pytest_of("-k", "test_ping", "--reports", str(tmp_path), folder=ROOT)
    assert done.returncode == 0, done.stdout
    assert "verdict: no failure found" in done.stdout
    assert (tmp_path / "latest" / "results.json").exists()


SPOIL = """
def pytest_pycollect_makeitem(collector):
    if collector.path.name == "test_acks.py":
        raise ImportError("spoilt")
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_module_that_cannot_be_loaded_makes_the_run_inconclusive(
    workers: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_suite: Runner
) -> None:
    (tmp_path / "spoil.py").write_text(SPOIL)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    ended = run_suite("-p", "spoil", "-n", workers, "--requirement", "PING-1,ACK-1")

    assert ended.code == 3, ended.output
    assert "verdict: inconclusive" in ended.output
    assert "test_acks.py could not be loaded" in ended.output


def test_commands_are_loaded_when_they_are_called() -> None:
    slow = ["conformance.cli.serve", "httpx", "pytest", "schemathesis", "starlette"]
    code = f"import sys, conformance.cli; print([m for m in {slow} if m in sys.modules])"
    assert python(code) == "[]\n"

"""The suite as its users run it: verdicts, exit codes, reports, secrets."""

import json
import os
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from datetime import datetime
from pathlib import Path

import pytest
from junitparser import JUnitXml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from support import ROOT, Runner, keys, reference, serving

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


def settings(**parts: type) -> Settings:
    return Settings(window=1, parts=Parts(**parts))


def test_the_bundled_server_is_conformant(run_suite: Runner) -> None:
    ended = run_suite("-k", "test_grants or test_ping", "--seed", "7")

    assert ended.code == 0, ended.output
    assert ended.outcome("GRANT-2") == "passed"
    assert ended.outcome("DEL-1") == "not_exercised"
    assert ended.document["run"]["seed"] == 7
    assert "seed 7" in ended.output
    lines = ended.output.strip().splitlines()
    assert lines[-2].startswith("verdict: conformant")
    assert lines[-1].startswith("report: ")
    assert Path(lines[-1].removeprefix("report: ")).exists()


def test_a_broken_requirement_is_named(run_suite: Runner) -> None:
    with reference(settings(grants=ReplayAnswers201)) as url:
        ended = run_suite("-k", "test_grants", url=url)

    assert ended.code == 1
    assert "GRANT-2" in ended.with_outcome("failed")
    assert ended.with_outcome("failed") == ["GRANT-2", "GRANT-4"]
    check = next(c for c in ended.row("GRANT-2")["checks"] if c["outcome"] == "failed")
    assert check["expected"].startswith("status 200")
    assert check["received"] == "status 201"
    assert [exchange["status"] for exchange in check["exchanges"]] == [201, 201]
    assert check["exchanges"][0]["curl"].startswith("curl ")
    assert "GRANT-2 (MUST) is not met" in ended.output
    assert "FAILED GRANT-2: The same key with the same body" in ended.output
    assert "failed: GRANT-2, GRANT-4" in ended.output
    assert "Traceback" not in ended.output


def test_a_broken_step_blocks_what_needs_it(run_suite: Runner) -> None:
    with reference(settings(grants=NoGrants)) as url:
        ended = run_suite("-k", "test_acks or pending_grant", url=url)

    assert ended.code == 1
    assert ended.outcome("GRANT-1") == "failed"
    assert ended.outcome("ACK-1") == "blocked"
    assert ended.row("ACK-1")["checks"][0]["blamed"] == "GRANT-1"


def test_blocked_musts_alone_are_inconclusive(run_suite: Runner) -> None:
    with reference(settings(grants=NoGrants)) as url:
        ended = run_suite("-k", "claims_the_grant", url=url)

    assert ended.code == 3
    assert ended.document["verdict"]["verdict"] == "inconclusive"


def test_a_should_warns_and_fails_only_on_demand(run_suite: Runner) -> None:
    with reference(settings(grants=WrongConflictCode)) as url:
        lenient = run_suite("-k", "test_grants", url=url)
        strict = run_suite("-k", "test_grants", "-W", "error::conformance.ShouldWarning", url=url)

    assert (lenient.code, lenient.outcome("GRANT-3.code")) == (0, "warned")
    assert "2 SHOULDs not met" in lenient.output
    assert (strict.code, strict.outcome("GRANT-3.code")) == (1, "failed")


def test_a_wrong_shape_fails_http_2_beside_the_scenario(run_suite: Runner) -> None:
    with reference(settings(grants=ForgetsStatus)) as url:
        ended = run_suite("-k", "second_ack", url=url)

    assert ended.code == 1
    assert ended.outcome("HTTP-2") == "failed"
    assert ended.outcome("ACK-2") == "passed"


def test_what_the_target_does_not_declare_is_not_exercised(
    run_suite: Runner, tmp_path: Path
) -> None:
    with reference() as url:
        target = tmp_path / "bare.toml"
        target.write_text(f'base_url = "{url}"\n[world]\ncurrencies = ["gold"]\n')
        ended = run_suite("-k", "test_rate or test_lobbies or test_ledgers", target=target)

    assert ended.code == 0, ended.output
    assert ended.outcome("RATE-1") == "not_exercised"
    assert "keys.throttled" in ended.row("RATE-1")["reason"]
    assert "world.lobby_event" in ended.row("LOBBY-1")["reason"]
    assert ended.outcome("LEDGER-1") == "passed"


def test_fuzzing_names_a_crash_and_shows_the_case(run_suite: Runner) -> None:
    class Crash(Grants):
        def issue(self, player: Player, body: GrantBody, expires_at: datetime | None) -> Grant:
            if body.metadata is not None:
                raise ZeroDivisionError
            return super().issue(player, body, expires_at)

    with reference(settings(grants=Crash)) as url:
        ended = run_suite("-k", "generated and createGrant", "--examples", "200", url=url)

    assert ended.code == 1
    check = next(c for c in ended.row("ERR-3")["checks"] if c["outcome"] == "failed")
    assert "metadata" in check["exchanges"][-1]["requestBody"]
    assert "curl" in ended.output


def test_workers_reach_the_same_verdict(run_suite: Runner) -> None:
    with reference(settings(grants=ReplayAnswers201)) as url:
        serial = run_suite("-k", "test_grants or test_rate", url=url)
        parallel = run_suite("-k", "test_grants or test_rate", "-n", "2", url=url)

    assert serial.code == parallel.code == 1
    outcomes = [
        {row["id"]: row["outcome"] for row in ended.document["requirements"]}
        for ended in (serial, parallel)
    ]
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--base-url", "nonsense"], "not an http(s) URL"),
        (["--base-url", ""], "--base-url is empty"),
        (["--target="], "--target is empty"),
        (["--target", "none.toml"], "cannot read the target file"),
        (["--seed", "x"], "--seed"),
        (["--examples", "0"], "at least 1"),
        (["--no-such-option"], "--no-such-option"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(
    arguments: list[str], words: str, run_suite: Runner
) -> None:
    ended = run_suite(*arguments)

    assert ended.code == 2
    assert words in ended.output
    assert "Traceback" not in ended.output


def test_reports_that_cannot_be_written_are_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    command = [sys.executable, "-m", "conformance", "run", "--reports", str(tmp_path / "file")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)

    assert done.returncode == 2
    assert "cannot write reports" in done.stderr + done.stdout


def test_nobody_there_is_inconclusive(run_suite: Runner) -> None:
    ended = run_suite(url="http://127.0.0.1:1")

    assert ended.code == 3
    assert "does not answer" in ended.output
    assert ended.document["verdict"]["verdict"] == "inconclusive"
    assert ended.with_outcome("passed", "failed") == []


def test_a_refused_key_is_inconclusive(run_suite: Runner) -> None:
    class Refuses(Auth):
        def check_permission(self, key: object) -> None:
            raise ApiError(403, "forbidden", f"not {key!r}")

    with reference(settings(auth=Refuses)) as url:
        ended = run_suite(url=url)

    assert ended.code == 3
    assert "refuses the server key with 403 (forbidden)" in ended.output


def test_another_kind_of_server_is_inconclusive(run_suite: Runner) -> None:
    async def anything(_: Request) -> PlainTextResponse:
        return PlainTextResponse("<h1>Not found</h1>", 404)

    with serving(Starlette(routes=[Route("/{path:path}", anything)])) as url:
        ended = run_suite(url=url)

    assert ended.code == 3
    assert "is the base URL right?" in ended.output


def test_a_gateway_without_a_server_is_inconclusive(run_suite: Runner) -> None:
    async def unavailable(_: Request) -> PlainTextResponse:
        return PlainTextResponse("try later", 503)

    with serving(Starlette(routes=[Route("/{path:path}", unavailable)])) as url:
        ended = run_suite(url=url)

    assert ended.code == 3
    assert "does not answer" in ended.output
    assert "Traceback" not in ended.output


def test_a_path_that_nobody_serves_is_inconclusive(run_suite: Runner) -> None:
    with reference() as url:
        ended = run_suite("-k", "test_ping", url=f"{url}/elsewhere")

    assert ended.code == 3
    assert "is the base URL right?" in ended.output


def test_an_interrupted_run_keeps_what_it_knew(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "conformance", "run", "--reports", str(tmp_path), "-v"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    output, interrupted = "", False
    with process.stdout as lines:
        for line in lines:
            output += line
            if output.count("PASSED") == 20 and not interrupted:
                os.killpg(process.pid, signal.SIGINT)
                interrupted = True
    code = process.wait()

    document = json.loads((tmp_path / "latest" / "results.json").read_text())
    assert code == 3, output
    assert document["verdict"]["abortReason"] == "the run was interrupted"
    assert any(row["outcome"] == "passed" for row in document["requirements"])
    assert "Traceback" not in output


def test_an_unknown_requirement_is_refused_at_collection(tmp_path: Path) -> None:
    scenarios = tmp_path / "scenarios"
    scenarios.mkdir()
    (scenarios / "test_own.py").write_text(
        "import pytest\n\n@pytest.mark.requirement('GRANT-99')\ndef test_own():\n    pass\n"
    )
    command = [sys.executable, "-m", "pytest", "-p", "conformance.plugin", str(scenarios)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)

    assert done.returncode != 0
    assert "'GRANT-99' is no requirement" in done.stdout + done.stderr


def test_no_secret_is_in_any_artefact(run_suite: Runner) -> None:
    class Echoes(Grants):
        """Tells whoever asks what its keys are."""

        def create(self, *_: object) -> Reply:
            raise ApiError(409, "conflict", " ".join(load_world(resources.world_file()).tokens))

    with reference(settings(grants=Echoes)) as url:
        ended = run_suite("-k", "pending_grant or test_acks", url=url)

    assert ended.outcome("AUTH-6") == "failed"
    secrets = [
        token.partition(".")[2] for name, token in keys().items() if name.startswith("KRATY_")
    ]
    files = [file for file in ended.reports.rglob("*") if file.is_file()]
    assert {"results.json", "report.html", "junit.xml"} <= {file.name for file in files}
    texts = {str(file): file.read_bytes().decode("utf-8", "replace") for file in files}
    leaks = [
        name
        for name, text in {**texts, "terminal": ended.output}.items()
        for secret in secrets
        if secret in text
    ]
    assert leaks == []


def test_a_run_that_reaches_nothing_says_so(run_suite: Runner) -> None:
    with reference() as url:
        ended = run_suite("-k", "without_a_key_gets_401", url=url)

    assert "createGrant never succeeded: 401" in ended.document["notices"]
    assert any("answers were 401, 403 or 404" in notice for notice in ended.document["notices"])
    assert "notice: createGrant never succeeded" in ended.output


def test_junit_is_read_back(run_suite: Runner) -> None:
    with reference(settings(grants=ReplayAnswers201)) as url:
        ended = run_suite("-k", "test_grants or test_rate or throttled", url=url)

    xml = JUnitXml.fromfile(str(ended.reports / "latest" / "junit.xml"))
    checks = [check for row in ended.document["requirements"] for check in row["checks"]]
    assert xml.tests == len(checks)
    assert xml.failures == sum(check["outcome"] == "failed" for check in checks)
    assert xml.errors == 0


def test_allure_results_are_written(run_suite: Runner) -> None:
    ended = run_suite("-k", "test_ping")

    results = list((ended.reports / "latest" / "allure-results").glob("*-result.json"))
    assert [json.loads(file.read_text())["status"] for file in results] == ["passed"] * 2


def test_hostile_text_is_escaped_in_the_page(run_suite: Runner) -> None:
    class Hostile(Grants):
        def create(self, external_id: str, body: object) -> Reply:
            raise ApiError(409, "<script>alert(1)</script>", f"\x1b[31m</pre>{external_id}{body}")

    with reference(settings(grants=Hostile)) as url:
        ended = run_suite("-k", "pending_grant", url=url)

    page = (ended.reports / "latest" / "report.html").read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    assert "\x1b[31m" not in ended.output
    ET.parse(ended.reports / "latest" / "junit.xml")  # noqa: S314 - our own file


def test_plain_pytest_is_the_same_suite(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-k", "test_ping", "--reports", str(tmp_path)]
    done = subprocess.run(
        command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout
    assert "verdict: conformant" in done.stdout
    assert (tmp_path / "latest" / "results.json").exists()


def test_commands_are_loaded_when_they_are_called() -> None:
    slow = ["conformance.cli.serve", "httpx", "pytest", "schemathesis", "starlette"]
    code = f"import sys, conformance.cli; print([m for m in {slow} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_an_unknown_command_is_a_line() -> None:
    command = [sys.executable, "-m", "conformance", "rnu"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "No such command 'rnu'" in done.stderr

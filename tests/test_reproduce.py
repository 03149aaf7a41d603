"""The script of a failure shows it again on the faulty server and not on the right one."""

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import command, ended, keys, reference, serving

from conformance import resources
from conformance.client.recorder import Recorder
from conformance.faults.deviations import settings_of
from conformance.faults.registry import deviation_of
from conformance.http.exchange import Exchange, Place, Request, Response
from conformance.reference.app import create_app
from conformance.reference.world import load_world
from conformance.report import read_results
from conformance.report.compare_answers import Answer, Normaliser, signature, transcript
from conformance.report.made_by_server import extractions
from conformance.report.shell import word
from conformance.results.evidence import ShownExchange, shown

FAULTS = {
    "ack-of-others": "ACK-3",
    "grant-race": "GRANT-4",
    "import-999-rows": "MIG-4",
    "auth-prefix-only": "AUTH-2",
}
"""An id of the server in a later path; simultaneous requests; a large body; a wrong key."""
REPRODUCED, NOT_REPRODUCED, UNDECIDED = 1, 0, 3


@dataclass(frozen=True)
class Failed:
    """A run on a faulty server, by the fault and the requirement that it breaks."""

    fault: str
    requirement: str
    report: Path

    @property
    def script(self) -> Path:
        return self.report / "reproduce" / f"{self.requirement}.sh"


@pytest.fixture(scope="module", params=FAULTS)
def failed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Failed:
    fault, requirement = request.param, FAULTS[request.param]
    reports = tmp_path_factory.mktemp(fault)
    command(
        *("run", "--fault", fault, "--requirement", requirement, "-k", "not generated"),
        *("--reports", str(reports), "--seed", "1", "-n", "0"),
    )
    return Failed(fault, requirement, (reports / "latest").resolve())


def run_script(script: Path, url: str, shell: str = "/bin/sh") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [shell, str(script)],
        env={**keys(), "BASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_script_shows_the_failure_on_the_faulty_server_alone(failed: Failed) -> None:
    world = load_world(resources.world_file())
    with serving(create_app(world, settings_of([deviation_of(failed.fault)], 1))) as url:
        found = run_script(failed.script, url)
    assert found.returncode == REPRODUCED, found.stdout + found.stderr
    assert found.stdout.endswith("\nreproduced\n")

    with reference() as url:
        found = run_script(failed.script, url)
    assert found.returncode == NOT_REPRODUCED, found.stdout + found.stderr
    assert found.stdout.endswith("\nnot reproduced\n")


def test_the_script_has_no_key_and_names_the_expectation(failed: Failed) -> None:
    row = next(
        row for row in read_results(failed.report).requirements if row.id == failed.requirement
    )
    for file in failed.script.parent.iterdir():
        text = file.read_text()
        for name, token in keys().items():
            if name.startswith("KRATY_"):
                assert token not in text
                assert token.partition(".")[2] not in text
    script = failed.script.read_text()
    assert row.sentence in script
    assert "# expected: " in script
    assert (
        f'<a href="reproduce/{failed.requirement}.sh">'
        in (failed.report / "report.html").read_text()
    )


def test_a_script_without_its_key_says_which(failed: Failed) -> None:
    environment = {"PATH": os.environ["PATH"], "BASE_URL": "http://127.0.0.1:1"}
    found = subprocess.run(
        ["/bin/sh", str(failed.script)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 2
    assert re.search(r"export KRATY_(\w+)_KEY, the \w+ key", found.stderr)


@pytest.mark.parametrize("failed", ["ack-of-others"], indirect=True)
def test_a_script_cannot_judge_a_server_that_is_gone(failed: Failed) -> None:
    found = run_script(failed.script, "http://127.0.0.1:1")
    assert "the server does not answer" in found.stdout
    assert found.returncode == UNDECIDED


@pytest.mark.parametrize("failed", ["grant-race"], indirect=True)
def test_replay_lets_the_suite_judge(failed: Failed) -> None:
    found = command("replay", f"{failed.report / 'report.html'}#GRANT-4", "-n", "2")
    assert found.returncode == 1, found.stdout + found.stderr
    assert "GRANT-4: reproduced 2 of 2: expected the statuses of simultaneous" in found.stdout

    with reference() as url:
        found = command("replay", str(failed.report), "GRANT-4", "-n", "1", "--base-url", url)
    assert (found.returncode, found.stdout.splitlines()[-1]) == (0, "GRANT-4: reproduced 0 of 1")


@pytest.mark.parametrize("failed", ["ack-of-others"], indirect=True)
def test_replay_takes_a_test_and_is_undecided_about_a_server_that_is_gone(failed: Failed) -> None:
    check = ended(1, "", failed.report.parent).failure("ACK-3")
    found = command(
        "replay", str(failed.report), check["test"], "-n", "1", "--base-url", "http://127.0.0.1:1"
    )
    assert found.returncode == 3, found.stdout + found.stderr
    assert "undecided" in found.stdout


@pytest.mark.parametrize("failed", ["ack-of-others"], indirect=True)
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["#ACK-1"], "the report has no failure of 'ACK-1'; failed: ACK-3"),
        ([""], "name one requirement or test"),
        (["#ACK-3", "ACK-3"], "name one requirement or test"),
        (["/none#ACK-3"], "cannot read"),
        (["#ACK-3", "--target", "/none.toml"], "cannot read the target file /none.toml"),
    ],
)
def test_replay_refuses_what_it_cannot_do(
    failed: Failed, arguments: list[str], reason: str
) -> None:
    first, *rest = arguments
    found = command("replay", f"{failed.report}{first}", *rest)
    assert found.returncode == 2
    assert reason in found.stderr


def test_everything_is_quoted_but_variables() -> None:
    hostile = 'kc-0123abcd-p1\'; $(touch /tmp/x) `id` "$HOME" [server key] \\ !é'
    quoted = word(hostile, {"kc-0123abcd": "$RUN"}, {"server": "KEY"})
    done = subprocess.run(
        ["/bin/sh", "-c", f"printf %s {quoted}"],
        env={"RUN": "kc-new", "KEY": "secret value"},
        capture_output=True,
        text=True,
        check=True,
    )
    expected = hostile.replace("kc-0123abcd", "kc-new").replace("[server key]", "secret value")
    assert done.stdout == expected


@pytest.mark.parametrize(
    ("mask", "derived"),
    [
        ("[server key, other case]", "KSK_demo.SECRETA"),
        ("[server key, other last character]", "ksk_DEMO.secretb"),
        ("[server key, zeros]", "ksk_DEMO." + "0" * 32),
        ("[server key, cut short]", "ksk_DEMO.secret"),
        ("[server key, prefix only]", "ksk_DEMO"),
        ("[server key, empty secret]", "ksk_DEMO."),
    ],
)
def test_wrong_keys_are_made_from_the_right_one(mask: str, derived: str) -> None:
    quoted = word(f"Bearer {mask}", {}, {"server": "KEY"})
    environment = {"PATH": os.environ["PATH"], "KEY": "ksk_DEMO.secreta"}
    done = subprocess.run(
        ["/bin/sh", "-c", f"printf %s {quoted}"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"Bearer {derived}"


def exchange(target: str, answer: object, body: str = "") -> ShownExchange:
    request = Request("op", "POST", target, (), body.encode())
    response = Response(200, (), json.dumps(answer).encode())
    return shown(Exchange(request, response, None, 1.0, 0.1), "http://x", lambda *_: None)


def test_ids_of_the_server_are_read_from_its_answers() -> None:
    made, found = extractions(
        [
            exchange("/a/kc-1", {"data": {"id": "grant_0123456789abcdef", "kind": "reward"}}),
            exchange("/a/kc-1/grant_0123456789abcdef/ack", {}),
            exchange("/a/kc-1/grant_0123456789abcdXX/ack", {}),
        ],
        "kc-1",
    )
    assert made == {"grant_0123456789abcdef": "${ID1}", "grant_0123456789abcd": "${ID1%??}"}
    assert [(one.variable, one.number, one.path) for one in found] == [("ID1", 1, ("data", "id"))]


def answer(**body: object) -> Answer:
    return Answer(200, {"content-type": "application/json"}, json.dumps(body).encode())


def test_ids_and_names_of_two_runs_compare_equal() -> None:
    def read(prefix: str, id: str, balance: int, time: str) -> str:
        made = answer(id=id, player=f"{prefix}-p1", balance=balance, createdAt=time)
        return signature(made, Normaliser(prefix, frozenset()), [])

    first = read("kc-1", "grant_11111111", 5, "2026-01-01T00:00:00.123Z")
    assert first == read("kc-2", "grant_22222222", 5, "2026-02-02T00:00:00Z")
    assert first != read("kc-2", "grant_22222222", 6, "2026-02-02T00:00:00Z")
    assert first != read("kc-2", "grant_22222222", 5, "2026-02-02 00:00:00")


def test_a_second_id_in_simultaneous_answers_is_seen() -> None:
    recorded = {
        "sent": [],
        "keys": {},
        "headers": [],
        "mixed": [],
        "steps": [[1, 2, 3]],
        "groups": [[1, 2, 3]],
    }

    def counted(*ids: str) -> object:
        answers = {number: answer(id=id) for number, id in enumerate(ids, 1)}
        return transcript(answers, recorded, "kc-1", exact=False)

    assert counted("id-000001", "id-000001", "id-000001") == counted(*["id-000002"] * 3)
    assert counted("id-000001", "id-000002", "id-000002") != counted(*["id-000002"] * 3)


def test_simultaneous_exchanges_and_long_bodies_are_known_to_the_evidence() -> None:
    kept: dict[str, bytes] = {}
    request = Request("op", "POST", "/", (), b"\xff" * 3)
    made = shown(
        Exchange(request, None, "lost", 0.0, 0.0, place=Place(7, 2)), "http://x", kept.__setitem__
    )
    assert (made.group, made.lane) == (7, 2)
    assert made.request_file is not None
    assert kept == {made.request_file: b"\xff" * 3}


def test_arrangements_come_before_the_cases_that_use_them() -> None:
    recorder = Recorder()

    def sent(target: str) -> Exchange:
        made = Exchange(Request("op", "GET", target, (), b""), None, "lost", 0.0, 0.0)
        recorder.add(made)
        return made

    with recorder.arranging() as arrangement:
        first = sent("/players/known")
        arrangement.names.append("known")
    used, other = sent("/players/known/ban"), sent("/players/new")
    assert recorder.exchanges == [used, other]
    assert recorder.with_arrangements([used]) == (first, used)
    assert recorder.with_arrangements([other]) == (other,)
    assert recorder.with_arrangements([first]) == (first,), "a breach in the arrangement itself"

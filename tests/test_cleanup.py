"""A run takes away what it made, and nothing else."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from support import Runner, keys, reference
from test_crash import reported, running, until

from conformance import resources
from conformance.client.api import Api
from conformance.client.channel import Channel, Wire
from conformance.client.created_players import (
    Players,
    StrangerError,
    created_in,
    keep_only,
    players_named,
)
from conformance.client.recorder import Recorder
from conformance.contract.openapi import load_spec
from conformance.http.exchange import Exchange, Request, Response
from conformance.http.redaction import Redactor
from conformance.lifecycle.cleanup import Cleaned, erase

BASE = "/server/v1"
SPEC = load_spec(resources.spec_file())
STRANGERS = [
    "ada",
    "kc-",
    "kc-00000000-p00001",
    "KC-ada",
    "grace/hopper",
    "é",
    *(f"stranger-{n}" for n in range(14)),
]


def authorization() -> dict[str, str]:
    return {"Authorization": f"Bearer {keys()['KRATY_SERVER_KEY']}"}


def exports(url: str) -> dict[str, bytes]:
    """What every stranger has, without the moment of asking."""
    with httpx.Client(base_url=url + BASE, headers=authorization()) as client:
        bodies = {}
        for stranger in STRANGERS:
            body = client.get(f"/players/{quote(stranger, safe='')}/export").json()["data"]
            del body["exportedAt"]
            bodies[stranger] = json.dumps(body).encode()
        return bodies


def settle(url: str) -> None:
    """Strangers with a wallet, items, a grant, a lobby; one of them is banned."""
    with httpx.Client(base_url=url + BASE, headers=authorization()) as client:
        for number, stranger in enumerate(STRANGERS):
            path = f"/players/{quote(stranger, safe='')}"
            client.post(
                f"{path}/wallet/gold/credit", json={"amount": 7 + number}
            ).raise_for_status()
            client.post(f"{path}/inventory/iron_sword/grant", json={"quantity": 2})
            entry = {"type": "currency", "currencyKey": "gold", "amount": 1}
            client.post(f"{path}/grants", json={"idempotencyKey": stranger, "entries": [entry]})
        client.post(
            "/games/game_emberfall/events/quick_brawl/lobbies",
            json={"key": "strangers", "externalPlayerIds": STRANGERS[:4]},
        ).raise_for_status()
        client.post("/players/ada/ban", json={"reason": "cheat"}).raise_for_status()


def alive(url: str, prefix: str, directory: Path) -> list[str]:
    """The players of a run who still exist, of all that it may have created."""
    with httpx.Client(base_url=url + BASE, headers=authorization()) as client:
        ids = [id for role, id in created_in(directory) if role == "server"]
        assert all(id.startswith(prefix) for id in ids)
        return [
            id
            for id in ids
            if client.get(f"/players/{quote(id, safe='', errors='surrogatepass')}").status_code
            == 200
        ]


def test_strangers_are_untouched_to_the_byte_and_all_others_are_gone(run_suite: Runner) -> None:
    with reference() as url:
        settle(url)
        before = exports(url)
        ended = run_suite(url=url)
        assert exports(url) == before
    assert ended.code == 0, ended.output
    cleanup = ended.document["cleanup"]
    assert cleanup["created"] > 1000
    assert (cleanup["erased"], cleanup["left"]) == (cleanup["created"], 0)
    assert not list((ended.reports / "latest").glob("players-*"))


def test_keep_leaves_them_and_clean_takes_them_away(run_suite: Runner) -> None:
    with reference() as url:
        ended = run_suite("--keep", "-k", "bans or acks", url=url)
        latest, prefix = ended.reports / "latest", f"kc-{ended.document['run']['id']}"
        left = alive(url, prefix, latest)
        command = [sys.executable, "-m", "conformance", "clean", str(latest)]
        done = subprocess.run(command, env=keys(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert alive(url, prefix, latest) == []
        with httpx.Client(base_url=url + BASE, headers=authorization()) as client:
            gone = [client.get(f"/players/{id}").status_code for id in left]
    assert len(left) > 10
    assert set(gone) == {404}
    assert ended.document["cleanup"]["left"] == ended.document["cleanup"]["created"] > 10
    erased, _, created, *words = done.stdout.split()
    assert (erased, words) == (created, ["players", "erased,", "0", "left"])
    assert len(left) <= int(erased) <= ended.document["cleanup"]["created"]


def test_clean_finishes_after_a_crash(tmp_path: Path) -> None:
    with reference() as url:
        with running(tmp_path, url, "-n", "2") as process:
            until(lambda: reported(tmp_path) > 60)
            for each in [*process.children(recursive=True), process]:
                each.kill()
        latest = tmp_path / "reports" / "latest"
        (run,) = [path for path in (tmp_path / "reports").iterdir() if not path.is_symlink()]
        prefix = f"kc-{run.name.rpartition('-')[2]}"
        assert len(alive(url, prefix, latest)) > 10
        ids = [id for _, id in created_in(latest)]
        command = [sys.executable, "-m", "conformance", "clean", str(latest)]
        done = subprocess.run(command, env=keys(), capture_output=True, text=True, check=False)
        with httpx.Client(base_url=url + BASE, headers=authorization()) as client:
            paths = [f"/players/{quote(id, safe='', errors='surrogatepass')}" for id in ids]
            gone = {client.get(path).status_code for path in paths}
    assert done.returncode == 0, done.stderr
    assert gone == {404}
    assert created_in(latest) == []


def test_an_interrupted_run_cleans_up_too(tmp_path: Path) -> None:
    with reference() as url, running(tmp_path, url) as process:
        until(lambda: reported(tmp_path) > 60)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(60) == 3
    results = json.loads((tmp_path / "reports" / "latest" / "results.json").read_text())
    assert results["cleanup"]["created"] == results["cleanup"]["erased"] > 10


def test_clean_refuses_another_server(run_suite: Runner) -> None:
    with reference() as url, reference() as other:
        ended = run_suite("--keep", "-k", "acks", url=url)
        file = ended.reports.parent / "target.toml"
        file.write_text(file.read_text().replace(url, other))
        latest = str(ended.reports / "latest")
        command = [sys.executable, "-m", "conformance", "clean", latest, "--target", str(file)]
        done = subprocess.run(command, env=keys(), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("kraty-conformance: the run was against")


def credit(player: str) -> Request:
    path = f"{BASE}/players/{quote(player, safe='')}/wallet/gold/credit"
    headers = (("Authorization", "Bearer t.s"),)
    return Request("creditWallet", "POST", path, headers, b'{"amount": 1}')


def imports(*players: object) -> Request:
    body = json.dumps({"rows": [{"externalPlayerId": player} for player in players]}).encode()
    return Request("migratePlayers", "POST", f"{BASE}/migrate/players", (), body)


@pytest.mark.parametrize(
    "request_",
    [
        credit("ada"),
        credit("kc-1"),
        credit("xkc-0-p1"),
        credit("kc-0-p1a/../ada"),
        Request("", "POST", f"{BASE}/players/ada/ban", (), b""),
        imports("kc-0-p1", "ada"),
        Request(
            "createLobby",
            "POST",
            f"{BASE}/games/g/events/e/lobbies",
            (),
            b'{"key": "kc-0", "externalPlayerIds": ["kc-0-p1", "ada"]}',
        ),
        Request("mergePlayer", "POST", f"{BASE}/players/kc-0-p1/merge-into/ada", (), b""),
    ],
)
def test_a_request_that_would_change_a_stranger_is_not_sent(request_: Request) -> None:
    with pytest.raises(StrangerError):
        Players("kc-0", {}).sending(SPEC.operations.get(request_.operation), request_)


@pytest.mark.parametrize(
    "request_", [imports(), imports(1, None, ""), credit("kc-0-ä/b"), credit("KC-0-p1")]
)
def test_a_request_about_the_runs_own_is_sent(request_: Request) -> None:
    Players("kc-0", {}).sending(SPEC.operations[request_.operation], request_)


def test_a_player_who_never_existed_is_neither_erased_nor_left(tmp_path: Path) -> None:
    del tmp_path
    with reference() as url:
        token = keys()["KRATY_SERVER_KEY"]
        wire = Wire(url)
        api = Api(Channel(wire, SPEC, Redactor({}), Recorder()), token, "")
        api.credit_wallet("kc-0-p1", "gold", {"amount": 1})
        players = [("server", "kc-0-p1"), ("server", "kc-0-p2"), ("server", "ada")]
        assert erase({"server": api}, players, "kc-0") == Cleaned(created=1, erased=1)
        wire.close()


def test_clean_refuses_the_key_of_another_game(run_suite: Runner) -> None:
    with reference() as url:
        ended = run_suite("--keep", "-k", "acks", url=url)
        latest = ended.reports / "latest"
        environment = {**keys(), "KRATY_SERVER_KEY": keys()["KRATY_OTHER_GAME_KEY"]}
        command = [sys.executable, "-m", "conformance", "clean", str(latest)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "belong to game game_emberfall, the key to game_saltmarsh" in done.stderr
    assert created_in(latest), "nothing is forgotten"


def answered(request: Request, status: int | None) -> Exchange:
    response = None if status is None else Response(status, (), b"")
    return Exchange(request, response, None, 0.0, 0.0)


@pytest.mark.parametrize(
    ("statuses", "created"),
    [
        ([200], True),
        ([404], False),
        ([404, 200], True),
        ([200, 404], True),
        ([500], True),
        ([None], True),
        ([], True),
    ],
)
def test_players_are_noted_before_they_can_exist(
    statuses: list[int | None], created: bool, tmp_path: Path
) -> None:
    players = Players("kc-0", {"other_game": "t.s"}, tmp_path / "players-main.txt")
    request = credit("kc-0-p1")
    noted = players.sending(SPEC.operations["creditWallet"], request)
    assert created_in(tmp_path) == [("other_game", "kc-0-p1")]
    for status in statuses:
        players.answered(noted, answered(request, status))
    assert created_in(tmp_path) == ([("other_game", "kc-0-p1")] if created else [])
    players.close()


def test_a_line_that_a_crash_cut_short_is_left_out(tmp_path: Path) -> None:
    keep_only(tmp_path, [])
    (tmp_path / "players-main.txt").write_text('+["server", "kc-0-p1"]\n+["server", "kc-0-p')
    assert created_in(tmp_path) == [("server", "kc-0-p1")]


@pytest.mark.parametrize(
    "body",
    [
        b'{"externalPlayerIds": ["p"]}',
        b'{"rows": [{"externalPlayerId": "p"}]}',
        b'{"rows": [{"\\u0065xternalPlayerId": "p"}]}',
        '{"rows": [{"externalPlayerId": "p"}]}'.encode("utf-16"),
    ],
)
def test_a_player_is_named_by_a_body_in_whatever_spelling(body: bytes) -> None:
    request = Request("migratePlayers", "POST", "/server/v1/migrate/players", (), body)
    assert players_named(SPEC.operations["migratePlayers"], request) == {"p"}


def test_a_body_in_which_no_player_is_named_names_none() -> None:
    request = Request("x", "POST", "/server/v1/migrate/players", (), b'{"rows": [{"id": "p"}]}')
    assert players_named(SPEC.operations["migratePlayers"], request) == set()

"""A run erases the players that it created, and no other."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from support import (
    WINDOW,
    Runner,
    command,
    json_of,
    keys,
    raw_server,
    read_head,
    reference,
    server_client,
    suite_client,
)

from conformance import resources
from conformance.client.created_players import (
    ForeignPlayerError,
    Players,
    created_in,
    keep_only,
    players_named,
)
from conformance.contract.openapi import encoded, load_spec
from conformance.faults.deviations import settings_of
from conformance.faults.registry import deviation_of
from conformance.http.exchange import Exchange, Request, Response
from conformance.lifecycle.cleanup import Cleaned, erase
from conformance.testkit import state_of

BASE = "/server/v1"
SPEC = load_spec(resources.spec_file())
STRANGERS = ["ada", "kc-", "kc-00000000-p00001", "KC-ada", "grace/hopper", "é"]


def states(url: str) -> dict[str, dict[str, Any]]:
    """What every stranger has."""
    with server_client(url) as client:
        paths = {stranger: f"/players/{encoded(stranger)}/export" for stranger in STRANGERS}
        return {who: state_of(client.get(path).json()["data"]) for who, path in paths.items()}


def settle(url: str) -> None:
    """Strangers with a wallet, items, a grant, a lobby; one of them is banned."""
    with server_client(url) as client:
        for number, stranger in enumerate(STRANGERS):
            path = f"/players/{encoded(stranger)}"
            credited = client.post(f"{path}/wallet/gold/credit", json={"amount": 7 + number})
            credited.raise_for_status()
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
    with server_client(url) as client:
        ids = [id for role, id in created_in(directory) if role == "server"]
        assert all(id.startswith(prefix) for id in ids)
        return [id for id in ids if client.get(f"/players/{encoded(id)}").status_code == 200]


def test_keep_leaves_them_and_clean_takes_them_away(run_suite: Runner) -> None:
    with reference() as url:
        ended = run_suite("--keep", "-k", "bans or acks", url=url)
        latest, prefix = ended.reports / "latest", f"kc-{ended.document['run']['id']}"
        left = alive(url, prefix, latest)
        done = command("clean", str(latest))
        assert done.returncode == 0, done.stderr
        assert alive(url, prefix, latest) == []
        with server_client(url) as client:
            gone = [client.get(f"/players/{id}").status_code for id in left]
    assert len(left) > 10
    assert set(gone) == {404}
    assert ended.document["cleanup"]["left"] == ended.document["cleanup"]["created"] > 10
    erased, _, created, *words = done.stdout.split()
    assert (erased, words) == (created, ["players", "erased,", "0", "left"])
    assert len(left) <= int(erased) <= ended.document["cleanup"]["created"]


def test_clean_refuses_another_server_and_the_key_of_another_game(run_suite: Runner) -> None:
    with reference() as url, reference() as other:
        ended = run_suite("--keep", "-k", "acks", url=url)
        latest = ended.reports / "latest"
        environment = {**keys(), "KRATY_SERVER_KEY": keys()["KRATY_OTHER_GAME_KEY"]}
        key_of_another = command("clean", str(latest), env=environment)
        file = ended.reports.parent / "target.toml"
        file.write_text(file.read_text().replace(url, other))
        server_of_another = command("clean", str(latest), "--target", str(file))
    assert (key_of_another.returncode, server_of_another.returncode) == (2, 2)
    assert (
        "belong to game game_emberfall, the server key to game game_saltmarsh"
        in key_of_another.stderr
    )
    assert server_of_another.stderr.startswith("kraty-conformance: the run was against")
    assert created_in(latest), "nothing is forgotten"


def credit(player: str) -> Request:
    path = f"{BASE}/players/{encoded(player)}/wallet/gold/credit"
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
    with pytest.raises(ForeignPlayerError):
        Players("kc-0", {}).sending(SPEC.operations.get(request_.operation), request_)


@pytest.mark.parametrize(
    "request_", [imports(), imports(1, None, ""), credit("kc-0-ä/b"), credit("KC-0-p1")]
)
def test_a_request_about_the_runs_own_is_sent(request_: Request) -> None:
    Players("kc-0", {}).sending(SPEC.operations[request_.operation], request_)


def test_a_player_who_never_existed_is_neither_erased_nor_left() -> None:
    with reference() as url, suite_client(url) as api:
        api.credit_wallet("kc-0-p1", "gold", {"amount": 1})
        players = [("server", "kc-0-p1"), ("server", "kc-0-p2"), ("server", "ada")]
        assert erase({"server": api}, players, "kc-0") == Cleaned(created=1, erased=1)


def test_an_id_that_the_server_refuses_never_existed() -> None:
    settings = settings_of([deviation_of("no-nulls")], WINDOW)
    with reference(settings) as url, suite_client(url) as api:
        assert erase({"server": api}, [("server", "kc-0-\0")], "kc-0") == Cleaned(0, 0)


def test_who_cannot_be_erased_is_left_with_the_reason() -> None:
    nothing_works = json_of(b'{"error": {"code": "down"}}', b"500 Sorry")

    def serve(connection: socket.socket) -> None:
        while read_head(connection):
            connection.sendall(nothing_works)

    with raw_server(serve) as url, suite_client(url) as api:
        done = erase({"server": api}, [("server", "kc-0-p1")], "kc-0")
    assert (done.created, done.erased, done.left) == (1, 0, (("server", "kc-0-p1"),))
    assert "500" in (done.refusal or "")


def test_clean_takes_keys_from_the_variables_that_the_run_used(run_suite: Runner) -> None:
    with reference() as url:
        ended = run_suite("--keep", "-k", "acks", url=url)
        latest = ended.reports / "latest"
        text = (latest / "results.json").read_text()
        renamed = text.replace("KRATY_SERVER_KEY", "STAGING_KEY")
        (latest / "results.json").write_text(renamed)
        environment = {**keys(), "STAGING_KEY": keys()["KRATY_SERVER_KEY"]}
        del environment["KRATY_SERVER_KEY"]
        done = command("clean", str(latest), env=environment)
    assert done.returncode == 0, done.stderr
    assert created_in(latest) == []


def answered(request: Request, status: int | None) -> Exchange:
    response = None if status is None else Response(status, (), b"")
    return Exchange(request, response, None, 0.0, 0.0)


@pytest.mark.parametrize(
    ("statuses", "created"),
    [
        *(([200], True), ([404], False), ([404, 200], True), ([200, 404], True)),
        *(([500], True), ([501], False), ([None], True), ([], True)),
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
    ("body", "named"),
    [
        (b'{"externalPlayerIds": ["p"]}', {"p"}),
        (b'{"rows": [{"externalPlayerId": "p"}]}', {"p"}),
        (b'{"rows": [{"\\u0065xternalPlayerId": "p"}]}', {"p"}),
        ('{"rows": [{"externalPlayerId": "p"}]}'.encode("utf-16"), {"p"}),
        (b'{"rows": [{"id": "p"}]}', set()),
    ],
)
def test_a_body_names_its_players_in_whatever_spelling(body: bytes, named: set[str]) -> None:
    request = Request("migratePlayers", "POST", f"{BASE}/migrate/players", (), body)
    assert players_named(SPEC.operations["migratePlayers"], request) == named

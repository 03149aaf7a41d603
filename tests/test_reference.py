"""The reference server, where the scenarios do not look."""

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import pytest
from support import HANG, reference, server_client

from conformance.lifecycle.server_process import Boot
from conformance.reference.app import Settings

ENTRY = {"type": "currency", "currencyKey": "gold", "amount": 5}


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with reference() as url, server_client(url) as connected:
        yield connected


def connected(url: object) -> socket.socket:
    """A connection to a server, without HTTP."""
    parts = urlsplit(str(url))
    return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=HANG)


def deep(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


@pytest.mark.parametrize("levels", [400, 600, 900, 2000, 100_000])
def test_no_depth_breaks_a_grant_and_a_refused_one_leaves_nothing(
    client: httpx.Client, levels: int
) -> None:
    player = f"deep-{levels}"
    entries, metadata = json.dumps([ENTRY]), deep(levels)
    raw = f'{{"idempotencyKey": "{player}", "entries": {entries}, "metadata": {metadata}}}'
    answer = client.post(f"/players/{player}/grants", content=raw)
    assert answer.status_code in (201, 400)
    known = client.get(f"/players/{player}").status_code
    assert known == (200 if answer.status_code == 201 else 404)


def test_a_deep_row_fails_alone(client: httpx.Client) -> None:
    rows = f'{{"externalPlayerId": "d1", "idempotencyKey": "d1", "contextSnapshot": {deep(700)}}}'
    good = '{"externalPlayerId": "d2", "idempotencyKey": "d2"}'
    answer = client.post("/migrate/players", content=f'{{"rows": [{rows}, {good}]}}')
    assert answer.status_code == 200
    assert (answer.json()["data"]["applied"], answer.json()["data"]["failed"]) == (1, 1)


def test_a_full_batch_of_large_rows_is_taken(client: httpx.Client) -> None:
    row = {"externalPlayerId": "big", "contextSnapshot": {"x": "y" * 5000}}
    rows = [{**row, "idempotencyKey": f"big-{n}"} for n in range(1000)]
    answer = client.post("/migrate/players", json={"rows": rows})
    assert answer.json()["data"]["applied"] == 1000


def test_an_endless_body_is_refused(client: httpx.Client) -> None:
    answer = client.post("/migrate/players", content=b"x" * (33 * 1024 * 1024))
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "validation_failed"


@pytest.mark.parametrize("path", ["/ping/", "/players/a/grants/", "//ping", "/players//grants"])
def test_a_path_with_an_odd_slash_is_unknown(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("2099-01-01T00:00:00Z", 201),
        ("2099-01-01t00:00:00z", 201),
        ("2099-01-01T00:00:00.123456789+05:30", 201),
        ("2099-12-31T23:59:60Z", 201),
        ("2099-01-01T00:00:00+0530", 400),
        ("2099-01-01 00:00:00Z", 400),
        ("2099-01-01T00:00:00", 400),
        ("2099-02-30T00:00:00Z", 400),
    ],
)
def test_expires_at_is_a_date_time_of_rfc_3339(
    client: httpx.Client, text: str, status: int
) -> None:
    body = {"idempotencyKey": f"expires {text}", "entries": [ENTRY], "expiresAt": text}
    assert client.post("/players/late/grants", json=body).status_code == status


@pytest.mark.parametrize(
    ("limit", "shown"),
    [
        ("1", 1),
        ("24", 24),
        ("0024", 24),
        ("9" * 40, 25),
        ("0", 20),
        ("-3", 20),
        ("x", 20),
        ("", 20),
    ],
)
def test_a_limit_is_read_as_decided(client: httpx.Client, limit: str, shown: int) -> None:
    for n in range(25):
        body = {"idempotencyKey": f"limit-{n}", "entries": [ENTRY]}
        client.post("/players/rich/grants", json=body)
    profile = client.get("/players/rich", params={"limit": limit}).json()["data"]
    assert len(profile["grants"]) == shown
    assert profile["summary"]["grants"] == 25


def test_a_merge_is_remembered_by_both_ids(client: httpx.Client) -> None:
    rows = [{"externalPlayerId": f"m-{x}", "idempotencyKey": f"m-{x}"} for x in "abc"]
    client.post("/migrate/players", json={"rows": rows})
    assert client.post("/players/m-a/merge-into/m-b").json()["data"]["status"] == "merged"
    client.post("/players/m-a/wallet/gold/credit", json={"amount": 1})
    assert client.post("/players/m-a/merge-into/m-c").json()["data"]["status"] == "merged"
    for target in ("m-b", "m-c"):
        replay = client.post(f"/players/m-a/merge-into/{target}").json()["data"]
        assert replay["status"] == "no_op_already_merged"


def test_a_merge_never_exceeds_the_largest_exact_number(client: httpx.Client) -> None:
    for player in ("x-1", "x-2"):
        client.post(f"/players/{player}/wallet/gold/credit", json={"amount": 2**53 - 1})
    assert client.post("/players/x-1/merge-into/x-2").status_code == 422
    assert client.get("/players/x-1/export").json()["data"]["wallet"][0]["balance"] == 2**53 - 1


def test_an_upgrade_header_does_not_swallow_the_body(client: httpx.Client) -> None:
    body = b'{"amount": 5}'
    head = (
        "POST /server/v1/players/up/wallet/gold/credit HTTP/1.1\r\nHost: x\r\n"
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n"
        f"Authorization: {client.headers['Authorization']}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with connected(client.base_url) as raw:
        raw.sendall(head.encode() + body)
        assert raw.recv(64).startswith(b"HTTP/1.1 200")


def test_real_threads_lose_nothing() -> None:
    with reference(Settings(threads=True)) as url, server_client(url) as client:

        def credit(number: int) -> int:
            body = {"amount": 1, "idempotencyKey": f"t-{number // 2}"}
            return client.post("/players/many/wallet/gold/credit", json=body).status_code

        with ThreadPoolExecutor(16) as pool:
            statuses = list(pool.map(credit, range(200)))
        wallet = client.get("/players/many/export").json()["data"]["wallet"]
    assert set(statuses) == {200}
    assert wallet == [{"economyKey": "gold", "balance": 100}]


def test_an_answer_comes_in_one_piece() -> None:
    """Head and body, so that a client need not read twice; nothing is lost when it hangs up."""
    boot = Boot()
    asked = b"GET /server/v1/ping HTTP/1.1\r\nHost: h\r\n%s\r\n"
    try:
        with connected(boot.base_url()) as raw:
            for _ in range(1000):  # two pieces may come so soon after each other that they seem one
                raw.sendall(asked % b"")
                assert raw.recv(65_536).endswith(b"}")
            raw.sendall(asked % b"Connection: close\r\n")
            assert raw.recv(65_536).endswith(b"}")
            assert raw.recv(65_536) == b""
    finally:
        boot.stop()


def test_a_client_that_sends_no_more_is_answered(client: httpx.Client) -> None:
    """As `nc -N` does: it closes its own half of the connection, and waits."""
    with connected(client.base_url) as raw:
        raw.sendall(b"GET /server/v1/ping HTTP/1.1\r\nHost: h\r\n\r\n")
        raw.shutdown(socket.SHUT_WR)
        assert raw.recv(65_536).endswith(b"}")

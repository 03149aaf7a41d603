"""Whatever a server does, the run ends, needs little memory and shows no key."""

import gzip
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from support import HANG, json_of, keys, raw_server, read_head, started, suite_client, until

from conformance.client.channel import PacedTransport
from conformance.contract.openapi import BASE_PATH
from conformance.failures import Mismatch
from conformance.http.exchange import Exchange, Request
from conformance.http.limits import IDLE_SECONDS, MAX_BYTES

FEW = 20
"""Requests that one test may send to a server that never ends an answer."""
REQUESTS = 100
"""Requests that a run may send to a server that answers no ping; a whole run sends thousands."""
MEGABYTE = 2**20
PING = (
    b'{"ok": true, "apiKey": {"id": "k", "prefix": "ksk_demo_server", "environment": "test", '
    b'"permissionSet": "server_integration", "studioId": "s", "gameId": "g"}}'
)
Answer = Callable[[socket.socket, bytes], None]
"""What a server does with a request, given its head."""


@contextmanager
def hostile(answer: Answer, pings: Answer | None = None) -> Iterator[str]:
    """A server with one answer to every request, and perhaps another to pings."""

    def one(connection: socket.socket) -> None:
        while head := read_head(connection):
            if pings is not None and b"/server/v1/ping " in head:
                pings(connection, head)
            else:
                answer(connection, head)
                return

    with raw_server(one) as url:
        yield url


def sends(data: bytes) -> Answer:
    return lambda connection, _: connection.sendall(data)


def endless(head: bytes, part: bytes, pause: float = 0.0) -> Answer:
    """A beginning, and then the same for ever."""

    def answer(connection: socket.socket, _: bytes) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(part)
            time.sleep(pause)

    return answer


def wait_for_the_end(connection: socket.socket, _: bytes) -> None:
    connection.recv(1)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
LONG = HEAD + b"Content-Length: 10000000000\r\n\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
BOMB = gzip.compress(b"0" * (200 * MEGABYTE))
DEEP = json_of(b"[" * 100_000 + b"]" * 100_000)
ESCAPES = b'{"error": {"code": "\\u001b[2J\\u001b]0;owned\\u0007", "message": "\x1b[31m\x9b"}}'

# test_messages.py has more that is no HTTP, and more that has no end.
ANSWERS: dict[str, Answer] = {
    "10 GB": endless(LONG, b"x" * MEGABYTE),
    "endless chunks": endless(CHUNKED, b"100000\r\n" + b"x" * MEGABYTE + b"\r\n"),
    "a gzip bomb": sends(json_of(BOMB, more=b"Content-Encoding: gzip\r\n")),
    "gzip in gzip": sends(json_of(gzip.compress(BOMB), more=b"Content-Encoding: gzip, gzip\r\n")),
    "broken gzip": sends(json_of(b"no gzip", more=b"Content-Encoding: gzip\r\n")),
    "escapes instead of HTTP": sends(b"\x1b[2J\x1b]0;owned\x07 no HTTP\r\n\r\n"),
    "no HTTP": sends(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "JSON 100,000 deep": sends(DEEP),
    "escapes": sends(json_of(ESCAPES, b"500 Oops")),
}
SLOW: dict[str, Answer] = {
    "a byte at a time": endless(LONG, b"x", 0.02),
    "a header byte at a time": endless(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"y", 0.02),
    "silence": wait_for_the_end,
}


def the_server_key_alone() -> dict[str, str]:
    return {
        name: value
        for name, value in keys().items()
        if not name.startswith("KRATY_") or name == "KRATY_SERVER_KEY"
    }


@dataclass(frozen=True)
class Bounded:
    """A run that ended: exit code, output, and the most memory that it had."""

    code: int
    output: str
    peak: int

    def assert_it_kept_its_limits(self) -> None:
        """It took little memory and showed nothing odd."""
        assert self.peak < 400 * MEGABYTE
        assert "Traceback" not in self.output
        assert "\x1b" not in self.output


def run(folder: Path, url: str, *arguments: str) -> Bounded:
    """Run the suite with the server key alone."""
    peak = 0
    with started(
        folder, "--base-url", url, *arguments, env=the_server_key_alone(), start_new_session=False
    ) as process:

        def ended() -> bool:
            nonlocal peak
            with suppress(psutil.Error):
                family = [process, *process.children(recursive=True)]
                peak = max(peak, *(each.memory_info().rss for each in family))
            return process.poll() is not None

        until(ended)
    text = (folder / "output.txt").read_text(errors="replace")
    return Bounded(process.returncode, text, peak)


def assert_no_key_leaves(folder: Path) -> None:
    """No output of a run and nothing on the terminal shows a key, or a key's secret."""
    tokens = [token for name, token in keys().items() if name.startswith("KRATY_")]
    secrets = [secret.encode() for token in tokens for secret in (token, token.partition(".")[2])]
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(secrets) == 10
    assert files
    for path in files:
        content = path.read_bytes()
        assert not [secret for secret in secrets if secret in content], path


@pytest.mark.parametrize(
    "kind", ["a gzip bomb", "JSON 100,000 deep", "escapes", "escapes instead of HTTP"]
)
def test_a_hostile_server_is_judged_within_limits(kind: str, tmp_path: Path) -> None:
    with hostile(ANSWERS[kind], pings=sends(json_of(PING))) as url:
        ended = run(tmp_path, url, "-k", "test_ping or unknown_player_gets_404")
    assert ended.code in (1, 3), ended.output
    assert ended.code == 1 or "accused" not in ended.output
    ended.assert_it_kept_its_limits()
    assert_no_key_leaves(tmp_path)


@pytest.mark.parametrize("kind", ["10 GB", "no HTTP"])
def test_a_server_that_is_hostile_from_the_first_ping_ends_the_run(
    kind: str, tmp_path: Path
) -> None:
    asked: list[bytes] = []

    def answer(connection: socket.socket, head: bytes) -> None:
        asked.append(head)
        ANSWERS[kind](connection, head)

    with hostile(answer) as url:
        ended = run(tmp_path, url)
    assert ended.code == 3, ended.output
    assert 0 < len(asked) < REQUESTS
    ended.assert_it_kept_its_limits()
    assert_no_key_leaves(tmp_path)


def test_the_key_does_not_follow_a_redirect(tmp_path: Path) -> None:
    seen: list[bytes] = []

    def elsewhere(connection: socket.socket, head: bytes) -> None:
        seen.append(head)
        connection.sendall(json_of(PING))

    with hostile(elsewhere) as other:
        location = f"Location: {other}/server/v1/ping\r\n".encode()
        moved = sends(json_of(b"{}", b"307 Temporary Redirect", location))
        with hostile(moved, pings=sends(json_of(PING))) as url:
            ended = run(tmp_path, url, "-k", "unknown_player_gets_404 or together")
    assert ended.code == 1, ended.output
    assert seen == []


def test_a_key_in_an_error_message_is_reported_and_not_shown(tmp_path: Path) -> None:
    token = keys()["KRATY_SERVER_KEY"]
    body = f'{{"error": {{"code": "x", "message": "no such key: {token}"}}}}'.encode()
    header = f"X-Debug: {token}\r\n".encode()
    with hostile(sends(json_of(body, b"404 Gone", header)), pings=sends(json_of(PING))) as url:
        ended = run(tmp_path, url, "-k", "unknown_player_gets_404")
    assert ended.code == 1
    assert "AUTH-6" in ended.output
    assert_no_key_leaves(tmp_path)


REQUEST = Request("getPlayer", "GET", f"{BASE_PATH}/players/x", (), b"")


def exchanges(answer: Answer, idle: float = IDLE_SECONDS) -> list[Exchange]:
    """One exchange with a hostile server, and two at once."""
    with hostile(answer) as url:
        transport = PacedTransport(url, idle=idle)
        done = [transport.send(REQUEST), *transport.send_simultaneously([REQUEST] * 2)]
        transport.close()
    return done


def test_an_invalid_certificate_is_an_error_in_a_line(tmp_path: Path) -> None:
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "cert.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=nobody"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with raw_server(lambda link: context.wrap_socket(link, server_side=True).close()) as url:
        transport = PacedTransport(url.replace("http:", "https:"))
        error = str(transport.send(REQUEST).error)
        transport.close()
    assert "certificate verify failed" in error
    assert error.isprintable()


REASONS = {
    "10 GB": "TooLong",
    "endless chunks": "TooLong",
    "a gzip bomb": "TooLong",
    "gzip in gzip": "not asked for",
    "broken gzip": "BadCodingError",
    "escapes instead of HTTP": "RemoteProtocolError",
}


@pytest.mark.parametrize("kind", list(REASONS))
def test_an_answer_that_is_none_is_an_error_in_a_line(kind: str) -> None:
    for exchange in exchanges(ANSWERS[kind]):
        assert exchange.response is None
        assert str(exchange.error).isprintable()
        assert REASONS[kind] in str(exchange.error)


@pytest.mark.parametrize("kind", list(SLOW))
def test_a_deadline_holds_whatever_trickles_in(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conformance.http.limits.DEADLINE_SECONDS", 0.5)
    for exchange in exchanges(SLOW[kind], idle=HANG):
        assert exchange.response is None
        assert "TimeoutError" in str(exchange.error)
        assert exchange.seconds < HANG


def test_a_server_that_trickles_is_judged_after_a_few_requests(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("conformance.http.limits.DEADLINE_SECONDS", 0.1)
    asked: list[bytes] = []

    def trickle(connection: socket.socket, head: bytes) -> None:
        asked.append(head)
        SLOW["a byte at a time"](connection, head)

    with (
        hostile(trickle, pings=sends(json_of(PING))) as url,
        suite_client(url) as api,
        pytest.raises(Mismatch) as raised,
    ):
        api.get_player("x")
    assert raised.value.requirement == "ERR-3"
    assert 0 < len(asked) < FEW


def test_a_long_body_that_ends_is_read() -> None:
    body = b'"' + b"x" * (MAX_BYTES - 2) + b'"'
    zipped = json_of(gzip.compress(body), more=b"Content-Encoding: gzip\r\n")
    for exchange in exchanges(sends(zipped)):
        assert exchange.response is not None
        assert exchange.response.body == body

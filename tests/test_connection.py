"""How requests reach the server, and which connections serve them."""

import socket
import threading
from collections.abc import Iterator

import pytest
from support import Serve, json_of, raw_server, read_head, transport_to

from conformance.failures import UsageError
from conformance.http.exchange import Exchange, Request
from conformance.http.limits import Meter
from conformance.http.transport import proxy_to

PING = Request("ping", "GET", "/server/v1/ping", (("Accept", "application/json"),), b"")
FINE = json_of(b"{}")


def answering(answer: bytes, heads: list[bytes] | None = None, ends: bool = False) -> Serve:
    """Answers every request alike; `ends` after the first, without saying so."""

    def serve(connection: socket.socket) -> None:
        while head := read_head(connection):
            if heads is not None:
                heads.append(head)
            connection.sendall(answer)
            if ends:
                return

    return serve


def exchanges(url: str, count: int = 1, request: Request = PING) -> list[Exchange]:
    """So many exchanges, one after the other."""
    with transport_to(url) as transport:
        return [transport.send(request) for _ in range(count)]


def one_and_two_at_once(url: str, request: Request = PING) -> list[Exchange]:
    with transport_to(url) as transport:
        return [transport.send(request), *transport.send_simultaneously([request] * 2)]


def statuses(done: list[Exchange]) -> list[int | str | None]:
    return [each.response.status if each.response else each.error for each in done]


def test_headers_come_as_they_were_sent_and_all_of_them() -> None:
    odd = "X-Twice: a\r\nx-tWICE: b\r\nX-Latin: é\r\nRateLimit-Limit:  12 \t\r\n"
    answer = f"HTTP/1.1 200 OK\r\n{odd}Content-Length: 0\r\n\r\n"
    with raw_server(answering(answer.encode("latin-1"))) as url:
        (done,) = exchanges(url)
    assert done.response is not None
    assert done.response.headers[:4] == (
        *(("X-Twice", "a"), ("x-tWICE", "b"), ("X-Latin", "é")),
        ("RateLimit-Limit", "12"),
    )


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """A forward proxy that the environment names; the heads of what it is asked for."""
    heads: list[bytes] = []
    with raw_server(answering(FINE, heads, ends=True)) as url:
        for scheme in ("http", "https"):
            proxy = url.replace("http://", "http://user:p%40ss@")
            monkeypatch.setenv(f"{scheme}_proxy", proxy)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        yield heads


CREDENTIALS = b"\r\nProxy-Authorization: Basic dXNlcjpwQHNz"


def test_a_proxy_gets_the_whole_url(proxied: list[bytes]) -> None:
    assert statuses(one_and_two_at_once("http://staging.example/api")) == [200] * 3
    for head in proxied:
        assert head.startswith(b"GET http://staging.example/api/server/v1/ping HTTP/1.1\r\n")
        assert b"\r\nHost: staging.example" in head
        assert CREDENTIALS in head


def test_a_proxy_of_an_encrypted_server_sees_no_request(proxied: list[bytes]) -> None:
    (done,) = exchanges("https://staging.example")
    assert done.response is None  # this proxy is no server of the other side
    assert proxied[0].startswith(b"CONNECT staging.example:443 HTTP/1.")
    assert CREDENTIALS in proxied[0]
    assert b"/server/v1" not in b"".join(proxied)


@pytest.mark.usefixtures("proxied")
def test_no_proxy_leads_to_this_machine() -> None:
    assert proxy_to("http://127.0.0.1:8080") is None


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://b\u00fccher.example", b"xn--bcher-kva.example"),
        ("http://staging.example:8080/api", b"staging.example:8080"),
    ],
)
def test_a_host_is_encoded_and_has_its_port(url: str, host: bytes, proxied: list[bytes]) -> None:
    exchanges(url)
    (line,) = [line for line in proxied[0].split(b"\r\n") if line.lower().startswith(b"host:")]
    assert line.partition(b": ")[2] == host


def test_an_ipv6_address_has_brackets() -> None:
    heads: list[bytes] = []
    with raw_server(answering(FINE, heads), host="::1") as url:
        assert statuses(exchanges(url)) == [200]
    assert url.startswith("http://[::1]:")
    assert f"Host: {url.removeprefix('http://')}".encode() in heads[0]


@pytest.mark.parametrize(
    ("proxy", "place", "auth"),
    [
        ("proxy.example:3128", b"http://proxy.example:3128/", None),
        (
            "http://user:p%C3%A9@proxy.example:3128",
            b"http://proxy.example:3128/",
            (b"user", "p\u00e9".encode()),
        ),
    ],
    ids=["without a scheme", "a password in any language"],
)
def test_a_proxy_is_read(
    proxy: str, place: bytes, auth: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    found = proxy_to("https://staging.example")
    assert found is not None
    assert (bytes(found.url), found.auth) == (place, auth)


@pytest.mark.parametrize(
    ("proxy", "url"),
    [
        ("gopher://user:hunter22@proxy.example", "http://staging.example"),
        ("http://user:hunter22@proxy.example:3128", "http://[2001:db8::1]:8080"),
    ],
    ids=["of another kind", "to an IPv6 address"],
)
def test_a_proxy_that_cannot_serve_is_refused(
    proxy: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(UsageError, match="proxy") as raised:
        proxy_to(url)
    assert "hunter22" not in str(raised.value)


def refusing(connection: socket.socket) -> None:
    """Refuses a request when its head is read, and hangs up with the body unread."""
    connection.recv(1000)
    connection.sendall(json_of(b"{}", b"413 Too Large", b"Connection: close\r\n"))


def test_an_answer_counts_though_the_body_could_not_be_sent() -> None:
    large = Request("ping", "POST", "/server/v1/ping", (), b"x" * 8_000_000)
    with raw_server(refusing) as url:
        assert statuses(one_and_two_at_once(url, large)) == [413] * 3


@pytest.mark.parametrize(
    ("answer", "idle", "connections"),
    [
        (FINE, None, 1),
        (json_of(b"{}", more=b"Connection: close\r\n"), None, 3),
        (FINE + b"HTTP/1.1 500 Oops\r\n", None, 3),
        (FINE, 0.0, 3),
    ],
    ids=["kept alive", "closed by the server", "surplus bytes", "idle for too long"],
)
def test_a_connection_is_used_again_only_where_it_is_sure(
    answer: bytes, idle: float | None, connections: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if idle is not None:
        monkeypatch.setattr("conformance.http.transport.KEEP_ALIVE_SECONDS", idle)
    opened: list[socket.socket] = []

    def serve(connection: socket.socket) -> None:
        opened.append(connection)
        answering(answer)(connection)

    with raw_server(serve) as url:
        assert statuses(exchanges(url, 3)) == [200] * 3
    assert len(opened) == connections


def test_a_connection_that_the_server_dropped_is_not_used_again() -> None:
    dropped = threading.Event()

    def serve(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(FINE)
        connection.shutdown(socket.SHUT_RDWR)
        dropped.set()

    done = []
    with raw_server(serve) as url, transport_to(url) as transport:
        for _ in range(3):
            done.append(transport.send(PING))
            dropped.wait()
            dropped.clear()
    assert statuses(done) == [200] * 3


def test_a_large_body_may_take_its_time() -> None:
    """What must not stand still is the path, not the request."""
    large = Request("ping", "POST", "/server/v1/ping", (), b"x" * 30_000_000)
    ticking, idle = threading.Event(), 3.0

    def slowly(connection: socket.socket) -> None:
        left = len(large.body)
        while left > 0:
            left -= len(connection.recv(200_000))
            ticking.wait(idle / 140)
        connection.sendall(FINE)

    with raw_server(slowly) as url, transport_to(url, idle) as transport:
        done = transport.send(large)
    assert statuses([done]) == [200]
    assert done.seconds > idle


def test_a_deadline_that_is_over_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conformance.http.limits.DEADLINE_SECONDS", 0.0)
    with pytest.raises(TimeoutError, match="no complete response"):
        Meter().seconds_left()

"""How requests reach the server, and what of HTTP an answer may use."""

import socket
import threading
from collections.abc import Iterator

import pytest
from support import Serve, json_of, raw_server, read_head

from conformance.client.channel import PacedTransport
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


def exchanges(url: str, count: int = 1) -> list[Exchange]:
    transport = PacedTransport(url, idle=2.0)
    done = [transport.send(PING) for _ in range(count)]
    transport.close()
    return done


def statuses(done: list[Exchange]) -> list[int | str | None]:
    return [each.response.status if each.response else each.error for each in done]


def test_a_connection_that_the_server_dropped_is_not_used_again() -> None:
    with raw_server(answering(FINE, ends=True)) as url:
        assert statuses(exchanges(url, 3)) == [200] * 3


def test_headers_come_as_they_were_sent_and_all_of_them() -> None:
    odd = "HTTP/1.1 200 OK\r\nX-Twice: a\r\nx-tWICE: b\r\nX-Latin: é\r\nContent-Length: 0\r\n\r\n"
    with raw_server(answering(odd.encode("latin-1"))) as url:
        (done,) = exchanges(url)
    assert done.response is not None
    assert done.response.headers[:3] == (("X-Twice", "a"), ("x-tWICE", "b"), ("X-Latin", "é"))


def test_a_request_says_who_asks() -> None:
    heads: list[bytes] = []
    with raw_server(answering(FINE, heads)) as url:
        exchanges(url)
    assert b"\r\nUser-Agent: kraty-conformance/" in heads[0]


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """A forward proxy that the environment names; the heads of what it is asked for."""
    heads: list[bytes] = []
    with raw_server(answering(FINE, heads)) as url:
        for scheme in ("http", "https"):
            proxy = url.replace("http://", "http://user:p%40ss@")
            monkeypatch.setenv(f"{scheme}_proxy", proxy)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        yield heads


CREDENTIALS = b"\r\nProxy-Authorization: Basic dXNlcjpwQHNz"


def test_a_proxy_is_reported_the_whole_url(proxied: list[bytes]) -> None:
    transport = PacedTransport("http://staging.example/api")
    done = [transport.send(PING), *transport.send_simultaneously([PING] * 2)]
    transport.close()
    assert statuses(done) == [200] * 3
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


def test_a_line_that_breaks_in_its_middle_is_not_sent() -> None:
    heads: list[bytes] = []
    spoilt = Request("ping", "GET", "/server/v1/ping", (("X", "a\r\nY: b"),), b"")
    with raw_server(answering(FINE, heads)) as url:
        transport = PacedTransport(url)
        done = [transport.send(spoilt), *transport.send_simultaneously([spoilt])]
        transport.close()
    assert ["Illegal header value" in str(each.error) for each in done] == [True, True]
    assert heads == []


def refusing(connection: socket.socket) -> None:
    """Refuses a request when its head is read, and hangs up with the body unread."""
    connection.recv(1000)
    connection.sendall(json_of(b"{}", b"413 Too Large", b"Connection: close\r\n"))


def test_an_answer_counts_though_the_body_could_not_be_sent() -> None:
    large = Request("ping", "POST", "/server/v1/ping", (), b"x" * 8_000_000)
    with raw_server(refusing) as url:
        transport = PacedTransport(url)
        done = [transport.send(large), *transport.send_simultaneously([large])]
        transport.close()
    assert statuses(done) == [413, 413]


@pytest.mark.parametrize("name", ["Content-Length: 2 ", "Content-Length:\t2"])
def test_white_space_around_a_header_is_not_part_of_it(name: str) -> None:
    head = f"HTTP/1.1 200 OK\r\n{name}\r\nRateLimit-Limit:  12 \t\r\n\r\n"
    with raw_server(answering(head.encode() + b"{}")) as url:
        (done,) = exchanges(url)
    assert done.response is not None
    assert ("RateLimit-Limit", "12") in done.response.headers


def connections_of(answer: bytes, count: int) -> int:
    """How many connections so many requests take, each answered alike."""
    connections: list[socket.socket] = []

    def serve(connection: socket.socket) -> None:
        connections.append(connection)
        answering(answer)(connection)

    with raw_server(serve) as url:
        assert statuses(exchanges(url, count)) == [200] * count
    return len(connections)


def test_a_connection_serves_one_request_after_the_other() -> None:
    assert connections_of(FINE, 5) == 1


def test_a_connection_that_the_server_closes_is_not_kept() -> None:
    assert connections_of(json_of(b"{}", more=b"Connection: close\r\n"), 3) == 3


def test_a_connection_that_was_idle_for_long_is_not_used_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("conformance.http.transport.KEEP_ALIVE_SECONDS", 0.0)
    assert connections_of(FINE, 3) == 3


def test_a_connection_with_surplus_bytes_is_not_used_again() -> None:
    assert connections_of(FINE + b"HTTP/1.1 500 Oops\r\n", 3) == 3


@pytest.mark.parametrize("ends", [False, True])
def test_what_a_server_says_instead_of_http_is_reported_without_control_characters(
    *, ends: bool
) -> None:
    with raw_server(answering(b"\x1b[2J\x1b]0;owned\x07 no HTTP\r\n\r\n", ends=ends)) as url:
        transport = PacedTransport(url)
        done = [transport.send(PING), *transport.send_simultaneously([PING])]
        transport.close()
    assert all(str(each.error).isprintable() for each in done)


def test_a_large_body_may_take_its_time() -> None:
    """What must not stand still is the path, not the request."""
    large = Request("ping", "POST", "/server/v1/ping", (), b"x" * 30_000_000)

    def slowly(connection: socket.socket) -> None:
        left = len(large.body)
        while left > 0:
            left -= len(connection.recv(200_000))
            ticking.wait(0.01)
        connection.sendall(FINE)

    ticking = threading.Event()
    with raw_server(slowly) as url:
        transport = PacedTransport(url, idle=0.8)
        done = transport.send(large)
        transport.close()
    assert statuses([done]) == [200]
    assert done.seconds > 0.8


def test_a_proxy_of_another_kind_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "gopher://user:hunter22@proxy.example")
    with pytest.raises(UsageError) as raised:
        proxy_to("https://staging.example")
    assert "hunter22" not in str(raised.value)


def test_a_proxy_may_be_named_without_a_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "proxy.example:3128")
    proxy = proxy_to("https://staging.example")
    assert proxy is not None
    assert bytes(proxy.url) == b"http://proxy.example:3128/"


def test_a_deadline_that_is_over_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conformance.http.limits.DEADLINE_SECONDS", 0.0)
    with pytest.raises(TimeoutError, match="no complete response"):
        Meter().seconds_left()


def host_of(url: str) -> bytes:
    """The header `Host` of a request to this URL, which a proxy on this machine takes."""
    heads: list[bytes] = []
    with raw_server(answering(FINE, heads)) as proxy, pytest.MonkeyPatch.context() as patch:
        patch.setenv("http_proxy", proxy)
        assert statuses(exchanges(url)) == [200]
    (line,) = [line for line in heads[0].split(b"\r\n") if line.lower().startswith(b"host:")]
    return line.partition(b": ")[2]


def test_a_host_may_have_letters_of_any_language() -> None:
    assert host_of("http://b\u00fccher.example") == b"xn--bcher-kva.example"


def test_a_port_is_part_of_the_host() -> None:
    assert host_of("http://staging.example:8080/api") == b"staging.example:8080"


def test_an_ipv6_address_has_brackets() -> None:
    heads: list[bytes] = []

    def serve(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            answering(FINE, heads, ends=True)(connection)

    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listening:
        port = listening.getsockname()[1]
        server = threading.Thread(target=serve, args=(listening,))
        server.start()
        assert statuses(exchanges(f"http://[::1]:{port}")) == [200]
        server.join()
    assert f"Host: [::1]:{port}".encode() in heads[0]


def test_an_ipv6_address_behind_a_proxy_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    with pytest.raises(UsageError, match="cannot be reached through a proxy"):
        proxy_to("http://[2001:db8::1]:8080")


def test_a_proxys_password_may_have_letters_of_any_language(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("https_proxy", "http://user:p%C3%A9@proxy.example:3128")
    proxy = proxy_to("https://staging.example")
    assert proxy is not None
    assert proxy.auth == (b"user", "p\u00e9".encode())

"""HTTP/1.1 as bytes: what is read of a response, and what no request may hold."""

import itertools
import socket
import threading
from collections.abc import Iterator

import pytest
from support import json_of, raw_server, read_head, transport_to

from conformance import __version__
from conformance.http.exchange import Exchange, Request
from conformance.http.limits import MAX_BYTES, MAX_OVERHEAD

OK = b"HTTP/1.1 200 OK\r\n"
FINE = OK + b"Content-Length: 2\r\n\r\n{}"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
REQUEST = Request("ping", "GET", "/ping", (), b"")
NEXT = json_of(b'"next"')


def exchanges(first: Iterator[bytes] | bytes, *, hangs_up: bool = False) -> list[Exchange]:
    """Two exchanges: the first is answered with these bytes, every other one with NEXT."""
    answers = itertools.chain(
        [[first] if isinstance(first, bytes) else first], itertools.repeat([NEXT])
    )

    def serve(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while read_head(connection):
            for part in next(answers):
                connection.sendall(part)
            if hangs_up:
                return

    with raw_server(serve) as url, transport_to(url) as transport:
        return [transport.send(REQUEST) for _ in range(2)]


def bodies(done: list[Exchange]) -> list[bytes | str | None]:
    return [each.response.body if each.response else each.error for each in done]


CHUNKS = b"2\r\n{}\r\n0\r\n\r\n"
LONG = b"X-Long: " + b"y" * 50_000 + b"\r\n"
WHOLE = {
    "a length": (FINE, b"{}"),
    "a padded length": (OK + b"Content-Length:\t2 \r\n\r\n{}", b"{}"),
    "chunks": (CHUNKED + b"1\r\n{\r\n1;a=b\r\n}\r\n0\r\n\r\n", b"{}"),
    "padded sizes of chunks": (CHUNKED + b"2 \r\n{}\r\n0  \r\n\r\n", b"{}"),
    "a trailer": (CHUNKED + b"2\r\n{}\r\n0\r\nX-Late: 1\r\n\r\n", b"{}"),
    "only announced before": (b"HTTP/1.1 103 Early\r\nLink: a\r\n\r\n" * 2 + FINE, b"{}"),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    "an upgrade on offer": (FINE.replace(OK, OK + b"Upgrade: h2c\r\n"), b"{}"),
    "lines without CR": (FINE.replace(b"\r", b""), b"{}"),
    "a header in two lines": (FINE.replace(OK, OK + b"X: a\r\n b\r\n"), b"{}"),
    "a length twice": (FINE.replace(OK, OK + b"Content-Length: 2\r\n"), b"{}"),
    "a length beside chunks": (CHUNKED.replace(OK, OK + b"Content-Length: 9\r\n") + CHUNKS, b"{}"),
    "a long head before chunks": (CHUNKED.replace(OK, OK + LONG) + CHUNKS, b"{}"),
}


@pytest.mark.parametrize("name", [name for name in WHOLE if "long" not in name])
def test_a_response_is_the_same_wherever_it_is_cut(name: str) -> None:
    data, body = WHOLE[name]
    byte_by_byte = (data[at : at + 1] for at in range(len(data)))
    for done in (exchanges(data), exchanges(byte_by_byte)):
        assert bodies(done) == [body, b'"next"']
        assert done[0].response is not None
        assert "X-Late" not in dict(done[0].response.headers)


@pytest.mark.parametrize(
    "surplus",
    [FINE, b"nonsense", b"\x00", b"HTTP/1.1 1", b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n"],
    ids=["another", "words", "NUL", "half", "another protocol"],
)
@pytest.mark.parametrize("name", list(WHOLE))
def test_what_comes_behind_a_response_is_no_part_of_it_nor_the_next_one(
    name: str, surplus: bytes
) -> None:
    data, body = WHOLE[name]
    assert bodies(exchanges(data + surplus)) == [body, b'"next"']


def test_what_comes_a_little_later_is_not_the_next_response() -> None:
    answers, sent = itertools.chain([(FINE, FINE)], itertools.repeat((NEXT,))), threading.Event()

    def serve(connection: socket.socket) -> None:
        while read_head(connection):
            for part in next(answers):
                connection.sendall(part)
            sent.set()

    with raw_server(serve) as url, transport_to(url) as transport:
        first = transport.send(REQUEST)
        sent.wait()
        assert bodies([first, transport.send(REQUEST)]) == [b"{}", b'"next"']


@pytest.mark.parametrize(
    "parts",
    [[OK + b"\r\n{", b"}"], [b"HTTP/1.1 103 Early\r\n\r\n" + OK + b"\r\n{}"]],
    ids=["a body", "an announcement before it"],
)
def test_a_body_without_a_length_ends_with_the_connection(parts: list[bytes]) -> None:
    assert bodies(exchanges(iter(parts), hangs_up=True)) == [b"{}", b'"next"']


CUT_SHORT = {
    "nothing": b"",
    "half a line": b"HTTP/1.1 200 O",
    "an announcement": b"HTTP/1.1 103 Early\r\n\r\n",
    "a body that is only announced": b"HTTP/1.1 104 Odd\r\nContent-Length: 2\r\n\r\n{}",
    "too little": OK + b"Content-Length: 3\r\n\r\n{}",
    "no last chunk": CHUNKED + b"2\r\n{}\r\n",
}


@pytest.mark.parametrize("name", list(CUT_SHORT))
def test_a_server_that_hangs_up_too_early_has_not_answered(name: str) -> None:
    first, again = exchanges(CUT_SHORT[name], hangs_up=True)
    assert first.response is None
    assert "RemoteProtocolError" in str(first.error)
    assert again.response is not None


NO_HTTP = {
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "no status": b"HTTP/1.1 99 Odd\r\n\r\n",
    "no header": OK + b"no header\r\n\r\n",
    "a negative length": OK + b"Content-Length: -2\r\n\r\n{}",
    "two lengths": OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
    "a negative chunk": CHUNKED + b"-1\r\n",
    "less than any status": b"HTTP/1.1 099 Odd\r\n\r\n",
    "a space before the colon": OK + b"Content-Length : 2\r\n\r\n{}",
    "NUL in a header": OK + b"X: a\x00b\r\n\r\n",
}


@pytest.mark.parametrize("name", list(NO_HTTP))
def test_what_is_no_http_is_a_failure_of_the_path(name: str) -> None:
    first, again = exchanges(NO_HTTP[name])
    assert first.response is None
    assert first.error is not None
    assert again.response is not None


@pytest.mark.parametrize(
    ("start", "more", "problem"),
    [
        (OK + b"X: ", b"y" * 1024, "RemoteProtocolError"),
        (CHUNKED + b"1;", b"y" * 1024, "RemoteProtocolError"),
        (CHUNKED + b"1\r\nx\r\n0\r\nX: ", b"y" * 1024, "RemoteProtocolError"),
        (CHUNKED, b"1\r\nx\r\n" * 200, "besides the body"),
    ],
    ids=["a header", "a chunk's extension", "a trailer", "chunks of a byte"],
)
def test_what_is_no_body_has_an_end(start: bytes, more: bytes, problem: str) -> None:
    parts = itertools.repeat(more, 4 * MAX_OVERHEAD // len(more))
    first, _ = exchanges(itertools.chain([start], parts), hangs_up=True)
    assert problem in str(first.error)


def test_a_body_has_an_end() -> None:
    parts = itertools.repeat(b"y" * 2**20, MAX_BYTES // 2**20 + 1)
    first, _ = exchanges(itertools.chain([OK + b"\r\n"], parts), hangs_up=True)
    assert "TooLongError" in str(first.error)


@pytest.mark.parametrize(
    ("method", "target", "name", "value"),
    [
        ("G ET", "/", "X", "y"),
        ("GET", "/a b", "X", "y"),
        ("GET", "/a\r\n", "X", "y"),
        ("GET", "/", "X Y", "y"),
        ("GET", "/", "", "y"),
        ("GET", "/", "X", "a\r\nY: b"),
        ("GET", "/", "X", "a\x00"),
        ("GET", "/", "X", " a"),
        ("GET", "/", "X", "a\t"),
    ],
)
def test_what_no_request_may_hold_is_not_sent(
    method: str, target: str, name: str, value: str
) -> None:
    heads: list[bytes] = []
    spoilt = Request("ping", method, target, ((name, value),), b"")
    with (
        raw_server(lambda link: heads.append(read_head(link))) as url,
        transport_to(url) as transport,
    ):
        done = [transport.send(spoilt), *transport.send_simultaneously([spoilt])]
    assert all("LocalProtocolError" in str(each.error) for each in done)
    assert not any(heads)


def test_a_request_is_sent_as_it_is() -> None:
    heads: list[bytes] = []
    request = Request("ping", "POST", "/%2F?a=b", (("x-Odd", "é  b"), ("Empty", "")), b"{}")
    with (
        raw_server(lambda link: heads.append(read_head(link))) as url,
        transport_to(url) as transport,
    ):
        transport.send(request)
    assert heads[0].decode().split("\r\n") == [
        "POST /%2F?a=b HTTP/1.1",
        f"Host: {url.removeprefix('http://')}",
        f"User-Agent: kraty-conformance/{__version__}",
        "Accept-Encoding: gzip",
        "x-Odd: é  b",
        "Empty: ",
        "Content-Length: 2",
    ]

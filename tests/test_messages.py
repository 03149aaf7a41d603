"""HTTP/1.1 as bytes: what is read of a response, and what no request may hold."""

import gc
import weakref

import httpx
import pytest

from conformance.http.limits import MAX_BYTES, MAX_HEAD, TooLongError
from conformance.http.messages import Reading, written

OK = b"HTTP/1.1 200 OK\r\n"
FINE = OK + b"Content-Length: 2\r\n\r\n{}"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def read(*parts: bytes, method: str = "GET", ends: bool = False) -> Reading:
    """What was read of a response that came in these parts, and after which the server hung up."""
    reading = Reading(method)
    for part in parts:
        reading.take(part)
    if ends:
        reading.hang_up()
    return reading


def seen(reading: Reading) -> tuple[object, ...]:
    body = b"".join(reading.response.stream)  # type: ignore[arg-type]
    return reading.status, reading.headers, body, reading.is_over, reading.keeps


WHOLE = {
    "a length": (FINE, b"{}", True),
    "chunks": (CHUNKED + b"1\r\n{\r\n1;a=b\r\n}\r\n0\r\n\r\n", b"{}", True),
    "padded sizes of chunks": (CHUNKED + b"2 \r\n{}\r\n0  \r\n\r\n", b"{}", True),
    "a trailer": (CHUNKED + b"2\r\n{}\r\n0\r\nX-Late: 1\r\n\r\n", b"{}", True),
    "only announced before": (b"HTTP/1.1 103 Early\r\nLink: a\r\n\r\n" + FINE, b"{}", True),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
    "announced as the last": (OK + b"Connection: close\r\nContent-Length: 0\r\n\r\n", b"", False),
    "an old version": (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", b"{}", False),
    "an upgrade on offer": (FINE.replace(OK, OK + b"Upgrade: h2c\r\n"), b"{}", True),
    "lines without CR": (FINE.replace(b"\r", b""), b"{}", True),
    "a length beside chunks": (
        CHUNKED.replace(OK, OK + b"Content-Length: 9\r\n") + b"2\r\n{}\r\n0\r\n\r\n",
        b"{}",
        True,
    ),
}


@pytest.mark.parametrize("name", list(WHOLE))
def test_a_response_is_the_same_wherever_it_is_cut(name: str) -> None:
    data, body, keeps = WHOLE[name]
    whole = seen(read(data))
    assert whole[2:] == (body, True, keeps)
    assert b"X-Late" not in dict(whole[1])  # type: ignore[call-overload]
    assert seen(read(*(data[at : at + 1] for at in range(len(data))))) == whole
    for at in range(len(data)):
        assert seen(read(data[:at], data[at:])) == whole


@pytest.mark.parametrize(
    "surplus",
    [FINE, b"nonsense", b"\x00", b"HTTP/1.1 1", b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n"],
    ids=["another", "words", "NUL", "half", "another protocol"],
)
@pytest.mark.parametrize("name", list(WHOLE))
def test_what_comes_behind_a_response_is_no_part_of_it_and_ends_the_connection(
    name: str, surplus: bytes
) -> None:
    data, body, _ = WHOLE[name]
    reading = read(data + surplus)
    assert seen(reading)[2:] == (body, True, False)
    assert reading.status in (200, 204)


def test_a_body_without_a_length_goes_on_until_the_server_hangs_up() -> None:
    reading = read(OK + b"\r\n{", b"}")
    assert not reading.is_over
    reading.hang_up()
    assert seen(reading)[2:] == (b"{}", True, False)


@pytest.mark.parametrize("method", ["HEAD", "CONNECT"])
def test_some_responses_are_over_with_their_head(method: str) -> None:
    for data in (OK + b"Content-Length: 500\r\n\r\n", FINE, CHUNKED + b"2\r\n{}\r\n0\r\n\r\n"):
        assert seen(read(data, method=method))[2:] == (b"", True, False)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200 O",
        b"HTTP/1.1 103 Early\r\n\r\n",
        OK + b"Content-Length: 3\r\n\r\n{}",
        CHUNKED + b"2\r\n{}\r\n",
    ],
    ids=["nothing", "half a line", "an announcement", "too little", "no last chunk"],
)
def test_a_server_that_hangs_up_too_early_has_not_answered(data: bytes) -> None:
    with pytest.raises(httpx.RemoteProtocolError, match="hung up"):
        read(data, ends=True)


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 99 Odd\r\n\r\n",
        OK + b"no header\r\n\r\n",
        OK + b"Content-Length: -2\r\n\r\n{}",
        CHUNKED + b"-1\r\n",
        b"HTTP/1.1 099 Odd\r\n\r\n",
        b"HTTP/1.1 104 Odd\r\nContent-Length: 2\r\n\r\n{}",
        OK + b"Content-Length : 2\r\n\r\n{}",
        OK + b"X: a\r\n b\r\n\r\n",
        OK + b"X: a\x00b\r\n\r\n",
    ],
    ids=[
        "no HTTP",
        "another protocol",
        "no status",
        "no header",
        "a negative length",
        "a negative chunk",
        "less than any status",
        "a body that is only announced",
        "a space before the colon",
        "a header in two lines",
        "NUL in a header",
    ],
)
def test_what_is_no_http_is_a_failure(data: bytes) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        read(data)


@pytest.mark.parametrize("start", [OK + b"X: ", CHUNKED + b"1;", CHUNKED + b"1\r\nx\r\n0\r\nX: "])
def test_what_is_no_body_has_an_end(start: bytes) -> None:
    with pytest.raises(httpx.RemoteProtocolError, match="no body"):
        read(start, *([b"y" * 1024] * (MAX_HEAD // 1024 + 1)))


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_what_meets_a_call_of_the_parser_is_not_taken_for_bad_http(
    error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: Reading, __: bytes) -> None:
        raise error

    monkeypatch.setattr(Reading, "on_body", interrupted)
    with pytest.raises(error):
        read(FINE)


def test_a_body_has_an_end() -> None:
    with pytest.raises(TooLongError):
        read(OK + b"\r\n", *([b"y" * 2**20] * (MAX_BYTES // 2**20 + 1)))


def test_a_reading_that_is_closed_is_gone_at_once() -> None:
    """Without the garbage collector, which a run gives little to do."""
    reading = read(FINE)
    gone = weakref.ref(reading)
    gc.disable()
    try:
        reading.close()
        del reading
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("method", "target", "name", "value"),
    [
        ("G ET", b"/", b"X", b"y"),
        ("GÉT", b"/", b"X", b"y"),
        ("GET", b"/a b", b"X", b"y"),
        ("GET", b"/a\r\n", b"X", b"y"),
        ("GET", b"", b"X", b"y"),
        ("GET", b"/", b"X Y", b"y"),
        ("GET", b"/", b"", b"y"),
        ("GET", b"/", b"X", b"a\r\nY: b"),
        ("GET", b"/", b"X", b"a\x00"),
        ("GET", b"/", b"X", b" a"),
        ("GET", b"/", b"X", b"a\t"),
    ],
)
def test_what_no_request_may_hold_is_not_written(
    method: str, target: bytes, name: bytes, value: bytes
) -> None:
    with pytest.raises(httpx.LocalProtocolError, match="Illegal"):
        written(method, target, [(name, value)])


def test_a_request_is_written_as_it_is() -> None:
    headers = [(b"Host", b"a:1"), (b"x-Odd", "é  b".encode("latin-1")), (b"Empty", b"")]
    assert written("POST", b"/%2F?a=b", headers, b"{}") == (
        b"POST /%2F?a=b HTTP/1.1\r\nHost: a:1\r\nx-Odd: \xe9  b\r\nEmpty: \r\n\r\n{}"
    )

"""Spellings: the same request in other words of HTTP, URLs and JSON is the same request."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote, unquote

import pytest

from conformance.testkit import (
    BASE_PATH,
    Answer,
    Api,
    Given,
    Ledger,
    Names,
    Request,
    Samples,
    assume,
    expect_equal,
    expect_fields,
    expect_status,
    requirement,
)

MARKS = "!'()*"
"""What the published clients leave as it is in a path: `encodeURIComponent` does so."""
LITERAL = "+&=,:@$"
"""What else may stand in a segment as it is (RFC 3986, pchar); a `;` may have a meaning there."""
SUFFIX = f" {MARKS}{LITERAL}-._~é"
"""The end of ids that a path can spell in several ways."""


class MarkedNames(Names):
    """The names of a test, with players whose ids end in `SUFFIX`."""

    def __init__(self, names: Names) -> None:
        super().__init__(names.prefix)
        self._names = names

    def player(self, suffix: str = "") -> str:
        """An id that the server has never seen."""
        return self._names.player(suffix + SUFFIX)

    def key(self) -> str:
        """A key that was never used."""
        return self._names.key()


def with_path(spelled: Callable[[str], str]) -> Callable[[Request], Request]:
    """A request whose segments behind the base path are spelled otherwise."""

    def respell(request: Request) -> Request:
        path, mark, query = request.target.partition("?")
        segments = path.removeprefix(BASE_PATH).split("/")
        return replace(request, target=BASE_PATH + "/".join(map(spelled, segments)) + mark + query)

    return respell


def with_body(spelled: Callable[[Any], str]) -> Callable[[Request], Request]:
    """A request whose JSON body, if it has one, is spelled otherwise."""

    def respell(request: Request) -> Request:
        assume(bool(request.body), "the operation has no body")
        return replace(request, body=spelled(json.loads(request.body)).encode())

    return respell


def every_character_encoded(segment: str) -> str:
    """The segment with each byte of an id percent-encoded; words of the API stay."""
    whole = "".join(f"%{byte:02X}" for byte in unquote(segment).encode())
    return whole if "%" in segment else segment


def lower_case_hex(segment: str) -> str:
    """The segment with its percent-encodings in lower case."""
    return re.sub("%..", lambda found: found[0].lower(), segment)


def marks_bare(segment: str) -> str:
    """The segment as `encodeURIComponent` encodes it."""
    return quote(unquote(segment), safe=MARKS)


def escaped(body: Any) -> str:
    """JSON in which every letter of a text is an escape sequence."""
    return re.sub(
        '"((?:[^"\\\\]|\\\\.)*)"',
        lambda text: '"' + re.sub("(?<!\\\\)[a-z]", escape, text[1]) + '"',
        json.dumps(body, ensure_ascii=False),
    )


def escape(letter: re.Match[str]) -> str:
    """A letter as JSON may escape it."""
    return f"\\u{ord(letter[0]):04X}"


def spread_out(body: Any) -> str:
    """JSON with all kinds of white space between its tokens."""
    text = json.dumps(body, indent=3, separators=("\t,\r\n ", "  :\t\r"))
    return f"\r\n\t {text} \n\r"


def backwards(body: Any) -> str:
    """JSON with the members of each object in the opposite order."""
    return json.dumps(json.loads(json.dumps(body), object_pairs_hook=lambda some: dict(some[::-1])))


def with_upper_case_headers(request: Request) -> Request:
    """A request with the names of its headers in upper case."""
    return replace(request, headers=tuple((name.upper(), value) for name, value in request.headers))


def literals_bare(segment: str) -> str:
    """The segment with all that needs no encoding as it is."""
    return quote(unquote(segment), safe=MARKS + LITERAL)


PATHS = {
    "every character encoded": with_path(every_character_encoded),
    "hex digits in lower case": with_path(lower_case_hex),
    "marks left as they are": with_path(marks_bare),
    "nothing encoded without need": with_path(literals_bare),
}
BODIES = {
    "escapes": with_body(escaped),
    "white space": with_body(spread_out),
    "members backwards": with_body(backwards),
    "names of headers in upper case": with_upper_case_headers,
}


@requirement("HTTP-4")
@pytest.mark.parametrize("spelling", list(PATHS))
def test_a_path_may_be_spelled_otherwise(
    operation: str, spelling: str, given: Given, api: Api
) -> None:
    samples = Samples(Given(api, MarkedNames(given.names), given.world))
    sample = samples.of(operation)
    assume(bool(sample.path), f"the path of {operation} names nothing")

    answer = Answer(api.send(PATHS[spelling](sample.request(api))))

    samples.judge_first(sample, answer, "the path names the same")


@requirement("HTTP-1")
@pytest.mark.parametrize("spelling", list(BODIES))
def test_a_request_may_be_spelled_otherwise(
    operation: str, spelling: str, samples: Samples, api: Api
) -> None:
    sample = samples.full(operation)

    answer = Answer(api.send(BODIES[spelling](sample.request(api))))

    samples.judge_first(sample, answer, "the request says the same")


@requirement("HTTP-1")
def test_a_body_may_come_in_chunks(operation: str, samples: Samples, api: Api) -> None:
    sample = samples.full(operation)
    usual = sample.request(api)
    assume(bool(usual.body), f"{operation} has no body")

    headers = (*usual.headers, ("Transfer-Encoding", "chunked"))
    answer = Answer(api.send(replace(usual, headers=headers)))

    assume(answer.status != 411, "the server wants to know the length of a body")
    samples.judge_first(sample, answer, "the body is the same, in chunks")


@requirement("LEDGER-3")
@pytest.mark.parametrize("spelling", list(BODIES))
def test_a_replayed_change_may_be_spelled_otherwise(
    spelling: str, ledger: Ledger, given: Given, api: Api
) -> None:
    player, key = ledger.filled(10), given.names.key()
    request = ledger.request("increment", player, 3, idempotencyKey=key, reason="quest 7")
    first = Answer(api.send(request))
    expect_status(first, 200, because="the key is new")

    answer = Answer(api.send(BODIES[spelling](request)))

    expect_status(answer, 200, because="the request says the same")
    expect_fields(answer.data, **{ledger.words.holding_field: 13})
    expect_equal(ledger.held(player), 13, "the holding after the replay")


@requirement("LOBBY-2")
@pytest.mark.parametrize("spelling", list(BODIES))
def test_a_replayed_lobby_may_be_spelled_otherwise(
    spelling: str, samples: Samples, api: Api
) -> None:
    request = samples.full("createLobby").request(api)
    first = Answer(api.send(request))
    expect_status(first, 201, because="the key is new")

    answer = Answer(api.send(BODIES[spelling](request)))

    expect_status(answer, 201, because="the request says the same")
    expect_fields(answer.data, id=first.data["id"])

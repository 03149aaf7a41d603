"""No secret is kept or shown."""

import pytest

from conformance.http.exchange import Exchange, Request, Response
from conformance.http.redaction import Redactor

TOKENS = {"server": "ksk_live_1.s3cr3t-of-the-server", "throttled": "ksk_2.other-secret"}


OTHERS = "ksk_live_1.s3cr3t-of-the-servex"
"""No key of the run: one letter differs."""


def redacted(request_key: str, response_key: str) -> Exchange:
    headers = (("Authorization", f"Bearer {request_key}"), ("Accept", "*/*"))
    request = Request("ping", "GET", "/server/v1/ping", headers, b"")
    answer = (("X-Echo", TOKENS["server"]), ("Authorization", f"Bearer {response_key}"))
    response = Response(200, answer, TOKENS["throttled"].encode())
    exchange = Exchange(request, response, f"failed with {TOKENS['server']}", 0.0, 0.0)
    return Redactor(TOKENS).exchange(exchange)


@pytest.mark.parametrize("response_key", [TOKENS["server"], OTHERS])
@pytest.mark.parametrize("request_key", [TOKENS["server"], OTHERS])
def test_no_part_of_an_exchange_keeps_a_secret(request_key: str, response_key: str) -> None:
    text = repr(redacted(request_key, response_key))
    assert "s3cr3t" not in text
    assert "other-secret" not in text
    assert "[server key]" in text
    assert "[throttled key]" in text


def test_curl_takes_the_key_from_the_environment() -> None:
    command = redacted(TOKENS["server"], "").request.curl("https://api.example")
    assert "$KRATY_SERVER_KEY" in command
    assert "s3cr3t" not in command


def test_a_key_that_is_none_of_the_run_is_called_so() -> None:
    headers = redacted(OTHERS, "").request.headers
    assert headers[0] == ("Authorization", "Bearer [not a key of the run]")


def test_a_body_is_quoted_for_the_shell() -> None:
    body = b'{"reason": "it\'s $(rm -rf /)"}'
    request = Request("banPlayer", "POST", "/server/v1/players/a/ban", (), body)
    assert '\'{"reason": "it\'"\'"\'s $(rm -rf /)"}\'' in request.curl("http://h")


def test_a_secret_stands_for_itself_without_its_key() -> None:
    """A short one does not, and a key that another's begins with hides no more than itself."""
    first = "ksk_1.first-secret"
    tokens = {"server": first, "other": f"{first}-more", "short": "k_3.x"}
    redactor = Redactor(tokens)
    text = "first-secret, first-secret-more, k_3.x, k_3.y, x"
    shown = "[server key], [other key], k_3.x, k_3.y, x"
    assert redactor.text(text) == shown
    assert redactor.bytes(text.encode()) == shown.encode()
    assert redactor.leaks(Response(200, (), b"so first-secret it is"))
    assert not redactor.leaks(Response(200, (), b"k_3.x"))

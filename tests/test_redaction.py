"""No secret is kept or shown."""

from conformance.http.exchange import Exchange, Request, Response
from conformance.http.redaction import Redactor

TOKENS = {"server": "ksk_live_1.s3cr3t-of-the-server", "throttled": "ksk_2.other-secret"}


def redacted() -> Exchange:
    headers = (("Authorization", f"Bearer {TOKENS['server']}"), ("Accept", "*/*"))
    request = Request("ping", "GET", "/server/v1/ping", headers, b"")
    response = Response(200, (("X-Echo", TOKENS["server"]),), TOKENS["throttled"].encode())
    exchange = Exchange(request, response, f"failed with {TOKENS['server']}", 0.0, 0.0)
    return Redactor(TOKENS).exchange(exchange)


def test_no_part_of_an_exchange_keeps_a_secret() -> None:
    text = repr(redacted())
    assert "s3cr3t" not in text
    assert "other-secret" not in text
    assert "[server key]" in text
    assert "[throttled key]" in text


def test_curl_takes_the_key_from_the_environment() -> None:
    command = redacted().request.curl("https://api.example")
    assert "$KRATY_SERVER_KEY" in command
    assert "s3cr3t" not in command


def test_a_key_with_one_letter_changed_is_not_shown() -> None:
    headers = (("Authorization", "Bearer ksk_live_1.s3cr3t-of-the-servex"),)
    request = Request("ping", "GET", "/server/v1/ping", headers, b"")
    shown = Redactor(TOKENS).exchange(Exchange(request, None, None, 0.0, 0.0))
    assert "s3cr3t" not in repr(shown)
    assert shown.request.headers == (("Authorization", "Bearer [not a key of the run]"),)


def test_a_body_is_quoted_for_the_shell() -> None:
    body = b'{"reason": "it\'s $(rm -rf /)"}'
    request = Request("banPlayer", "POST", "/server/v1/players/a/ban", (), body)
    assert '\'{"reason": "it\'"\'"\'s $(rm -rf /)"}\'' in request.curl("http://h")


def test_a_response_that_shows_an_authorization_is_shown_without_it() -> None:
    request = Request("ping", "GET", "/server/v1/ping", (), b"")
    response = Response(200, (("Authorization", "Bearer ksk_live_1.s3cr3t-of-the-servex"),), b"")
    shown = Redactor(TOKENS).exchange(Exchange(request, response, None, 0.0, 0.0))
    assert "s3cr3t" not in repr(shown)


def test_a_secret_stands_for_itself_without_its_key() -> None:
    """A short one does not, and a key that another's begins with hides no more than itself."""
    tokens = {
        "server": "ksk_1.first-secret",
        "other": "ksk_1.first-secret-more",
        "short": "k_3.x",
    }
    redactor = Redactor(tokens)
    text = "first-secret, first-secret-more, k_3.x, k_3.y, x"
    shown = "[server key], [other key], k_3.x, k_3.y, x"
    assert redactor.text(text) == shown
    assert redactor.bytes(text.encode()) == shown.encode()
    assert redactor.leaks(Response(200, (), b"so first-secret it is"))
    assert not redactor.leaks(Response(200, (), b"k_3.x"))

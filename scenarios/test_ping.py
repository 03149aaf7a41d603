"""PING: the server describes the key of the request."""

from conformance.testkit import (
    Api,
    Run,
    expect_equal,
    expect_fields,
    expect_no_secret,
    expect_status,
    harmless,
    requirement,
)


@harmless
@requirement("PING-1")
def test_ping_describes_the_key_that_asks(api: Api, run: Run) -> None:
    answer = api.ping()

    expect_status(answer, 200, because="the key is valid")
    expect_equal(answer.body["ok"], True, "ok")
    prefix = run.target.token("server").partition(".")[0]
    expect_fields(answer.body["apiKey"], permissionSet="server_integration", prefix=prefix)


@harmless
@requirement("PING-2")
def test_ping_shows_no_secret(api: Api) -> None:
    api.ping()

    expect_no_secret(api)

"""PING: is the key good?"""

from conformance.testkit import (
    Api,
    Run,
    expect_equal,
    expect_fields,
    expect_status,
    expect_that,
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

    # Secrets are masked before a scenario sees a response; the judge of exchanges saw it before.
    expect_that("AUTH-6" not in api.channel.recorder.findings, "no secret in the answer", "one")

"""PING: the server describes the key of the request."""

from conformance.testkit import (
    SIMULTANEOUS,
    Api,
    Run,
    assume,
    expect_equal,
    expect_fields,
    expect_no_secret,
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

    expect_no_secret(api)


@harmless
@requirement("PING-1")
def test_ping_describes_each_key_of_the_game(api: Api, throttled_api: Api, run: Run) -> None:
    first, second = api.ping(), throttled_api.ping()

    assume(second.status == 200, "the budget of the throttled key is spent")
    prefix = run.target.token("throttled").partition(".")[0]
    expect_fields(second.body["apiKey"], prefix=prefix)
    ids = [answer.body["apiKey"]["id"] for answer in (first, second)]
    expect_that(ids[0] != ids[1], "the id of each key", f"{ids[0]} for two keys")


@harmless
@requirement("PING-1")
def test_simultaneous_pings_describe_each_its_key(api: Api, other_game_api: Api) -> None:
    requests = [client.request("ping") for client in (api, other_game_api)]

    answers = api.send_simultaneously(requests * (SIMULTANEOUS // 2))

    described = {str(answer.body["apiKey"]["prefix"]) for answer in answers[::2]}
    others = {str(answer.body["apiKey"]["prefix"]) for answer in answers[1::2]}
    expect_equal((len(described), len(others)), (1, 1), "how many keys are described to each key")
    expect_that(described != others, "another prefix for another key", f"{described} for both")

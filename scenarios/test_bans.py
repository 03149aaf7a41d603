"""BAN: soft bans, which stop clients but not the backend."""

from typing import Any

import pytest

from conformance.testkit import (
    ROUNDS,
    SIMULTANEOUS,
    Api,
    Given,
    Ledger,
    Samples,
    expect_equal,
    expect_fields,
    expect_status,
    expect_that,
    expect_unchanged,
    expect_unknown,
    harmless,
    requirement,
)


@requirement("BAN-1")
def test_the_first_ban_is_applied(given: Given, api: Api) -> None:
    player = given.player()

    answer = api.ban_player(player, {"reason": "fraud"})

    expect_status(answer, 200, because="the player is known")
    expect_fields(answer.data, applied=True, reason="fraud", externalPlayerId=player)
    expect_that(isinstance(answer.data["bannedAt"], str), "bannedAt to be a date-time", "null")


@requirement("BAN-1")
def test_a_ban_names_the_player(given: Given, api: Api) -> None:
    player = given.player()
    id = given.export(player)["player"]["id"]

    expect_fields(api.ban_player(player, {"reason": "fraud"}).data, playerId=id)


@requirement("BAN-2")
def test_a_second_ban_renews_the_reason_only(given: Given, api: Api) -> None:
    player = given.player()
    given.banned(player)

    again = api.ban_player(player, {"reason": "chargeback"})

    expect_status(again, 200, because="banning again is allowed")
    expect_fields(again.data, applied=False, reason="chargeback")


@requirement("BAN-3")
def test_lifting_a_ban_is_applied_once(given: Given, api: Api) -> None:
    player = given.player()
    given.banned(player)

    first, second = api.unban_player(player), api.unban_player(player)

    expect_status(first, 200, because="the player is banned")
    expect_fields(first.data, applied=True, externalPlayerId=player)
    expect_status(second, 200, because="unbanning a player who is not banned is allowed")
    expect_fields(second.data, applied=False)


@requirement("BAN-3")
def test_lifting_a_ban_that_never_was_is_not_applied(given: Given, api: Api) -> None:
    expect_fields(api.unban_player(given.player()).data, applied=False)


@harmless
@requirement("BAN-4")
def test_banning_a_stranger_gets_404_and_creates_nobody(
    given: Given, api: Api, player: str
) -> None:
    answer = api.ban_player(player, {"reason": "fraud"})

    expect_status(answer, 404, because="the player is unknown")
    expect_unknown(given.state(player), "the player after the refused ban")


@harmless
@requirement("BAN-4")
def test_unbanning_a_stranger_gets_404_and_creates_nobody(
    given: Given, api: Api, player: str
) -> None:
    answer = api.unban_player(player)

    expect_status(answer, 404, because="the player is unknown")
    expect_unknown(given.state(player), "the player after the refused unban")


@requirement("BAN-5")
@pytest.mark.parametrize(
    "body", [{}, {"reason": None}, {"reason": 7}, {"reason": True}, {"reason": ["x"]}], ids=str
)
def test_a_ban_without_a_reason_gets_400(body: dict[str, Any], given: Given, api: Api) -> None:
    player = given.player()

    answer = api.ban_player(player, body)

    expect_status(answer, 400, because="the reason must be a string")
    expect_fields(api.ban_player(player, {"reason": "now"}).data, applied=True)


@requirement("BAN-6")
def test_a_ban_touches_nothing_that_the_player_has(ledger: Ledger, given: Given) -> None:
    player = ledger.filled(9)
    given.grant(player)
    before = given.state(player)

    given.banned(player)

    expect_unchanged(before, given.state(player), "the player after the ban")


@requirement("BAN-6")
def test_a_ban_leaves_the_player_in_lobbies(given: Given, player: str) -> None:
    lobby = given.lobby([player])["id"]

    given.banned(player)

    expect_equal(given.lobbies(player), [lobby], "the lobbies after the ban")


@requirement("BAN-6")
def test_the_backend_may_still_change_holdings(ledger: Ledger, given: Given) -> None:
    player = ledger.filled(9)
    given.banned(player)

    up, down = ledger.increment(player, 5), ledger.decrement(player, 2)

    expect_status(up, 200, because="a ban stops clients, not the backend")
    expect_status(down, 200, because="a ban stops clients, not the backend")
    expect_equal(ledger.held(player), 12, "the holding")


@requirement("BAN-6")
def test_the_backend_may_still_grant_and_ack(given: Given, api: Api) -> None:
    player = given.player()
    given.banned(player)

    created = api.create_grant(player, given.grant_body())

    expect_status(created, 201, because="a ban stops clients, not the backend")
    acked = api.ack_grant(player, created.data["id"])
    expect_status(acked, 200, because="a ban stops clients, not the backend")


@requirement("BAN-7")
def test_a_ban_after_an_unban_is_applied_again(given: Given, api: Api) -> None:
    player = given.player()
    given.banned(player)
    api.unban_player(player)

    expect_fields(api.ban_player(player, {"reason": "again"}).data, applied=True, reason="again")


@pytest.mark.parametrize(
    ("call", "body"),
    [
        pytest.param("banPlayer", {"reason": "fraud"}, marks=requirement("BAN-2")),
        pytest.param("unbanPlayer", None, marks=requirement("BAN-3")),
    ],
)
def test_of_simultaneous_calls_one_is_applied(
    call: str, body: dict[str, str] | None, samples: Samples, api: Api
) -> None:
    for _ in range(ROUNDS):
        request = samples.of(call).request(api, body)

        answers = api.send_simultaneously([request] * SIMULTANEOUS)

        expect_equal({answer.status for answer in answers}, {200}, "the statuses of all calls")
        applied = sum(answer.data["applied"] for answer in answers)
        expect_equal(applied, 1, "how many calls say that they changed something")


@requirement("BAN-2")
def test_of_simultaneous_bans_one_is_applied(given: Given, api: Api) -> None:
    for _ in range(ROUNDS):
        path = {"externalId": given.player()}
        request = api.request("banPlayer", {"reason": "conformance"}, path=path)

        answers = api.send_simultaneously([request] * SIMULTANEOUS)

        applied = [answer for answer in answers if answer.data["applied"]]
        expect_equal(len(applied), 1, "the number of simultaneous bans that were applied")


@requirement("BAN-3")
def test_of_simultaneous_unbans_one_is_applied(given: Given, api: Api) -> None:
    for _ in range(ROUNDS):
        player = given.player()
        given.banned(player)
        request = api.request("unbanPlayer", path={"externalId": player})

        answers = api.send_simultaneously([request] * SIMULTANEOUS)

        applied = [answer for answer in answers if answer.data["applied"]]
        expect_equal(len(applied), 1, "the number of simultaneous unbans that were applied")

"""DEL: the erasure of players."""

import json
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
    expect_none,
    expect_placeholder,
    expect_status,
    expect_that,
    expect_unchanged,
    expect_unknown,
    harmless,
    ids,
    needed,
    requirement,
)


@requirement("DEL-1")
@pytest.mark.parametrize("reason", ["gdpr_erasure", "studio_request", "test"])
def test_an_erasure_names_the_player_and_the_placeholder(
    reason: str, given: Given, api: Api
) -> None:
    player = given.player()
    id = given.export(player)["player"]["id"]

    answer = api.delete_player(player, {"reason": reason})

    expect_status(answer, 200, because="the player is known")
    expect_fields(answer.data, status="erased", externalPlayerId=player, playerId=id)
    expect_placeholder(answer.data["anonymizedExternalId"], "deleted")


@requirement("DEL-2")
def test_an_erased_player_is_unknown(given: Given, api: Api, player: str) -> None:
    grant = given.grant(player)["id"]
    given.erased(player)

    for answer in (api.export_player(player), api.get_player(player), api.ack_grant(player, grant)):
        expect_status(answer, 404, because="the player is erased")


@requirement("DEL-2")
def test_the_placeholder_is_no_way_to_the_erased_player(
    given: Given, api: Api, player: str
) -> None:
    grant = given.grant(player)["id"]
    placeholder = str(given.erased(player)["anonymizedExternalId"])

    answer = api.ack_grant(placeholder, grant)

    expect_status(answer, 404, because="the owner of the grant is erased")


@requirement("DEL-3")
def test_erasing_again_is_a_no_op(given: Given, api: Api) -> None:
    player = given.player()
    given.erased(player)

    again = api.delete_player(player, {"reason": "test"})

    expect_status(again, 200, because="erasing is idempotent")
    expect_fields(again.data, status="no_op_already_erased", externalPlayerId=player)


@harmless
@requirement("DEL-4")
def test_erasing_a_stranger_is_a_no_op(given: Given, api: Api, player: str) -> None:
    answer = api.delete_player(player, {"reason": "test"})

    expect_status(answer, 200, because="erasing an unknown player is no error")
    expect_fields(
        answer.data,
        status="no_op_never_existed",
        externalPlayerId=player,
        playerId=None,
        anonymizedExternalId=None,
    )
    expect_unknown(given.state(player), "the player")


@requirement("DEL-5")
def test_the_reason_may_be_left_out(given: Given, api: Api) -> None:
    player = given.player()

    answer = api.delete_player(player, {})

    expect_status(answer, 200, because="the reason is optional")
    expect_fields(answer.data, status="erased")


@requirement("DEL-5")
@pytest.mark.parametrize("reason", ["because", "GDPR_ERASURE", 7, True, ["test"]], ids=str)
def test_an_unlisted_reason_gets_400_and_erases_nobody(
    reason: Any, given: Given, api: Api, player: str
) -> None:
    given.grant(player)
    before = given.state(player)

    answer = api.delete_player(player, {"reason": reason})

    expect_status(answer, 400, because="the reason is not on the list")
    expect_unchanged(before, given.state(player), "the player")


@requirement("DEL-6")
def test_the_erased_id_is_free_for_a_new_player(ledger: Ledger, given: Given) -> None:
    player = ledger.filled(70)
    given.grant(player)
    old = given.export(player)["player"]["id"]
    given.erased(player)

    created = given.api.create_grant(player, given.grant_body())

    expect_status(created, 201, because="the erased id is free")
    state = given.state(player) or {}
    expect_that(state["player"] != old, "a new player", f"the erased player's id {old}")
    expect_equal(ids(state["grants"]), [created.data["id"]], "the new player's grants")
    expect_fields(state, wallet={}, inventory={}, lobbies=[])


@requirement("DEL-6")
def test_a_change_of_a_holding_after_the_erasure_starts_at_zero(
    ledger: Ledger, given: Given
) -> None:
    player = ledger.filled(70)
    given.erased(player)

    expect_status(ledger.decrement(player, 1), 409, because="the new player holds nothing")
    needed(ledger.increment(player, 5), "LEDGER-1", "an increment")
    expect_equal(ledger.held(player), 5, "the new player's holding")


@requirement("DEL-6")
def test_the_new_player_can_be_erased_too(given: Given, api: Api) -> None:
    player = given.player()
    first = given.erased(player)
    given.grant(player)

    again = api.delete_player(player, {"reason": "test"})

    expect_status(again, 200, because="a new player has the id")
    expect_fields(again.data, status="erased")
    id, old = again.data["playerId"], first["playerId"]
    expect_that(id != old, "the id of a new player", f"the erased player's id {old}")


@requirement("DEL-7")
def test_the_erased_id_shows_nowhere_else(given: Given, api: Api, game_id: str) -> None:
    erased, other = given.player(), given.player()
    lobby = given.lobby([erased, other])["id"]
    given.erased(erased)

    answers = {
        "LOBBY-8": api.get_lobby(lobby, game=game_id),
        "PLAYER-2": api.get_player(other),
        "EXP-1": api.export_player(other),
    }
    for promised_by, answer in answers.items():
        needed(answer, promised_by, "an answer about the other player")
        shown = erased.encode() in answer.response.body
        expect_that(not shown, "no trace of the erased id", f"{erased} in the body")


@requirement("DEL-8")
def test_of_simultaneous_erasures_one_erases(given: Given, api: Api) -> None:
    for _ in range(ROUNDS):
        player = given.player()
        request = api.request("deletePlayer", {"reason": "test"}, path={"externalId": player})

        answers = api.send_simultaneously([request] * SIMULTANEOUS)

        expect_equal({a.status for a in answers}, {200}, "the statuses of the erasures")
        erased = [answer for answer in answers if answer.data["status"] == "erased"]
        expect_equal(len(erased), 1, "the number of answers with the status erased")


@requirement("DEL-9")
def test_a_grants_key_stays_used_after_the_erasure(given: Given, api: Api, player: str) -> None:
    body = given.grant_body()
    given.grant(player, body)
    given.erased(player)

    answer = api.create_grant(player, body)

    expect_status(answer, 200, 409, because="the key was used before the erasure")
    expect_none(given.grants(player), "grants of a new player with the erased id")


@requirement("DEL-9")
def test_a_grants_key_stays_used_for_others_after_the_erasure(
    given: Given, api: Api, player: str
) -> None:
    body, other = given.grant_body(), given.player()
    given.grant(player, body)
    given.erased(player)

    answer = api.create_grant(other, body)

    expect_status(answer, 200, 409, because="the key was used before the erasure")
    expect_none(given.grants(other), "grants of the other player")


@requirement("DEL-7")
def test_a_replayed_create_of_a_lobby_does_not_show_the_erased_id(given: Given, api: Api) -> None:
    erased, other = given.names.player(), given.names.player()
    body = given.lobby_body([erased, other], capacity=4)
    given.lobby([erased, other], **body)
    given.erased(erased)

    answer = api.create_lobby(
        given.world.event("lobby_event"), {**body, "externalPlayerIds": [other]}
    )

    text = answer.response.body.decode("utf-8", "replace")
    expect_that(erased not in text, "no id of the erased player", f"{erased} in the answer")


KEYED = (
    *("createGrant", "createLobby", "grantItem", "creditWallet"),
    *("migratePlayers", "migrateWallet", "migrateInventory"),
)
"""Operations with an idempotency key that another player may try."""


@requirement("DEL-7")
@pytest.mark.parametrize("keyed", KEYED)
def test_a_used_key_does_not_show_the_erased_id(
    keyed: str, samples: Samples, given: Given, api: Api
) -> None:
    sample = samples.called(keyed)
    (erased,), other = sample.players, given.player()
    text = json.dumps([sample.path, sample.body])
    given.erased(erased)

    path, body = json.loads(text.replace(erased, other))
    answer = api.call(keyed, body, path=path)

    text = answer.response.body.decode("utf-8", "replace")
    expect_that(erased not in text, "no id of the erased player", f"{erased} in the answer")


@requirement("DEL-2")
def test_a_player_whom_one_looked_at_before_is_unknown(given: Given, api: Api) -> None:
    player = given.player()
    given.profile(player)
    given.export(player)

    given.erased(player)

    for answer in (api.get_player(player), api.export_player(player)):
        expect_status(answer, 404, because="the player is erased, whatever was read before")

"""ACK: the studio's backend confirms that it delivered a grant."""

import json
import time
from datetime import timedelta

from conformance.testkit import (
    ROUNDS,
    SIMULTANEOUS,
    Api,
    Given,
    expect_equal,
    expect_fields,
    expect_status,
    expect_that,
    expect_unchanged,
    expect_unknown,
    instant,
    mentions,
    requirement,
    row_of,
    with_another_end,
)


@requirement("ACK-1")
def test_an_ack_claims_the_grant(given: Given, api: Api, player: str) -> None:
    grant = given.grant(player)

    answer = api.ack_grant(player, grant["id"])

    expect_status(answer, 200, because="the grant is the player's")
    expect_fields(answer.data, id=grant["id"], status="claimed")
    expect_that(isinstance(answer.data["claimedAt"], str), "claimedAt to be a date-time", "null")
    by = answer.data.get("ackedBy", "server_api")
    expect_equal(by, "server_api", "ackedBy, where it is present")


@requirement("ACK-2")
def test_a_second_ack_answers_the_same(given: Given, api: Api, player: str) -> None:
    grant = given.grant(player)
    first = given.acked(player, grant["id"])

    again = api.ack_grant(player, grant["id"])

    expect_status(again, 200, because="an ack is idempotent")
    expect_equal(again.data, first, "the data of the second ack")


@requirement("ACK-3")
def test_the_ack_of_an_unknown_grant_gets_404(given: Given, api: Api) -> None:
    answer = api.ack_grant(given.player(), "grant-of-nobody")

    expect_status(answer, 404, because="there is no such grant")


@requirement("ACK-3")
def test_the_ack_of_a_well_formed_unknown_grant_gets_404(
    given: Given, api: Api, player: str
) -> None:
    id = str(given.grant(player)["id"])

    answer = api.ack_grant(player, with_another_end(id))

    expect_status(answer, 404, because="there is no such grant")


@requirement("ACK-3")
def test_the_ack_for_an_unknown_player_gets_404(given: Given, api: Api, player: str) -> None:
    owner = given.names.player()
    grant = given.grant(owner)

    answer = api.ack_grant(player, grant["id"])

    expect_status(answer, 404, because="there is no such player")
    expect_unknown(given.state(player), "the player whom the ack named")


@requirement("ACK-3")
def test_the_ack_of_another_players_grant_gets_404(given: Given, api: Api, player: str) -> None:
    grant = given.grant(player)
    before = given.state(player)

    answer = api.ack_grant(given.player(), grant["id"])

    expect_status(answer, 404, because="the grant is another player's")
    expect_unchanged(before, given.state(player), "the owner")


@requirement("ACK-4")
def test_an_ack_shows_in_profile_and_export(given: Given, player: str) -> None:
    grant = given.grant(player)
    given.acked(player, grant["id"])

    exported = row_of(given.export(player)["grants"], grant["id"]) or {}
    rows = mentions(given.profile(player), grant["id"])
    shown = [row["status"] for row in rows if "status" in row]
    expect_equal(exported.get("status"), "claimed", "the status of the grant in the export")
    # A profile has no fixed members: the status is compared where there is one.
    claimed = not shown or "claimed" in shown
    expect_that(claimed, "the grant to be claimed in the profile", shown)


@requirement("ACK-4")
def test_an_ack_leaves_the_other_grants_pending(given: Given, player: str) -> None:
    first, second = given.grant(player), given.grant(player)
    given.acked(player, first["id"])

    shown = row_of(given.export(player)["grants"], second["id"]) or {}
    expect_equal(shown.get("status"), "pending", "the status of the grant that was not acked")


@requirement("ACK-5")
def test_a_create_replayed_after_the_ack_answers_the_same_grant(
    given: Given, api: Api, player: str
) -> None:
    body = given.grant_body()
    grant = given.grant(player, body)
    given.acked(player, grant["id"])

    replay = api.create_grant(player, body)

    expect_status(replay, 200, because="the key was used")
    expect_equal(replay.data["id"], grant["id"], "the grant that the key names")
    expect_equal(len(given.export(player)["grants"]), 1, "the number of grants")


@requirement("ACK-6")
def test_an_ack_puts_nothing_into_wallet_or_inventory(given: Given, player: str) -> None:
    item = given.world.some("items")[0]
    entries = [*given.entries(), {"type": "item", "itemKey": item, "quantity": 1}]
    grant = given.grant(player, given.grant_body(entries=entries))

    given.acked(player, grant["id"])
    given.acked(player, grant["id"])

    state = given.state(player) or {}
    expect_fields(state, wallet={}, inventory={})


@requirement("ACK-2", "ACK-4")
def test_a_claimed_grant_stays_claimed_when_its_time_is_over(
    given: Given, api: Api, player: str
) -> None:
    created = instant(given.grant(player)["createdAt"])
    soon = (created + timedelta(seconds=2)).isoformat().replace("+00:00", "Z")
    grant = given.grant(player, given.grant_body(expiresAt=soon))
    acked = given.acked(player, grant["id"])

    time.sleep(2.2)  # the server's clock has no other event

    again = api.ack_grant(player, grant["id"])
    expect_status(again, 200, because="the grant was claimed in time")
    expect_equal(again.data, acked, "the second ack's data")
    shown = next(row for row in given.export(player)["grants"] if row["id"] == grant["id"])
    expect_fields(shown, status="claimed")


@requirement("ACK-2")
def test_simultaneous_acks_answer_the_same(given: Given, api: Api, player: str) -> None:
    for _ in range(ROUNDS):
        grant = str(given.grant(player)["id"])
        request = api.request("ackGrant", path={"externalId": player, "grantId": grant})

        answers = api.send_simultaneously([request] * SIMULTANEOUS)

        expect_equal({answer.status for answer in answers}, {200}, "the statuses of all acks")
        bodies = {json.dumps(answer.data, sort_keys=True) for answer in answers}
        again = json.dumps(given.acked(player, grant), sort_keys=True)
        expect_equal(bodies, {again}, "the data of all acks, and of a later one")

"""Used keys: what was done is still known at the end of a run, and to any key of the game.

A server that forgets something after some seconds, or does something only then, shows it here.
"""

import pytest

from conformance.testkit import (
    BRIEF,
    SETTLED,
    Api,
    FirstUses,
    Given,
    Ledger,
    Samples,
    expect_equal,
    expect_fields,
    expect_status,
    expect_that,
    expect_unchanged,
    mention,
    requirement,
)

BECAUSE = "the same request succeeded at the beginning of the run"


@requirement("GRANT-2")
def test_a_grants_key_is_remembered_to_the_end(first_uses: FirstUses, api: Api) -> None:
    first = first_uses.of("grant")

    answer = first.replay(api)

    expect_status(answer, 200, because=BECAUSE)
    expect_equal(answer.data, first.data, "the replay's data")


@requirement("GRANT-2")
def test_a_grants_key_is_remembered_when_its_time_is_over(first_uses: FirstUses, api: Api) -> None:
    first = first_uses.of("brief grant")
    first.wait(BRIEF + 0.2)

    answer = first.replay(api)

    expect_status(answer, 200, because=f"{BECAUSE}, and an expired grant keeps its key")
    expect_fields(answer.data, id=first.data["id"])


@requirement("LEDGER-3")
@pytest.mark.parametrize(
    ("name", "call"),
    [
        *(("wallet", "credit"), ("wallet", "debit")),
        *(("inventory", "item grant"), ("inventory", "item revoke")),
    ],
)
def test_a_changes_key_is_remembered_to_the_end(
    name: str, call: str, first_uses: FirstUses, given: Given, api: Api
) -> None:
    first = first_uses.of(call)

    answer = first.replay(api)

    expect_status(answer, 200, because=BECAUSE)
    holding = Ledger(name, given).words.holding_field
    expect_fields(answer.data, **{holding: first.data[holding]})


@requirement("MIG-2")
@pytest.mark.parametrize("kind", ["players", "wallet", "inventory"])
def test_a_rows_key_is_remembered_to_the_end(kind: str, first_uses: FirstUses, api: Api) -> None:
    answer = first_uses.of(f"{kind} import").replay(api)

    expect_status(answer, 200, because="the batch is well-formed")
    expect_fields(answer.data, applied=0, skipped=1)


@requirement("LOBBY-2")
def test_a_lobbys_key_is_remembered_to_the_end(first_uses: FirstUses, api: Api) -> None:
    first = first_uses.of("lobby")

    answer = first.replay(api)

    expect_status(answer, 201, because=BECAUSE)
    expect_fields(answer.data, id=first.data["id"])


@requirement("MERGE-6")
def test_a_merge_is_remembered_to_the_end(first_uses: FirstUses, api: Api) -> None:
    answer = first_uses.of("merge").replay(api)

    expect_status(answer, 200, because="the two were merged at the beginning of the run")
    expect_fields(answer.data, status="no_op_already_merged")


@requirement("DEL-3")
def test_an_erasure_is_remembered_to_the_end(first_uses: FirstUses, api: Api) -> None:
    answer = first_uses.of("erasure").replay(api)

    expect_status(answer, 200, because="erasing always answers 200")
    expect_fields(answer.data, status="no_op_already_erased")


@requirement("GRANT-8")
def test_a_grant_whose_time_is_over_still_shows(first_uses: FirstUses, given: Given) -> None:
    grant = first_uses.of("brief grant")
    grant.wait(BRIEF + 0.2)

    profile = given.profile(grant.player)

    shown = mention(profile, grant.data["id"]) is not None
    expect_that(shown, "the grant in the profile", "a profile without it")
    expect_that(grant.data["id"] in given.grants(grant.player), "the grant in the export", "none")


@requirement("MERGE-3")
def test_a_grant_whose_time_is_over_is_merged_too(first_uses: FirstUses, given: Given) -> None:
    grant, target = first_uses.of("grant to be merged"), given.player()
    grant.wait(BRIEF + 0.2)

    merged = given.merged(grant.player, target)

    expect_that(grant.data["id"] in given.grants(target), "the grant among the target's", "none")
    expect_equal(merged["counts"]["grantsReassigned"], 2, "grantsReassigned")


@requirement("EXP-1")
@pytest.mark.parametrize("past", list(SETTLED))
def test_what_was_done_stays(past: str, first_uses: FirstUses, given: Given) -> None:
    settled = first_uses.settled(past)
    settled.wait(BRIEF)

    expect_unchanged(settled.state, given.state(settled.player), f"a player who was {past}")


@requirement("GRANT-5")
def test_another_key_of_the_game_gets_the_same_grant(samples: Samples, throttled_api: Api) -> None:
    answer = samples.called("createGrant").call(throttled_api.waiting())

    expect_status(answer, 200, 409, because="the idempotency key was used in this game")


@requirement("LEDGER-3")
@pytest.mark.parametrize("change", ["creditWallet", "grantItem"])
def test_another_key_of_the_game_changes_nothing_again(
    change: str, samples: Samples, throttled_api: Api
) -> None:
    sample = samples.called(change)

    answer = sample.call(throttled_api.waiting())

    sample.judge_first(answer, "the key was used in this game")


@requirement("LOBBY-3")
def test_another_key_of_the_game_opens_no_second_lobby(
    samples: Samples, given: Given, throttled_api: Api
) -> None:
    sample = samples.called("createLobby")

    sample.call(throttled_api.waiting())

    expect_equal(len(given.lobbies(sample.players[0])), 1, "the number of the player's lobbies")


@requirement("MIG-2")
def test_another_key_of_the_game_imports_nothing_again(
    samples: Samples, throttled_api: Api
) -> None:
    answer = samples.called("migrateWallet").call(throttled_api.waiting())

    expect_fields(answer.data, applied=0)

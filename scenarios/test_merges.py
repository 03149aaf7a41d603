"""MERGE: one player is merged into another."""

from conformance.testkit import (
    ROUNDS,
    SIMULTANEOUS,
    Answer,
    Api,
    Given,
    Ledger,
    Request,
    assume,
    expect_equal,
    expect_fields,
    expect_none,
    expect_placeholder,
    expect_status,
    expect_that,
    expect_unchanged,
    ids,
    is_same_instant,
    needed,
    requirement,
)

EXACT = 2**53 - 1
"""The largest holding of which the contract says that it is exact (LEDGER-12)."""
LARGE = 2**31 - 1


@requirement("MERGE-1")
def test_a_merge_names_both_players_and_the_placeholder(given: Given, api: Api) -> None:
    source, target = given.player(), given.player()
    known = [given.export(player)["player"]["id"] for player in (source, target)]

    answer = api.merge_player(source, target)

    expect_status(answer, 200, because="both players are known")
    expect_fields(
        answer.data,
        status="merged",
        fromPlayerId=known[0],
        fromExternalPlayerId=source,
        toPlayerId=known[1],
        toExternalPlayerId=target,
    )
    expect_placeholder(answer.data["anonymizedExternalPlayerId"], "merged")


@requirement("MERGE-2")
def test_holdings_of_a_shared_key_are_summed(ledger: Ledger, given: Given) -> None:
    source, target = ledger.filled(70), ledger.filled(5)

    given.merged(source, target)

    expect_equal(ledger.held(target), 75, "the target's holding")
    expect_equal(ledger.holding(ledger.increment(target, 1)), 76, "the holding after one more")


@requirement("MERGE-2")
def test_holdings_of_other_keys_move(ledger: Ledger, given: Given) -> None:
    source, target = ledger.filled(70), ledger.filled(5, ledger.other_key)

    given.merged(source, target)

    held = (ledger.held(target), ledger.held(target, ledger.other_key))
    expect_equal(held, (70, 5), "the target's two holdings")


@requirement("MERGE-2")
def test_large_holdings_are_summed_exactly(ledger: Ledger, given: Given) -> None:
    source, target = ledger.filled(LARGE), ledger.filled(LARGE)

    given.merged(source, target)

    expect_equal(ledger.held(target), 2 * LARGE, "the target's holding")


@requirement("LEDGER-12")
def test_a_sum_beyond_the_exact_is_never_wrong(ledger: Ledger, given: Given, api: Api) -> None:
    source, target = given.names.player(), given.names.player()
    filled = [ledger.increment(source, EXACT), ledger.increment(target, 2)]
    assume(all(answer.status == 200 for answer in filled), f"the server takes no {EXACT} at once")

    answer = api.merge_player(source, target)

    moved = answer.status == 200
    expect_equal(ledger.held(target), 2 + EXACT * moved, f"the target's holding ({answer.status})")


@requirement("MERGE-2")
def test_what_was_moved_can_be_spent_to_the_last(ledger: Ledger, given: Given) -> None:
    source, target = ledger.filled(70), given.player()
    given.merged(source, target)

    expect_status(ledger.decrement(target, 71), 409, because="only 70 were moved")
    spent = ledger.decrement(target, 70)

    expect_status(spent, 200, because="70 were moved")
    expect_equal(ledger.holding(spent), 0, "the holding")


@requirement("MERGE-3")
def test_the_sources_grants_are_the_targets(given: Given, api: Api) -> None:
    source, target = given.names.player(), given.names.player()
    moved = [given.grant(source)["id"] for _ in range(2)]
    kept = given.grant(target)["id"]

    outcome = given.merged(source, target)

    expect_equal(outcome["counts"]["grantsReassigned"], 2, "counts.grantsReassigned")
    owned = ids(given.export(target)["grants"])
    expect_equal(owned, sorted([*moved, kept]), "the grants of the target")
    for grant in moved:
        acked = api.ack_grant(target, grant)
        expect_status(acked, 200, because="the source's grant is the target's")
        expect_fields(acked.data, status="claimed")


@requirement("MERGE-3")
def test_a_claimed_grant_stays_claimed(given: Given) -> None:
    source, target = given.names.player(), given.player()
    grant = given.grant(source)["id"]
    claimed = given.acked(source, grant)["claimedAt"]

    given.merged(source, target)

    grants = given.export(target)["grants"]
    shown = [(row["id"], row["status"]) for row in grants]
    expect_equal(shown, [(grant, "claimed")], "the grants of the target")
    reported = grants[0].get("claimedAt", claimed)
    expect_that(
        is_same_instant(reported, claimed), f"claimedAt to stay the instant {claimed}", reported
    )


@requirement("MERGE-3")
def test_an_ack_at_the_moment_of_the_merge_is_not_lost(given: Given, api: Api) -> None:
    for turn in range(5 * ROUNDS):
        source, target = given.names.player(), given.player()
        grant = given.grant(source)["id"]
        merge = merge_request(api, source, target)
        ack = api.request("ackGrant", path={"externalId": source, "grantId": grant})
        # Reads in between delay the acks: in each turn they meet the merge at another moment.
        look = api.request("exportPlayer", path={"externalId": target})

        answers = api.send_simultaneously([merge, *[look] * (turn % 5), *[ack] * 4])

        needed(answers[0], "MERGE-1", "a merge")
        reported = [(row["id"], row["status"]) for row in given.export(target)["grants"]]
        expected = [(grant, status_after(answers[-4:]))]
        expect_equal(reported, expected, "id and status of the target's grants")


def merge_request(api: Api, source: str, target: str) -> Request:
    """The request of a merge."""
    return api.request("mergePlayer", path={"fromExternalId": source, "toExternalId": target})


def status_after(acks: list[Answer]) -> str:
    """The status of a pending grant after these acks: claimed if one of them got 200."""
    return "claimed" if any(ack.status == 200 for ack in acks) else "pending"


@requirement("MERGE-2")
def test_a_merge_beyond_all_bounds_moves_all_or_nothing(given: Given, api: Api) -> None:
    source, target = given.names.player(), given.names.player()
    ledgers = [Ledger(name, given) for name in ("wallet", "inventory")]
    for ledger in ledgers:
        for player in (source, target):
            ledger.fill(player, 30, ledger.other_key)
    large = ledgers[1].increment(target, 2**53 - 1)
    ledgers[1].fill(source, 40)
    assume(large.status == 200, "the server takes no such amount")
    before = given.states((source, target))

    answer = api.merge_player(source, target)

    merged = answer.status == 200
    after = given.states((source, target))
    expect_that(merged or after == before, "a refused merge to change nothing", after)
    held = ledgers[0].held(target, ledgers[0].other_key)
    expect_equal(held, 30 + 30 * merged, f"the target's holding, status {answer.status}")


@requirement("MERGE-4")
def test_lobbies_move_without_duplicates(given: Given) -> None:
    source, target = given.player(), given.player()
    both = given.lobby([source, target])["id"]
    one = given.lobby([source])["id"]

    given.merged(source, target)

    lobbies = ids(given.export(target)["lobbies"])
    expect_equal(lobbies, sorted([both, one]), "the lobbies of the target")


@requirement("MERGE-4")
def test_the_others_of_a_lobby_stay_when_one_is_merged(given: Given, api: Api) -> None:
    source, target, *others = (given.player() for _ in range(4))
    lobby = given.lobby([others[0], source, others[1]], capacity=8, fillBots=False)["id"]

    given.merged(source, target)

    for player in (target, *others):
        expect_equal(given.lobbies(player), [lobby], "the lobbies of everyone in it")
    read = api.get_lobby(lobby, game=given.game())
    expect_fields(read.data, participantCount=3)


@requirement("MERGE-5")
def test_the_sources_id_is_unknown(given: Given, api: Api) -> None:
    source, target = given.player(), given.player()
    given.merged(source, target)

    for answer in (api.export_player(source), api.get_player(source)):
        expect_status(answer, 404, because="the source was merged away")


@requirement("MERGE-5")
def test_the_sources_id_is_free_for_a_new_player(ledger: Ledger, given: Given) -> None:
    source, target = ledger.filled(70), given.player()
    given.grant(source)
    old = given.export(source)["player"]["id"]
    given.merged(source, target)

    created = given.api.create_grant(source, given.grant_body())

    expect_status(created, 201, because="the merged-away id is free")
    state = given.state(source) or {}
    expect_that(state["player"] != old, "a new player", f"the merged-away player's id {old}")
    expect_equal(ids(state["grants"]), [created.data["id"]], "the new player's grants")
    expect_fields(state, wallet={}, inventory={})
    expect_equal(ledger.held(target), 70, "the target's holding")


@requirement("MERGE-6")
def test_a_replay_moves_nothing(ledger: Ledger, given: Given, api: Api) -> None:
    source, target = ledger.filled(70), ledger.filled(5)
    first = given.merged(source, target)
    before = given.state(target)

    replay = api.merge_player(source, target)

    expect_status(replay, 200, because="the merge happened")
    expect_fields(
        replay.data,
        status="no_op_already_merged",
        toPlayerId=first["toPlayerId"],
        toExternalPlayerId=target,
    )
    expect_unchanged(before, given.state(target), "the target after the replay")


@requirement("MERGE-6")
def test_the_id_merged_again_is_a_new_merge(ledger: Ledger, given: Given, api: Api) -> None:
    source, target = ledger.filled(70), given.player()
    given.merged(source, target)
    ledger.fill(source, 4)

    again = api.merge_player(source, target)

    expect_status(again, 200, because="a new player has the id")
    expect_fields(again.data, status="merged")
    expect_equal(ledger.held(target), 74, "the target's holding")


def expect_refused(given: Given, source: str, target: str, *statuses: int, because: str) -> None:
    """The merge is refused and changes nothing."""
    before = given.states([source, target])

    answer = given.api.merge_player(source, target)

    expect_status(answer, *statuses, because=because)
    expect_unchanged(before, given.states([source, target]), "source and target")


@requirement("MERGE-6")
def test_a_merge_is_known_although_the_id_was_merged_again(given: Given, api: Api) -> None:
    source, first, second = given.player(), given.player(), given.player()
    given.merged(source, first)
    given.grant(source)
    given.merged(source, second)

    for target in (first, second):
        answer = api.merge_player(source, target)

        expect_status(answer, 200, because="the merge happened before")
        expect_fields(answer.data, status="no_op_already_merged", toExternalPlayerId=target)


@requirement("MERGE-7")
def test_a_missing_source_gets_404_and_changes_nothing(
    ledger: Ledger, given: Given, player: str
) -> None:
    expect_refused(given, player, ledger.filled(5), 404, because="the source is unknown")


@requirement("MERGE-7")
def test_a_missing_target_gets_404_and_changes_nothing(
    ledger: Ledger, given: Given, player: str
) -> None:
    expect_refused(given, ledger.filled(5), player, 404, because="the target is unknown")


@requirement("MERGE-7")
def test_a_merge_with_itself_gets_422_and_changes_nothing(ledger: Ledger, given: Given) -> None:
    player = ledger.filled(5)

    expect_refused(given, player, player, 422, because="a player cannot be merged into itself")


@requirement("MERGE-7")
def test_a_banned_target_gets_422_and_changes_nothing(ledger: Ledger, given: Given) -> None:
    source, target = ledger.filled(5), ledger.filled(6)
    given.banned(target)

    expect_refused(given, source, target, 422, because="the target is banned")


@requirement("MERGE-7")
def test_an_erased_target_is_refused_and_changes_nothing(ledger: Ledger, given: Given) -> None:
    source, target = ledger.filled(5), ledger.filled(6)
    given.erased(target)

    expect_refused(given, source, target, 404, 422, because="the target is erased")


@requirement("MERGE-8")
def test_simultaneous_merges_move_everything_once(ledger: Ledger, given: Given, api: Api) -> None:
    for _ in range(ROUNDS):
        source, target = ledger.filled(70), ledger.filled(5)
        grant = given.grant(source)["id"]

        answers = api.send_simultaneously([merge_request(api, source, target)] * SIMULTANEOUS)

        merged = [a for a in answers if a.status == 200 and a.data["status"] == "merged"]
        expect_equal(len(merged), 1, "the number of answers with the status merged")
        expect_equal(ledger.held(target), 75, "the target's holding")
        expect_equal(ids(given.export(target)["grants"]), [grant], "the target's grants")


@requirement("MERGE-9")
def test_a_grants_key_stays_used_for_the_target(given: Given, api: Api) -> None:
    source, target = given.names.player(), given.player()
    body = given.grant_body()
    grant = given.grant(source, body)["id"]
    given.merged(source, target)

    answer = api.create_grant(target, body)

    expect_status(answer, 200, 409, because="the key was used before the merge")
    expect_equal(ids(given.export(target)["grants"]), [grant], "the grants of the target")


@requirement("MERGE-9")
def test_a_grants_key_stays_used_for_the_freed_id(given: Given, api: Api) -> None:
    source, target = given.names.player(), given.player()
    body = given.grant_body()
    grant = given.grant(source, body)["id"]
    given.merged(source, target)

    answer = api.create_grant(source, body)

    expect_status(answer, 200, 409, because="the key was used before the merge")
    expect_none(given.grants(source), "grants of a new player with the freed id")
    expect_equal(ids(given.export(target)["grants"]), [grant], "the grants of the target")


@requirement("MERGE-5")
def test_a_source_whom_one_looked_at_before_is_unknown(given: Given, api: Api) -> None:
    source, target = given.player(), given.player()
    for player in (source, target):
        given.profile(player)
        given.export(player)

    given.merged(source, target)

    for answer in (api.get_player(source), api.export_player(source)):
        expect_status(answer, 404, because="the player was merged, whatever was read before")

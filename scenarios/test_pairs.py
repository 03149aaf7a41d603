"""Pairs: whatever happens at the same moment, nothing is lost and nothing doubled."""

from collections.abc import Iterable
from itertools import chain, pairwise

import pytest

from conformance.fuzzing.operation_pairs import (
    CHANGING,
    PAIRS,
    expect_erased_whole,
    expect_nothing_lost,
    possible,
)
from conformance.testkit import (
    ROUNDS,
    SIMULTANEOUS,
    Api,
    Given,
    ImportBatch,
    Ledger,
    Recorder,
    Request,
    assume,
    expect_equal,
    expect_none,
    expect_that,
    requirement,
)

pytestmark = pytest.mark.usefixtures("trusted_export")


@pytest.mark.parametrize(
    "differing",
    [
        pytest.param("player", marks=requirement("GRANT-5")),
        pytest.param("metadata", marks=requirement("GRANT-3")),
    ],
)
def test_one_key_at_once_makes_one_grant(differing: str, given: Given, api: Api) -> None:
    for _ in range(ROUNDS):
        players = [given.player() for _ in range(2)]
        body = given.grant_body()
        sent = {
            "player": [(player, body) for player in players],
            "metadata": [(players[0], {**body, "metadata": {"n": n}}) for n in range(2)],
        }[differing]
        requests = [
            api.request("createGrant", each, path={"externalId": player}) for player, each in sent
        ]

        answers = api.send_simultaneously(requests * (SIMULTANEOUS // 2))

        statuses = sorted({answer.status for answer in answers})
        expect_none(set(statuses) - {200, 201, 409}, "statuses but 200, 201 and 409")
        created = sum(answer.status == 201 for answer in answers)
        made = [id for player in players for id in given.grants(player)]
        expect_equal((created, len(made)), (1, 1), "the 201s and the grants of one key")


@requirement("LEDGER-6")
@pytest.mark.parametrize("direction", ["increment", "decrement"])
def test_one_key_at_once_changes_a_holding_once(
    direction: str, ledger: Ledger, given: Given, api: Api
) -> None:
    for _ in range(ROUNDS):
        player, key = ledger.filled(1000), given.names.key()
        requests = [
            ledger.request(direction, player, amount, idempotencyKey=key) for amount in (1, 20)
        ]

        answers = api.send_simultaneously(requests * (SIMULTANEOUS // 2))

        changed = abs(ledger.held(player) - 1000)
        succeeded = sorted({n % 2 for n, answer in enumerate(answers) if answer.status == 200})
        expect_that(changed in (1, 20), "a change by 1 or by 20", f"a change by {changed}")
        expect_equal(succeeded, [int(changed == 20)], "which of the two bodies got 200")


@requirement("MIG-10")
def test_a_row_in_several_batches_at_once_is_applied_once(batch: ImportBatch, api: Api) -> None:
    for _ in range(ROUNDS):
        shared = batch.row()
        bodies = [{"rows": [shared, batch.row()]} for _ in range(SIMULTANEOUS)]

        answers = api.send_simultaneously([api.request(batch.operation, body) for body in bodies])

        applied = sum(answer.data["applied"] for answer in answers)
        expect_equal(applied, len(bodies) + 1, "the rows that all batches applied")
        expect_equal(batch.has(shared), True, "whether the shared row was applied, once")


@requirement("LEDGER-6", "MIG-7", "GRANT-8", "LOBBY-6", "MERGE-2", "MERGE-3", "MERGE-4")
@requirement("ACK-4", "BAN-2", "BAN-7", "MIG-9", "EXP-1")
@pytest.mark.parametrize("pair", [pytest.param(pair, id="-".join(pair)) for pair in PAIRS])
def test_two_operations_at_once_lose_and_double_nothing(
    pair: tuple[str, str], given: Given, recorder: Recorder
) -> None:
    assume(possible(given, *pair), "declare world.lobby_event in the target file")
    expect_nothing_lost(given, recorder, pair)


@requirement("DEL-2")
@pytest.mark.parametrize("other", CHANGING)
def test_an_erasure_at_the_moment_of_another_operation_is_whole(other: str, given: Given) -> None:
    assume(possible(given, other), "declare world.lobby_event in the target file")
    expect_erased_whole(given, other)


@requirement("LEDGER-10")
def test_one_receipt_at_once_is_a_credit_an_item_and_a_grant(given: Given, api: Api) -> None:
    wallet, inventory = Ledger("wallet", given), Ledger("inventory", given)
    for _ in range(ROUNDS):
        player, receipt = given.names.player(), given.names.key()
        requests = [
            wallet.request("increment", player, 7, idempotencyKey=receipt),
            inventory.request("increment", player, 5, idempotencyKey=receipt),
            api.request(
                "createGrant",
                given.grant_body(idempotencyKey=receipt),
                path={"externalId": player},
            ),
        ]

        answers = api.send_simultaneously(requests * 5)

        statuses = sorted({answer.status for answer in answers})
        expect_equal(statuses, [200, 201], "the statuses of one receipt used for three")
        made = (wallet.held(player), inventory.held(player), len(given.grants(player)))
        expect_equal(made, (7, 5, 1), "currency, items and grants of one receipt")


@requirement("LOBBY-3")
def test_one_key_at_once_opens_one_lobby(given: Given, api: Api) -> None:
    path = {"gameId": given.game(), "eventKey": given.world.event("lobby_event")}
    for _ in range(ROUNDS):
        rosters = [[given.names.player()] for _ in range(2)]
        body = given.lobby_body([], capacity=4)
        requests = [
            api.request("createLobby", {**body, "externalPlayerIds": roster}, path=path)
            for roster in rosters
        ]

        answers = api.send_simultaneously(requests * (SIMULTANEOUS // 2))

        odd = {answer.status for answer in answers} - {201, 409}
        expect_none(odd, "statuses but 201 and 409")
        opened = {str(answer.data["id"]) for answer in answers if answer.status == 201}
        seated = {id for player in chain(*rosters) for id in given.lobbies(player)}
        expect_equal(
            (len(opened), seated), (1, opened), "the lobbies of one key, and of its players"
        )


# Many players: whatever order locks are taken in, nobody waits for ever and nothing is lost.

SOURCES = 8
"""How many players are merged at the same moment."""


def merges(api: Api, pairs: Iterable[tuple[str, str]]) -> list[Request]:
    """The request of each merge, from the first player of a pair into the second."""
    return [
        api.request("mergePlayer", path={"fromExternalId": source, "toExternalId": target})
        for source, target in pairs
    ]


@requirement("MERGE-2")
@pytest.mark.parametrize("shape", ["star", "chain", "circle"])
def test_merges_at_once_lose_and_double_nothing(
    shape: str, ledger: Ledger, given: Given, api: Api
) -> None:
    for _ in range(ROUNDS):
        players = [ledger.filled(2**number) for number in range(SOURCES)]
        pairs = {
            "star": [(player, players[0]) for player in players[1:]],
            "chain": list(pairwise(players)),
            "circle": list(pairwise([*players, players[0]])),
        }[shape]

        api.send_simultaneously(merges(api, pairs))

        left = [state for state in given.states(players).values() if state is not None]
        held = sum(sum(state[ledger.name].values()) for state in left)
        expect_equal(held, 2**SOURCES - 1, f"what all players hold together after a {shape}")


@requirement("MIG-7")
def test_batches_in_other_orders_at_once_all_add(ledger_batch: ImportBatch, api: Api) -> None:
    for _ in range(ROUNDS):
        players = [ledger_batch.given.names.player() for _ in range(12)]
        orders = [players[turn:] + players[:turn] for turn in range(0, 12, 3)]
        requests = [
            api.request(ledger_batch.operation, {"rows": [ledger_batch.row(who) for who in order]})
            for order in (*orders, *(order[::-1] for order in orders))
        ]

        answers = api.send_simultaneously(requests)

        expect_equal([answer.status for answer in answers], [200] * 8, "the statuses of all")
        held = [ledger_batch.held(player) for player in players]
        expect_equal(held, [8 * ledger_batch.amount] * 12, "what each player holds after 8 batches")


@requirement("LOBBY-6")
def test_lobbies_of_the_same_players_at_once_all_show(given: Given, api: Api) -> None:
    path = {"gameId": given.game(), "eventKey": given.world.event("lobby_event")}
    for _ in range(ROUNDS):
        roster = [given.names.player() for _ in range(4)]
        orders = [roster[turn:] + roster[:turn] for turn in range(4)]
        requests = [
            api.request("createLobby", given.lobby_body(order, capacity=4), path=path)
            for order in (*orders, *(order[::-1] for order in orders))
        ]

        answers = api.send_simultaneously(requests)

        expect_equal([answer.status for answer in answers], [201] * 8, "the statuses of all")
        opened = sorted(str(answer.data["id"]) for answer in answers)
        shown = [given.lobbies(player) for player in roster]
        expect_equal(shown, [opened] * 4, "the lobbies of each player")

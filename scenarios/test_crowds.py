"""Crowds: many callers at the same moment, and each gets their own answer.

A server that keeps the caller, the player or the game of a request where another request can
change it mixes them up.
"""

from collections.abc import Sequence
from contextlib import suppress

import pytest

from conformance.failures import NotExercised
from conformance.testkit import (
    SIMULTANEOUS,
    Api,
    Given,
    Ledger,
    Names,
    Run,
    Sample,
    Samples,
    World,
    assume,
    expect_equal,
    expect_none,
    expect_status,
    requirement,
)

OPERATIONS = (
    *("createGrant", "ackGrant", "createLobby", "getLobby", "getPlayer", "exportPlayer"),
    *("banPlayer", "unbanPlayer", "mergePlayer", "deletePlayer"),
    *("grantItem", "revokeItem", "creditWallet", "debitWallet"),
    *("migratePlayers", "migrateWallet", "migrateInventory", "ping"),
)
CROWDS = 3
"""How many crowds come."""


@pytest.fixture
def crowd(samples: Samples, run: Run) -> list[Sample]:
    """Calls of different operations about different players; the seed chooses which come first."""
    made, first = list[Sample](), run.seed % len(OPERATIONS)
    for operation in OPERATIONS[first:] + OPERATIONS[:first]:
        with suppress(NotExercised):
            made.append(samples.of(operation))
    return made[:SIMULTANEOUS]


@requirement("HTTP-1")
@pytest.mark.parametrize("number", range(CROWDS))
def test_each_of_many_callers_gets_their_own_answer(
    number: int, crowd: Sequence[Sample], api: Api
) -> None:
    turned = [*crowd[number:], *crowd[:number]]

    answers = api.send_simultaneously([sample.request(api) for sample in turned])

    for sample, answer in zip(turned, answers, strict=True):
        sample.judge_first(answer, f"the others at that moment are not about {sample.players}")


@requirement("AUTH-1", "AUTH-2")
@pytest.mark.parametrize("token", [None, "ksk_kc.unknown"])
def test_a_wrong_key_amid_good_ones_is_refused(
    token: str | None, crowd: Sequence[Sample], api: Api
) -> None:
    wrong = api.with_token(token)
    callers = [(api, wrong)[number % 2] for number in range(len(crowd))]

    answers = api.send_simultaneously(
        [sample.request(caller) for sample, caller in zip(crowd, callers, strict=True)]
    )

    for answer in answers[1::2]:
        expect_status(answer, 401, because="this one of many simultaneous requests has no key")


@requirement("AUTH-7")
def test_two_games_at_once_are_not_mixed_up(
    ledger: Ledger, other_game_api: Api, names: Names, world: World, api: Api
) -> None:
    there = Ledger(ledger.name, Given(other_game_api, names, world))
    known = there.increment(names.player(), 1)
    assume(known.status == 200, "the other game lacks the first declared item or currency")
    player = names.player()
    requests = [
        one.request("increment", player, amount)
        for _ in range(SIMULTANEOUS // 2)
        for one, amount in ((ledger, 3), (there, 5))
    ]

    answers = api.send_simultaneously(requests)

    expect_none([a.status for a in answers if a.status != 200], "statuses but 200")
    held = ledger.held(player), there.held(player)
    half = SIMULTANEOUS // 2
    expect_equal(held, (3 * half, 5 * half), "the holdings of one id in both games")


@requirement("AUTH-7")
def test_grants_at_once_in_two_games_are_each_in_their_own(
    given: Given, other_game_api: Api, names: Names, api: Api
) -> None:
    known = other_game_api.create_grant(names.player(), given.grant_body())
    assume(known.status == 201, "the other game lacks the first declared item or currency")
    callers = [(api, other_game_api)[number % 2] for number in range(SIMULTANEOUS)]
    players = [names.player() for _ in callers]

    answers = api.send_simultaneously(
        [
            one.request("createGrant", given.grant_body(), path={"externalId": player})
            for one, player in zip(callers, players, strict=True)
        ]
    )

    expect_none([a.status for a in answers if a.status != 201], "statuses but 201")
    known_here = [api.get_player(player).status for player in players]
    known_there = [other_game_api.get_player(player).status for player in players]
    half = SIMULTANEOUS // 2
    expect_equal(known_here, [200, 404] * half, "the statuses of their profiles in this game")
    expect_equal(known_there, [404, 200] * half, "the statuses of their profiles in the other")

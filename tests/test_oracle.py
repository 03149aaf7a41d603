"""What the exploration is made of. `faults/seeded/readers_1.py` has servers that fail it."""

import json
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from support import reference, suite_client

from conformance.failures import Mismatch
from conformance.faults.deviations import settings_of
from conformance.faults.registry import deviation_of
from conformance.fuzzing.confusable import confusable
from conformance.fuzzing.operation_pairs import CHANGING, OPERATIONS, PAIRS
from conformance.fuzzing.oracle import Oracle, canonical
from conformance.fuzzing.player_pasts import EVENTS, expect_contract_kept
from conformance.fuzzing.variations import variations
from conformance.lifecycle.bundled_target import bundled_target
from conformance.settings.names import Names
from conformance.testkit.given import Given

BEGINNING = "kc-0123abcd-0123abcd-p00001"


def test_confusable_strings_are_all_different_and_none_is_free() -> None:
    texts = [text for pair in confusable(BEGINNING) for text in pair]
    assert len(set(texts)) == len(texts) > 120
    assert max(map(len, texts)) <= 200
    kinds = {unicodedata.category(character) for text in texts for character in text}
    assert kinds.isdisjoint({"Cc", "Cs"}), "control characters and surrogates are FREE"


@pytest.mark.parametrize(
    "value", [{}, {"a": {"b": [1, "x", True, 0.5]}}, {"list": ["a"], "same": [1, 1]}]
)
def test_variations_are_other_json_values(value: dict[str, Any]) -> None:
    found = [canonical(variation) for variation in variations(value)]
    assert canonical(value) not in found
    assert found == [canonical(json.loads(each)) for each in found]
    assert len(found) > len(value)


def test_every_two_operations_meet() -> None:
    every = len(OPERATIONS) * (len(OPERATIONS) - 1) // 2
    assert len(PAIRS) == every - 2, "two reads lose nothing, and ban and unban have no order"
    assert set(CHANGING) < set(OPERATIONS)


def with_fault(id: str, act: Callable[[Oracle], object]) -> str | None:
    """The requirement that the oracle names when this is done on a server with the fault."""
    with reference(settings_of([deviation_of(id)])) as url, suite_client(url) as api:
        world = bundled_target(url).world
        game = api.ping().body["apiKey"]["gameId"]
        api.game_id = game
        oracle = Oracle(api, Given(api, Names("kc-0-x"), world))
        try:
            act(oracle)
        except Mismatch as error:
            return error.requirement
    return None


def after(first: str, then: str, turn: int) -> Callable[[Oracle], None]:
    return lambda oracle: expect_contract_kept(oracle.api, oracle.given, (first, then), turn)


@pytest.mark.parametrize(
    ("id", "act", "named"),
    [
        ("r1-ban-stacks", after("credited", "acked", 2), "BAN-3"),
        ("r1-ack-profile-cached", after("credited", "imported", 1), "ACK-4"),
        ("r1-erasure-keeps-snapshot", after("imported", "erased", 7), "DEL-6"),
        ("r1-erasure-frees-moved-keys", after("merged away", "other erased", 9), "DEL-9"),
        ("r1-ledger-zero-forgets", after("credited", "emptied", 2), "LEDGER-3"),
        ("r1-ledger-added-field", after("credited", "banned", 6), "LEDGER-4"),
        ("r1-grant-replay-without-parameters", after("credited", "banned", 0), "GRANT-2"),
        ("r1-lobby-read-bots", after("credited", "banned", 13), "LOBBY-8"),
        ("traced", after("merged into", "erased", 5), None),
    ],
)
def test_the_oracle_names_what_a_server_breaks(
    id: str, act: Callable[[Oracle], None], named: str | None
) -> None:
    assert with_fault(id, act) == named


def test_no_past_departs_on_the_reference_server() -> None:
    def each(oracle: Oracle) -> None:
        for turn, event in enumerate(EVENTS):
            expect_contract_kept(oracle.api, oracle.given, (event, event), turn)

    assert with_fault("traced", each) is None


def a_key_of_two_who_merge(oracle: Oracle) -> None:
    one, other, key = (oracle.given.names.player() for _ in range(3))
    oracle.change("wallet", other, 5, key)
    oracle.change("wallet", one, 7, key)
    oracle.agree(one, other)
    oracle.merge(one, other)
    oracle.change("wallet", other, 5, key)
    oracle.change("wallet", other, 6, key)
    oracle.agree(one, other)


def a_replay_that_looks_like_a_change(oracle: Oracle) -> None:
    one, other, key = (oracle.given.names.player() for _ in range(3))
    oracle.change("wallet", one, 5, key)
    oracle.change("wallet", other, 5, key)
    oracle.change("wallet", other, -5)
    oracle.change("wallet", other, 5, key)
    oracle.agree(one, other)


def a_merge_into_one_who_took_over_a_ban(oracle: Oracle) -> None:
    banned, other, third = (oracle.given.names.player() for _ in range(3))
    for player in (banned, other, third):
        oracle.change("wallet", player, 5)
    oracle.ban(banned, "cheat")
    oracle.merge(banned, other)
    oracle.merge(third, other)
    oracle.unban(other)
    oracle.ban(other, "again")
    oracle.agree(banned, other, third)


def a_replay_after_the_erasure(oracle: Oracle) -> None:
    player, key = oracle.given.names.player(), oracle.given.names.key()
    oracle.change("wallet", player, 5, key)
    oracle.erase(player)
    oracle.change("wallet", player, 5, key)
    oracle.agree(player)


def more_grants_than_the_limit(oracle: Oracle) -> None:
    player = oracle.given.names.player()
    grants = [oracle.create_grant(player, oracle.given.grant_body()) for _ in range(4)]
    for grant in grants[:2]:
        oracle.ack(player, grant)
    for limit in (1, 2, 3):
        oracle.read_profile(player, limit)
    oracle.show(player)


@pytest.mark.parametrize(
    ("id", "act"),
    [
        ("keys-move", a_key_of_two_who_merge),
        ("keys-end", a_key_of_two_who_merge),
        ("keys-stay", a_replay_after_the_erasure),
        ("keys-end", a_replay_after_the_erasure),
        ("key-of-holding", a_replay_that_looks_like_a_change),
        ("bans-move", a_merge_into_one_who_took_over_a_ban),
        ("tabbed-profile", more_grants_than_the_limit),
        ("numbered-rows", more_grants_than_the_limit),
        *(
            ("traced", act)
            for act in (a_key_of_two_who_merge, a_merge_into_one_who_took_over_a_ban)
        ),
    ],
)
def test_the_oracle_follows_what_the_contract_leaves_open(
    id: str, act: Callable[[Oracle], None]
) -> None:
    assert with_fault(id, act) is None

"""Values, sizes and histories by design: the oracle judges every call and every state."""

import json
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Protocol, TypeVar

import pytest

from conformance.fuzzing import DECIDED_BY_SEQUENCES
from conformance.fuzzing.confusable import confusable
from conformance.fuzzing.model import LEDGERS
from conformance.fuzzing.operation_pairs import PAIRS, expect_nothing_lost, possible
from conformance.fuzzing.oracle import Oracle
from conformance.fuzzing.player_histories import EVENTS, GROUPS, expect_contract_kept
from conformance.fuzzing.player_plans import PLANS, expect_two_players
from conformance.fuzzing.variations import variations
from conformance.testkit import (
    PROFILES,
    ROUNDS,
    SIMULTANEOUS,
    Api,
    Given,
    ImportBatch,
    Ledger,
    Recorder,
    Run,
    Samples,
    assume,
    expect_equal,
    expect_fields,
    expect_none,
    expect_status,
    expect_that,
    expect_unchanged,
    instant,
    requirement,
    with_another_end,
)

pytestmark = pytest.mark.usefixtures("trusted_export")

KINDS = ("reward", "crate")
TEXTS = ("reason", "sourceRefId")
"""What a change of a holding says about itself."""
MANY = 130
"""More rows than stores and clients usually put on a page."""
MORE = 990
"""As many as an export may list, with room for a few others (EXP-3)."""
AMOUNTS = sorted(
    {
        *(2**power + near for power in (7, 8, 15, 16, 24) for near in (-1, 0, 1)),
        *(10**power + near for power in range(1, 10) for near in (-1, 0)),
        *(1, 2, 2**31 - 2, 2**31 - 1),
    }
)
"""Around the limits of columns and formats."""
BATCHES = (20, 21, 51, 101, 251, 257, 501, 999, 1000)
"""One more than pages and chunks usually hold, and the most that an import takes."""

T = TypeVar("T")


class Share(Protocol):
    """Takes one of so many parts of a list."""

    def __call__(self, items: Sequence[T], parts: int) -> Sequence[T]:
        """One of so many parts."""


@pytest.fixture
def oracle(api: Api, given: Given) -> Oracle:
    """Judges what this test does."""
    return Oracle(api, given)


@pytest.fixture
def share(run: Run) -> Share:
    """One of so many parts, which the run's seed chooses; all in a thorough run."""
    is_whole = PROFILES[run.profile].histories > 1

    def part(items: Sequence[T], parts: int) -> Sequence[T]:
        return items if is_whole else items[run.seed % parts :: parts]

    return part


@pytest.fixture
def many(run: Run) -> int:
    """How many grants make many: in a thorough run more than any page has."""
    return MANY if PROFILES[run.profile].histories == 1 else MORE


# Values: two strings that differ are two, wherever a caller chooses one.


@requirement("HTTP-4")
@pytest.mark.parametrize("name", list(PLANS))
def test_players_whose_ids_look_alike_are_two(
    name: str, api: Api, given: Given, recorder: Recorder, share: Share
) -> None:
    plan, parts = PLANS[name]
    pairs = share(confusable(given.names.player()), parts)

    expect_two_players(plan, lambda: Oracle(api, given), pairs, recorder)


@requirement("GRANT-1", "GRANT-2", "GRANT-8")
def test_keys_of_grants_that_look_alike_are_two(oracle: Oracle, given: Given, share: Share) -> None:
    player, pairs = given.names.player(), confusable(given.names.key())
    bodies = {key: given.grant_body(idempotencyKey=key) for pair in pairs for key in pair}
    for body in bodies.values():
        oracle.create_grant(player, body)
    for one, _ in share(pairs, 4):
        oracle.create_grant(player, bodies[one])

    oracle.agree(player)


@requirement("LEDGER-1", "LEDGER-3", "LEDGER-11")
def test_keys_of_changes_that_look_alike_are_two(
    oracle: Oracle, given: Given, share: Share
) -> None:
    player, pairs = given.names.player(), confusable(given.names.key())
    for number, pair in enumerate(pairs):
        for key in pair:
            oracle.change(LEDGERS[number % 2], player, 2, key)
    for one, _ in share(pairs[::2], 4):
        oracle.change(LEDGERS[0], player, 2, one)

    oracle.agree(player)


@requirement("MIG-1", "MIG-2", "MIG-6", "MIG-7")
@pytest.mark.parametrize("kind", ["players", *LEDGERS])
def test_keys_of_imports_that_look_alike_are_two(kind: str, oracle: Oracle, given: Given) -> None:
    stem, pairs = given.names.player(), confusable(given.names.key())
    keys = [key for pair in pairs for key in pair]
    rows = [(f"{stem}-{n % 2}", key, 1) for n, key in enumerate(keys)]

    oracle.migrate(kind, rows)
    oracle.migrate(kind, rows)

    oracle.agree(f"{stem}-0", f"{stem}-1")


@requirement("LOBBY-1", "LOBBY-3")
def test_keys_of_lobbies_that_look_alike_are_two(
    oracle: Oracle, given: Given, share: Share
) -> None:
    player = given.names.player()
    for pair in share(confusable(given.names.key()), 2):
        for key in pair:
            oracle.create_lobby(key, [player], 4)

    oracle.agree(player)


@requirement("GRANT-1", "GRANT-3")
def test_metadata_that_looks_alike_is_another_body(oracle: Oracle, given: Given) -> None:
    player, pairs = given.names.player(), dict(confusable("t"))
    values = {str(n): one for n, one in enumerate(pairs)}
    body = given.grant_body(metadata={"values": values})
    oracle.create_grant(player, body)
    for number, other in enumerate(pairs.values()):
        changed = {**values, str(number): other}
        oracle.create_grant(player, {**body, "metadata": {"values": changed}})

    oracle.agree(player)


@requirement("GRANT-1", "GRANT-3")
def test_references_that_look_alike_are_two(oracle: Oracle, given: Given, share: Share) -> None:
    player = given.names.player()
    for one, other in share(confusable("t"), 2):
        body = given.grant_body(sourceRefId=one, metadata={one: 1})
        oracle.create_grant(player, body)
        oracle.create_grant(player, {**body, "sourceRefId": other})
        oracle.create_grant(player, {**body, "metadata": {other: 1}})

    oracle.agree(player)


@requirement("LEDGER-1", "LEDGER-4")
def test_texts_of_changes_that_look_alike_are_two(oracle: Oracle, given: Given, run: Run) -> None:
    player = given.names.player()
    for number, pair in enumerate(confusable("t"), run.seed % 4):
        ledger, key = LEDGERS[number % 2], given.names.key()
        for text in pair:
            oracle.change(ledger, player, 2, key, **{TEXTS[number % 4 // 2]: text})

    oracle.agree(player)


@requirement("BAN-1", "BAN-2")
def test_reasons_of_bans_come_back_as_they_were_sent(
    oracle: Oracle, given: Given, share: Share
) -> None:
    player = given.names.player()
    oracle.migrate("players", [(player, given.names.key(), 1)])
    for one, other in share(confusable("because "), 2):
        oracle.ban(player, one)
        oracle.ban(player, other)


# Structure: whatever value of a body is changed, it is another body.


@requirement("GRANT-3", "GRANT-2")
def test_metadata_that_differs_anywhere_is_another_body(oracle: Oracle, given: Given) -> None:
    player = given.names.player()
    metadata = {
        "text": "quest 7",
        "number": 12,
        "fraction": 0.5,
        "flag": True,
        "list": [1, 2, {"deep": ["a", "b"]}],
        "object": {"inner": {"most": {"level": 3}}},
    }
    body = given.grant_body(metadata=metadata)
    oracle.create_grant(player, body)
    for another in variations(metadata):
        oracle.create_grant(player, {**body, "metadata": another})
    oracle.agree(player)
    oracle.create_grant(player, json.loads(json.dumps(body)))

    oracle.agree(player)


@requirement("GRANT-3", "GRANT-2")
def test_entries_that_differ_anywhere_are_another_body(oracle: Oracle, given: Given) -> None:
    player, (entry,) = given.names.player(), given.entries()
    (amount,) = {"amount", "quantity"} & entry.keys()
    body = given.grant_body(entries=[{**entry, amount: 5}, {**entry, amount: 7}])
    oracle.create_grant(player, body)
    for amounts in [(5, 8), (6, 7), (7, 5), (5, 70), (12, 7), (5,), (7,), (5, 7, 1)]:
        entries = [{**entry, amount: each} for each in amounts]
        oracle.create_grant(player, {**body, "entries": entries})
    oracle.agree(player)
    oracle.create_grant(player, body)

    oracle.agree(player)


# Numbers and sizes: around the limits of columns, pages and chunks.


@requirement("LEDGER-1", "LEDGER-2", "LEDGER-11", "LEDGER-12")
@pytest.mark.parametrize("name", LEDGERS)
def test_every_amount_is_added_and_taken_exactly(name: str, oracle: Oracle, given: Given) -> None:
    player = given.names.player()
    for amount in (3, -1, -2, *AMOUNTS):
        oracle.change(name, player, amount)
    oracle.agree(player)
    for amount in AMOUNTS:
        oracle.change(name, player, -amount)
    oracle.change(name, player, -1)

    oracle.agree(player)


@requirement("MIG-1", "MIG-6", "MIG-7", "LEDGER-12")
@pytest.mark.parametrize("name", LEDGERS)
def test_every_amount_is_imported_exactly(name: str, oracle: Oracle, given: Given) -> None:
    stem, key = given.names.player(), given.names.key()
    rows = [(f"{stem}-{amount}", f"{key}-{amount}", amount) for amount in AMOUNTS]

    oracle.migrate(name, rows)

    oracle.agree(*(player for player, _, _ in rows))


@requirement("GRANT-1")
def test_every_amount_can_be_granted(given: Given, api: Api, player: str) -> None:
    (entry,) = given.entries()
    (amount,) = {"amount", "quantity"} & entry.keys()
    for start in range(0, len(AMOUNTS), 5):  # few at a time: a server may have a bound
        entries = [{**entry, amount: each} for each in AMOUNTS[start : start + 5]]
        body = given.grant_body(entries=entries)

        answer = api.create_grant(player, body)

        expect_status(answer, 201, because="every amount from 1 to 2^31-1 is valid")


@requirement("MIG-1", "MIG-2", "MIG-6", "MIG-7")
@pytest.mark.parametrize("kind", ["players", *LEDGERS])
@pytest.mark.parametrize("size", BATCHES)
def test_a_batch_of_any_size_is_imported_whole(
    size: int, kind: str, oracle: Oracle, given: Given
) -> None:
    stem, key = given.names.player(), given.names.key()
    rows = [(f"{stem}-{n % 2}", f"{key}-{n}", 1 + n % 3) for n in range(size - 1)]
    rows.append((f"{stem}-last", f"{key}-last", 9))

    oracle.migrate(kind, rows)
    oracle.migrate(kind, rows)

    oracle.agree(f"{stem}-0", f"{stem}-1", f"{stem}-last")


@requirement("MIG-1", "MIG-3")
@pytest.mark.parametrize("name", LEDGERS)
@pytest.mark.parametrize("size", [21, 101, 257, 1000])
def test_bad_rows_of_a_large_batch_are_told_by_their_index(
    size: int, name: str, given: Given
) -> None:
    batch, player, key = ImportBatch(name, given), given.player(), given.names.key()
    rows = [{**batch.row(player), "idempotencyKey": f"{key}-{n}"} for n in range(size)]
    bad = sorted({0, 1, size // 2, size - 2, size - 1, *range(0, size, 3)})
    for index in bad:
        rows[index][batch.words.key_field] = "kc-no-such-key"

    answer = batch.send(rows)

    expect_status(answer, 200, because="bad rows fail alone")
    good = size - len(bad)
    expected = {"applied": good, "skipped": 0, "failed": len(bad)}
    counted = {name: answer.data[name] for name in expected}
    expect_equal(counted, expected, "the counts")
    told = sorted(failure["rowIndex"] for failure in answer.data["failures"])
    expect_equal(told, bad, "the indices of the failures")
    expect_equal(batch.held(player), batch.amount * good, "the sum of the good rows")


def body_of_kind(given: Given, kind: str) -> dict[str, Any]:
    """A body of this kind: a server may want crates, and nothing else, in a grant of kind crate."""
    if kind != "crate":
        return given.grant_body(kind=kind)
    if not given.world.crates:
        return given.grant_body()
    entry = {"type": "crate", "crateItemKey": given.world.crates[0], "quantity": 1}
    return given.grant_body(kind=kind, entries=[entry])


@requirement("MERGE-1", "MERGE-3", "ACK-3", "DEL-2", "EXP-1", "GRANT-8", "PLAYER-2", "PLAYER-3")
def test_a_player_with_many_grants_is_merged_and_erased_whole(
    oracle: Oracle, given: Given, many: int
) -> None:
    source, target = given.names.player(), given.names.player()
    bodies = [body_of_kind(given, KINDS[number % 2]) for number in range(many)]
    grants = [oracle.create_grant(source, bodies[0])]
    oracle.agree(source)
    grants += [oracle.create_grant(source, body) for body in bodies[1:]]
    oracle.create_grant(target, given.grant_body())
    oracle.create_grant(source, bodies[0])
    oracle.expect_whole_export(source)
    for grant in (grants[0], grants[1], grants[-1]):
        oracle.ack(source, grant)

    oracle.merge(source, target)

    oracle.agree(source, target)
    for grant in (grants[2], grants[25], grants[-2]):
        oracle.ack(target, grant)
    for limit in (1, 2, 5):
        oracle.read_profile(target, limit)
    oracle.agree(target)
    oracle.erase(target)
    for grant in (grants[1], grants[25], grants[60], grants[-2]):
        oracle.ack(target, grant)
    oracle.agree(source, target)


@requirement("MERGE-4", "LOBBY-6", "LOBBY-8", "EXP-1", "PLAYER-2", "DEL-7")
def test_a_player_in_many_lobbies_is_merged_and_erased_whole(
    oracle: Oracle, given: Given, api: Api
) -> None:
    source, target, other = (given.names.player() for _ in range(3))
    keys = [given.names.key() for _ in range(MANY // 2 - 5)]
    made = [oracle.create_lobby(keys[0], [source, other], 4)]
    oracle.agree(source, other)
    made += [oracle.create_lobby(key, [source, other], 4) for key in keys[1:]]
    oracle.expect_whole_export(source)
    oracle.show(source)
    oracle.change("wallet", target, 1)

    oracle.merge(source, target)

    oracle.agree(source, target, other)
    oracle.show(target)
    oracle.erase(target)
    oracle.agree(source, target, other)
    texts = {id: api.get_lobby(id).response.body.decode("utf-8", "replace") for id in made[::9]}
    showing = [id for id, text in texts.items() if target in text]
    expect_none(showing, "lobbies that still show the erased id")


@requirement("LOBBY-6", "EXP-1")
def test_every_player_of_a_large_lobby_sits_in_it(given: Given, api: Api) -> None:
    roster = [given.names.player() for _ in range(MANY // 2)]
    body = given.lobby_body(roster, capacity=len(roster))
    answer = api.create_lobby(given.world.event("lobby_event"), body)
    assume(answer.status == 201, f"the server takes no lobby of {len(roster)}")

    missing = [player for player in roster if given.lobbies(player) != [answer.data["id"]]]
    expect_none(missing, "players whose export lacks the lobby")


# History: whatever happened to a player before, every operation keeps the contract.


@pytest.mark.requirement(*DECIDED_BY_SEQUENCES)
@pytest.mark.parametrize("first", list(EVENTS))
def test_every_operation_keeps_the_contract_after_any_history(
    first: str, api: Api, given: Given, recorder: Recorder, share: Share
) -> None:
    turns = enumerate(share(list(EVENTS), 2), list(EVENTS).index(first))
    for turn, then in turns:
        order = [(turn + group) % GROUPS for group in range(GROUPS)]
        for group in share(order, GROUPS):
            recorder.restart()
            expect_contract_kept(Oracle(api, given), (first, then), group)


# At once: one key in several simultaneous requests is used once, whatever else they hold.


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


@requirement("LEDGER-6", "GRANT-8", "LOBBY-6", "MERGE-2", "MERGE-3", "MERGE-4")
@pytest.mark.parametrize("pair", [pytest.param(pair, id="-".join(pair)) for pair in PAIRS])
def test_two_operations_at_once_lose_and_double_nothing(
    pair: tuple[str, str], given: Given, recorder: Recorder
) -> None:
    assume(possible(given, pair), "declare world.lobby_event in the target file")
    expect_nothing_lost(given, recorder, pair)


# Time: what is claimed stays claimed.


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


# Who asks: every way to be refused, on every operation.


@pytest.fixture
def wrong_tokens(run: Run) -> list[str]:
    """Tokens that no operation takes, each nearly right, and those of keys that must fail."""
    prefix, _, secret = run.target.token("server").partition(".")
    assume(len(secret) > 1, "the key has no secret behind a dot")
    shorter, longer = secret[:-1], secret + secret[-1]
    ends = [shorter, longer, with_another_end(secret), "", "0" * len(secret)]
    others = [run.target.keys[role] for role in ("client", "revoked") if role in run.target.keys]
    return [prefix, *(f"{prefix}.{end}" for end in ends), *others]


@requirement("AUTH-2")
def test_no_wrong_token_gets_through(
    operation: str, samples: Samples, api: Api, wrong_tokens: list[str]
) -> None:
    sample = samples.minimal(operation)

    statuses = [sample.call(api.with_token(token)).status for token in wrong_tokens]

    refused = set(statuses) <= {401, 403}
    expect_that(refused, "401 or 403 for each token, since none may call this", statuses)


@requirement("AUTH-4")
def test_no_wrong_token_changes_anything(
    operation: str, samples: Samples, given: Given, api: Api, wrong_tokens: list[str]
) -> None:
    sample = samples.of(operation)
    assume(bool(sample.players), f"{operation} is about no player")
    before = given.states(sample.players)

    for token in wrong_tokens:
        sample.call(api.with_token(token))

    expect_unchanged(before, given.states(sample.players), "what the players have")


@requirement("AUTH-2", "ERR-3")
def test_a_token_beyond_ascii_is_refused(operation: str, samples: Samples, api: Api) -> None:
    answer = samples.minimal(operation).call(api.with_token("kc_caf\u00e9.\u00fcber"))

    expect_status(answer, 400, 401, because="no key has such a token")


@requirement("AUTH-7", "LOBBY-9")
def test_a_lobby_is_not_found_in_another_game(
    given: Given, api: Api, other_game_api: Api, player: str
) -> None:
    lobby = given.lobby([player])["id"]
    here = given.game()
    there = other_game_api.ping().body["apiKey"]["gameId"]
    assume(there not in (None, here), "the other key has no game of its own")

    answers = [
        client.call("getLobby", path={"gameId": game, "lobbyId": lobby})
        for client, game in ((other_game_api, there), (other_game_api, here), (api, there))
    ]

    statuses = [answer.status for answer in answers]
    expect_that(set(statuses) <= {403, 404}, "403 or 404 for each read", statuses)

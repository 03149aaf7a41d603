"""Sizes: amounts, batches and lists around the limits of columns, pages and chunks."""

import json
from typing import Any

import pytest

from conformance.fuzzing.model import LEDGERS
from conformance.fuzzing.oracle import Oracle
from conformance.testkit import (
    SIGN,
    Answer,
    Api,
    Given,
    ImportBatch,
    Ledger,
    Share,
    assume,
    expect_equal,
    expect_none,
    expect_status,
    expect_success_or_refusal,
    expect_that,
    requirement,
)

pytestmark = pytest.mark.usefixtures("trusted_export")

KINDS = ("reward", "crate")
MOST = 1000
"""The most rows that a list of an export has (EXP-3), and more than chunks usually hold."""
MANY = 130
"""More lobbies than stores and clients usually put on a page."""
LIMITS = (1, 2, 5, 19, 20, 21, 50, 99, 100)
AMOUNTS = sorted(
    {
        *(2**power + near for power in (7, 8, 15, 16, 24) for near in (-1, 0, 1)),
        *(10**power + near for power in range(1, 10) for near in (-1, 0)),
        *(1, 2, 2**31 - 2, 2**31 - 1),
    }
)
"""Around the limits of columns and formats."""
BEYOND = (2**31, 2**32 + 5, 2**33 + 5, 2**53 - 1, 2**53 + 1, 2**63 + 5, 2**64 + 5, 10**30)
"""Amounts of which the contract says only that no number may be wrong (LEDGER-12)."""
BATCHES = (20, 21, 51, 101, 251, 257, 501, 999, 1000)
"""One more than pages and chunks usually hold, and the most that an import takes."""


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


@requirement("LEDGER-1", "LEDGER-2", "LEDGER-3", "LEDGER-4", "LEDGER-12")
@pytest.mark.parametrize("name", LEDGERS)
def test_a_replay_tells_a_holding_of_any_size(name: str, oracle: Oracle, given: Given) -> None:
    player, greatest = given.names.player(), 2**31 - 1
    for amount in (greatest, 2, greatest, 7, -greatest, greatest, greatest, -5):
        key = given.names.key()
        oracle.change(name, player, amount, key)
        oracle.change(name, player, amount, key)
        oracle.change(name, player, amount // 2, key)

    oracle.agree(player)


GREAT = (10**9 + 1, 10**12 + 1, 10**14 + 1, 10**15 + 1, 2**52 + 1)
"""More than the largest amount that a server has to take, and within the largest sum."""


@requirement("LEDGER-3", "LEDGER-12")
@pytest.mark.parametrize("amount", GREAT)
def test_a_replay_tells_a_great_holding(amount: int, ledger: Ledger, given: Given) -> None:
    key, player = given.names.key(), given.names.player()
    first = ledger.increment(player, amount, idempotencyKey=key)
    assume(first.status == 200, f"the server takes no amount of {amount}")

    replay = ledger.increment(player, amount, idempotencyKey=key)

    expect_status(replay, 200, because="the key was used with this body")
    expect_equal(ledger.holding(replay), amount, "the holding as after the first call")
    expect_equal(ledger.held(player), amount, "the holding in the export")


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

        answer = api.create_grant(player, given.grant_body(entries=entries))

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


@requirement("LEDGER-12")
@pytest.mark.parametrize("direction", SIGN)
def test_an_amount_beyond_all_bounds_is_exact_or_refused(direction: str, ledger: Ledger) -> None:
    for amount in BEYOND:
        player = ledger.filled(100)

        answer = ledger.change(direction, player, amount)

        done = answer.status == 200
        expect_that(done or 400 <= answer.status < 500, "a success or a refusal", answer.status)
        held = 100 + SIGN[direction] * amount * done
        expect_that(held >= 0, f"no success of a decrement of {amount} from 100", answer.status)
        expect_equal(ledger.held(player), held, f"the holding after {amount}, {answer.status}")


@requirement("MIG-1")
@pytest.mark.parametrize("name", LEDGERS)
@pytest.mark.parametrize("size", [21, 101, 257, 501, 1000])
def test_every_row_of_a_bad_batch_is_told(size: int, name: str, given: Given) -> None:
    batch, player, key = ImportBatch(name, given), given.player(), given.names.key()
    bad = {**batch.row(player), batch.words.key_field: "kc-no-such-key"}

    answer = batch.send([{**bad, "idempotencyKey": f"{key}-{n}"} for n in range(size)])

    expect_status(answer, 200, because="bad rows fail alone")
    told = sorted(failure["rowIndex"] for failure in answer.data["failures"])
    expect_equal(told, list(range(size)), "the indices of the failures")


def beyond(batch: ImportBatch, given: Given, amount: int) -> list[dict[str, Any]]:
    """Two rows of such an amount for one player."""
    row = {**batch.row(), batch.words.amount_field: amount}
    return [row, {**row, "idempotencyKey": given.names.key()}]


def applied(answer: Answer) -> int:
    """How many rows of a batch were applied; none where it was refused."""
    return int(answer.data["applied"]) if answer.status == 200 else 0


@requirement("LEDGER-12")
@pytest.mark.parametrize("name", LEDGERS)
@pytest.mark.parametrize("amount", BEYOND)
def test_an_import_beyond_all_bounds_is_exact_or_refused(
    amount: int, name: str, given: Given
) -> None:
    batch = ImportBatch(name, given)
    rows = beyond(batch, given, amount)

    answer = batch.send(rows)

    done = applied(answer)
    held = batch.held(rows[0]["externalPlayerId"])
    expect_equal(held, done * amount, f"the holding after {done} rows of {amount}")


@requirement("MIG-3")
@pytest.mark.parametrize("name", LEDGERS)
@pytest.mark.parametrize("amount", BEYOND)
def test_a_row_beyond_all_bounds_fails_alone(amount: int, name: str, given: Given) -> None:
    batch = ImportBatch(name, given)
    good = batch.row()

    answer = batch.send([*beyond(batch, given, amount), good])

    done = answer.status == 200
    held = batch.held(good["externalPlayerId"])
    expect_equal(held, done * batch.amount, f"the holding of a good row, status {answer.status}")


@requirement("MIG-1", "MIG-7", "LEDGER-8", "LEDGER-11")
@pytest.mark.parametrize("name", LEDGERS)
def test_a_batch_of_several_players_and_keys_is_sorted_out(
    name: str, oracle: Oracle, given: Given
) -> None:
    ledger, stem, key = Ledger(name, given), given.names.player(), given.names.key()
    rows = [(f"{stem}-{n % 3}", f"{key}-{n}", 1 + n) for n in range(24)]

    oracle.migrate(name, rows, [ledger.key, ledger.other_key])
    oracle.migrate(name, rows[::-1], [ledger.other_key, ledger.key])

    oracle.agree(*(f"{stem}-{n}" for n in range(3)))


def body_of_kind(given: Given, kind: str) -> dict[str, Any]:
    """A body of this kind: a server may want crates, and nothing else, in a grant of kind crate."""
    if kind != "crate":
        return given.grant_body(kind=kind)
    if not given.world.crates:
        return given.grant_body()
    entry = {"type": "crate", "crateItemKey": given.world.crates[0], "quantity": 1}
    return given.grant_body(kind=kind, entries=[entry])


@requirement("GRANT-2", "GRANT-8", "MERGE-1", "MERGE-3", "ACK-1", "ACK-3", "DEL-2")
@requirement("EXP-1", "EXP-3", "PLAYER-2", "PLAYER-3")
def test_a_player_with_a_thousand_grants_is_merged_and_erased_whole(
    oracle: Oracle, given: Given, api: Api
) -> None:
    source, target = given.names.player(), given.names.player()
    bodies = [body_of_kind(given, KINDS[number % 2]) for number in range(MOST - 1)]
    grants = [oracle.create_grant(source, bodies[0])]
    oracle.agree(source)
    grants += oracle.create_grants(source, bodies[1:])
    oracle.create_grant(target, given.grant_body())
    for body in (bodies[0], bodies[1], bodies[-1]):
        oracle.create_grant(source, body)
    oracle.expect_whole_export(source)
    for grant in (grants[0], grants[1], grants[-1]):
        oracle.ack(source, grant)
    for limit in LIMITS:
        oracle.read_profile(source, limit)

    oracle.merge(source, target)

    oracle.agree(source, target)
    for grant in (grants[2], grants[25], grants[MOST // 2], grants[-2]):
        oracle.ack(target, grant)
    oracle.agree(target)
    oracle.create_grant(target, given.grant_body())
    with oracle.blaming("EXP-3"):
        rows = len(given.export(target)["grants"])
        expect_that(rows <= MOST, f"at most {MOST} grants in the export", f"{rows} grants")
    oracle.erase(target)
    for grant in (grants[1], grants[25], grants[60], grants[-2]):
        oracle.ack(target, grant)
    with oracle.blaming("DEL-2"):
        expect_status(api.export_player(target), 404, because="the player was erased")


@requirement("LEDGER-3", "LEDGER-4")
def test_a_key_is_remembered_after_a_thousand_others(
    oracle: Oracle, given: Given, share: Share
) -> None:
    for name in share(LEDGERS, 2):
        player, key, stem = given.names.player(), given.names.key(), given.names.key()
        oracle.change(name, player, 7, key)

        oracle.change_often(name, player, [f"{stem}-{number}" for number in range(MOST + 1)])

        oracle.change(name, player, 7, key)
        oracle.change(name, player, 8, key)
        oracle.agree(player)


@requirement("MERGE-4", "LOBBY-6", "LOBBY-8", "EXP-1", "PLAYER-2", "DEL-7")
def test_a_player_in_many_lobbies_is_merged_and_erased_whole(oracle: Oracle, given: Given) -> None:
    source, target, other = (given.names.player() for _ in range(3))
    keys = [given.names.key() for _ in range(MANY)]
    oracle.create_lobby(keys[0], [source, other], 4)
    oracle.agree(source, other)
    oracle.create_lobbies(keys[1:], [source, other], 4)
    oracle.expect_whole_export(source)
    for limit in LIMITS:
        oracle.read_profile(source, limit)
    oracle.change("wallet", target, 1)

    oracle.merge(source, target)

    oracle.agree(source, target, other)
    oracle.erase(target)
    oracle.agree(source, target, other)
    for lobby in list(oracle.model.created_lobbies)[::9]:
        oracle.read_lobby(lobby)
    oracle.agree(source, target, other)


@requirement("LOBBY-6", "EXP-1")
def test_every_player_of_a_large_lobby_sits_in_it(given: Given, api: Api) -> None:
    roster = [given.names.player() for _ in range(MANY)]
    body = given.lobby_body(roster, capacity=len(roster))
    answer = api.create_lobby(given.world.event("lobby_event"), body)
    assume(answer.status == 201, f"the server takes no lobby of {len(roster)}")

    looked_at = sorted({*roster[::7], *roster[-2:]})
    missing = [player for player in looked_at if given.lobbies(player) != [answer.data["id"]]]
    expect_none(missing, "players whose export lacks the lobby")


@requirement("LOBBY-1")
@pytest.mark.parametrize("capacity", [1, 2, 100, 127, 128, 255, 256, 1000, 32_768, 65_536])
def test_any_capacity_is_kept_or_refused(capacity: int, given: Given, api: Api) -> None:
    event, roster = given.world.event("lobby_event"), [given.names.player()]
    body = given.lobby_body(roster, capacity=capacity, fillBots=False)

    answer = api.create_lobby(event, body)

    because = "the event may have fewer seats"
    expect_success_or_refusal(answer, 201, 400, 409, because=because, capacity=capacity)


@requirement("GRANT-1.contents")
@pytest.mark.parametrize("size", [2, 10, 64, 101, 257])
def test_any_number_of_entries_is_kept_or_refused(
    size: int, given: Given, api: Api, player: str
) -> None:
    (entry,) = given.entries()
    amount = next(iter({"amount", "quantity"} & entry.keys()))
    entries = [{**entry, amount: 1 + number} for number in range(size)]

    answer = api.create_grant(player, given.grant_body(entries=entries))

    expect_status(answer, 201, 400, 413, because="a server may bound the entries of a grant")
    kept = json.dumps(answer.body).count(f'"{amount}"')
    expect_that(answer.status != 201 or kept == size, f"{size} entries in the contents", kept)

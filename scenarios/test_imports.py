"""MIG: bulk imports, in which an invalid row fails alone."""

from collections.abc import Mapping
from typing import Any

import pytest

from conformance.testkit import (
    ROUNDS,
    SIMULTANEOUS,
    Answer,
    Api,
    Given,
    ImportBatch,
    Ledger,
    Samples,
    assume,
    expect_equal,
    expect_fields,
    expect_status,
    expect_success_or_refusal,
    expect_that,
    expect_unchanged,
    expect_unknown,
    needed,
    requirement,
)

MAX_ROWS = 1000
BAD = ("unknown key", "zero", "negative", "no amount", "no key")
"""What may be wrong with a row of a balance or of an item."""


def expect_counts(answer: Answer, applied: int, skipped: int = 0, failed: int = 0) -> None:
    """The batch gets 200 with these counts of rows."""
    expect_status(answer, 200, because="the batch is well-formed")
    expect_fields(answer.data, applied=applied, skipped=skipped, failed=failed)


@requirement("MIG-1")
def test_the_counts_add_up_and_failures_name_their_rows(batch: ImportBatch) -> None:
    done = batch.row()
    batch.send([done])

    answer = batch.send([batch.row(), batch.broken(), done, batch.row(), batch.broken()])

    expect_counts(answer, applied=2, skipped=1, failed=2)
    failures = answer.data["failures"]
    expect_equal(sorted(row["rowIndex"] for row in failures), [1, 4], "the rows that failed")
    codes = [row["error"]["code"] for row in failures]
    expect_that(
        all(isinstance(code, str) and code for code in codes),
        "an error code for each failed row",
        codes,
    )


@requirement("MIG-1")
def test_each_failed_row_of_one_player_is_named(batch: ImportBatch, player: str) -> None:
    broken = [{**batch.broken(), "externalPlayerId": player} for _ in range(3)]

    answer = batch.send([batch.row(player), *broken])

    expect_counts(answer, applied=1, failed=3)
    named = sorted(row["rowIndex"] for row in answer.data["failures"])
    expect_equal(named, [1, 2, 3], "the rows that failed")


@requirement("MIG-1")
def test_a_good_batch_has_no_failures(batch: ImportBatch) -> None:
    answer = batch.send([batch.row() for _ in range(3)])

    expect_counts(answer, applied=3)
    expect_equal(answer.data["failures"], [], "the failures")


@requirement("MIG-2")
def test_a_replayed_batch_is_skipped(batch: ImportBatch, given: Given) -> None:
    rows = [batch.row() for _ in range(3)]
    needed(batch.send(rows), "MIG-1", "a first batch")
    players = [row["externalPlayerId"] for row in rows]
    before = given.states(players)

    replay = batch.send(rows)

    expect_counts(replay, applied=0, skipped=3)
    expect_unchanged(before, given.states(players), "the players after the replay")


@requirement("MIG-2")
def test_a_replay_in_another_order_is_skipped(batch: ImportBatch, given: Given) -> None:
    rows = [batch.row() for _ in range(3)]
    needed(batch.send(rows), "MIG-1", "a first batch")
    players = [row["externalPlayerId"] for row in rows]
    before = given.states(players)

    replay = batch.send([rows[2], batch.row(), rows[0], rows[1]])

    expect_counts(replay, applied=1, skipped=3)
    expect_unchanged(before, given.states(players), "the players after the replay")


@requirement("MIG-2")
def test_a_used_key_for_another_player_is_never_applied(batch: ImportBatch, given: Given) -> None:
    row = batch.row()
    needed(batch.send([row]), "MIG-1", "a first batch")
    other = given.names.player()

    answer = batch.send([{**row, "externalPlayerId": other}])

    expect_fields(answer.data, applied=0)
    expect_equal(given.holdings(other), ({}, {}), "the holdings of the player of the used key")


@requirement("MIG-2")
def test_a_used_key_with_another_amount_changes_no_holding(ledger_batch: ImportBatch) -> None:
    row = ledger_batch.row()
    needed(ledger_batch.send([row]), "MIG-1", "a first batch")

    answer = ledger_batch.send([{**row, ledger_batch.words.amount_field: 1000}])

    expect_fields(answer.data, applied=0)
    held = ledger_batch.held(row["externalPlayerId"])
    expect_equal(held, ledger_batch.amount, "the holding")


@requirement("MIG-2")
def test_a_used_key_with_another_snapshot_changes_nothing(given: Given) -> None:
    players = ImportBatch("players", given)
    row = {**players.row(), "contextSnapshot": {"level": 1}}
    needed(players.send([row]), "MIG-1", "a first batch")
    before = given.state(row["externalPlayerId"])

    answer = players.send([{**row, "contextSnapshot": {"level": 2}}])

    expect_fields(answer.data, applied=0)
    expect_unchanged(before, given.state(row["externalPlayerId"]), "the player")


@requirement("MIG-3")
@pytest.mark.parametrize("fault", BAD)
def test_a_bad_row_fails_alone(fault: str, ledger_batch: ImportBatch, given: Given) -> None:
    good = [ledger_batch.row(), ledger_batch.row()]
    bad = ledger_batch.broken(fault)

    answer = ledger_batch.send([good[0], bad, good[1]])

    expect_counts(answer, applied=2, failed=1)
    expect_equal([row["rowIndex"] for row in answer.data["failures"]], [1], "the row that failed")
    held = [ledger_batch.held(row["externalPlayerId"]) for row in good]
    expect_equal(held, [ledger_batch.amount] * 2, "the holdings of the good rows")
    holdings = given.holdings(bad["externalPlayerId"])
    expect_equal(holdings, ({}, {}), "the holdings of the bad row's player")


@requirement("MIG-3")
@pytest.mark.parametrize("field", ["externalPlayerId", "idempotencyKey"])
def test_a_row_without_a_field_fails_alone(field: str, batch: ImportBatch) -> None:
    good, bad = batch.row(), batch.row()
    del bad[field]

    answer = batch.send([bad, good])

    expect_counts(answer, applied=1, failed=1)
    expect_equal([row["rowIndex"] for row in answer.data["failures"]], [0], "the row that failed")
    expect_that(batch.has(good), "the good row to be applied", "a state without it")


@requirement("MIG-3")
@pytest.mark.parametrize("row", [None, 7, "row", []], ids=str)
def test_a_row_of_a_wrong_type_fails_alone_or_refuses_the_batch(
    row: Any, batch: ImportBatch
) -> None:
    good = batch.row()

    answer = batch.send([good, row])

    expect_status(
        answer, 200, 400, because="a row of a wrong type fails alone or refuses the batch"
    )
    what = f"whether the batch with status {answer.status} applied its good row"
    expect_equal(batch.has(good), answer.status == 200, what)


@requirement("MIG-3")
@pytest.mark.parametrize("amount", ["5", 1.5, True, [5], {}], ids=str)
def test_an_amount_of_a_wrong_type_is_never_applied(
    amount: Any, ledger_batch: ImportBatch, given: Given
) -> None:
    bad = {**ledger_batch.row(), ledger_batch.words.amount_field: amount}

    answer = ledger_batch.send([bad])

    because = "a row of a wrong type fails alone or refuses the batch"
    expect_success_or_refusal(answer, 200, 400, because=because, applied=0, failed=1)
    holdings = given.holdings(bad["externalPlayerId"])
    expect_equal(holdings, ({}, {}), "the holdings of the bad row's player")


WRONG_TYPES: dict[str, tuple[Any, ...]] = {
    "externalPlayerId": (7, True, {"id": "ada"}, []),
    "idempotencyKey": (7, False, {}, ["key"]),
    "economyKey": (7, {}, ["gold"]),
    "itemKey": (7, {}, ["sword"]),
    "reason": (7, {"text": "moved"}, ["moved"]),
    "parameters": (7, "red", ["red"]),
    "contextSnapshot": (7, "level 7", [7]),
}
"""For each field of a row, values of types that its schema does not have."""


@requirement("MIG-3")
@pytest.mark.parametrize("field", list(WRONG_TYPES))
def test_a_field_of_a_wrong_type_is_never_applied(field: str, batch: ImportBatch, api: Api) -> None:
    schema = row_schema(api, batch.operation)
    assume(field in schema["properties"], f"the rows of the {batch.name} import have no {field}")
    good = batch.row()

    for value in WRONG_TYPES[field]:
        answer = batch.send([{**batch.row(), field: value}])

        because = "a row of a wrong type fails alone or refuses the batch"
        expect_success_or_refusal(answer, 200, 400, because=because, applied=0, failed=1)
    expect_counts(batch.send([good]), applied=1)


def row_schema(api: Api, operation: str) -> Mapping[str, Any]:
    """The documented schema of a row."""
    known = api.channel.spec.operation(operation)
    body = known.schemas.resolve(known.body_schema or {})
    return known.schemas.resolve(body["properties"]["rows"]["items"])


@requirement("MIG-3")
@pytest.mark.parametrize("fault", BAD)
def test_a_bad_row_leaves_its_key_free(fault: str, ledger_batch: ImportBatch) -> None:
    bad = ledger_batch.broken(fault)
    needed(ledger_batch.send([bad]), "MIG-1", "a batch with a bad row")

    fixed = {**ledger_batch.row(bad["externalPlayerId"]), "idempotencyKey": bad["idempotencyKey"]}
    answer = ledger_batch.send([fixed])

    expect_counts(answer, applied=1)
    held = ledger_batch.held(bad["externalPlayerId"])
    expect_equal(held, ledger_batch.amount, "the holding")


@requirement("MIG-3", "MIG-5")
@pytest.mark.parametrize("fault", BAD)
def test_a_bad_row_leaves_its_key_to_another_row(fault: str, ledger_batch: ImportBatch) -> None:
    good = ledger_batch.row()
    bad = {**ledger_batch.broken(fault), "idempotencyKey": good["idempotencyKey"]}

    answer = ledger_batch.send([bad, good])

    expect_counts(answer, applied=1, failed=1)
    expect_equal([row["rowIndex"] for row in answer.data["failures"]], [0], "the row that failed")
    expect_that(ledger_batch.has(good), "the good row to be applied", "a state without it")


@requirement("MIG-4")
def test_a_batch_of_1000_rows_is_taken(batch: ImportBatch, given: Given) -> None:
    player = given.player()

    answer = batch.send([batch.row(player) for _ in range(MAX_ROWS)])

    expect_status(answer, 200, because="a batch may have 1000 rows")
    taken = answer.data["applied"] + answer.data["skipped"]
    expect_equal(taken, MAX_ROWS, "the rows that were applied or skipped")


@requirement("MIG-4")
def test_all_of_1000_rows_are_added(ledger_batch: ImportBatch, given: Given) -> None:
    player = given.player()

    expect_counts(
        ledger_batch.send([ledger_batch.row(player) for _ in range(MAX_ROWS)]), applied=MAX_ROWS
    )

    expect_equal(ledger_batch.held(player), MAX_ROWS * ledger_batch.amount, "the holding")


@requirement("MIG-4")
def test_a_batch_of_1001_rows_is_refused_whole(
    batch: ImportBatch, given: Given, player: str
) -> None:
    rows = [batch.row(player) for _ in range(MAX_ROWS + 1)]

    answer = batch.send(rows)

    expect_status(answer, 400, because="a batch has at most 1000 rows")
    expect_unknown(given.state(player), "the player of the refused batch")
    expect_fields(batch.send(rows[1:]).data, applied=MAX_ROWS, skipped=0, failed=0)


@requirement("MIG-5")
def test_a_key_twice_in_a_batch_applies_once(batch: ImportBatch) -> None:
    row = batch.row()

    answer = batch.send([row, row])

    expect_status(answer, 200, because="the batch is well-formed")
    expect_fields(answer.data, applied=1)


@requirement("MIG-5")
def test_a_key_twice_in_a_batch_adds_once(ledger_batch: ImportBatch) -> None:
    row = ledger_batch.row()

    ledger_batch.send([row, ledger_batch.row(), row])

    held = ledger_batch.held(row["externalPlayerId"])
    expect_equal(held, ledger_batch.amount, "the holding")


@requirement("MIG-6")
def test_an_import_creates_its_players(batch: ImportBatch, api: Api, player: str) -> None:
    expect_counts(batch.send([batch.row(player)]), applied=1)

    answer = api.export_player(player)

    expect_status(answer, 200, because="the import created the player")
    expect_equal(answer.data["player"]["externalPlayerId"], player, "the player's id")


@requirement("MIG-6")
def test_the_players_import_may_come_last(
    ledger_batch: ImportBatch, given: Given, player: str
) -> None:
    ledger_batch.send([ledger_batch.row(player)])
    before = given.export(player)["player"]["id"]

    players = ImportBatch("players", given)
    expect_fields(players.send([players.row(player)]).data, failed=0)

    expect_equal(given.export(player)["player"]["id"], before, "the player's id")
    expect_equal(ledger_batch.held(player), ledger_batch.amount, "the holding")


@requirement("MIG-7")
def test_rows_add_to_what_is_held(ledger_batch: ImportBatch, given: Given) -> None:
    player = Ledger(ledger_batch.name, given).filled(100)

    expect_counts(
        ledger_batch.send([ledger_batch.row(player), ledger_batch.row(player)]), applied=2
    )

    expect_equal(ledger_batch.held(player), 100 + 2 * ledger_batch.amount, "the holding")


@requirement("MIG-8")
@pytest.mark.parametrize(
    "body", [{}, {"rows": None}, {"rows": {}}, {"rows": "x"}, {"rows": 7}], ids=str
)
def test_a_body_without_a_list_of_rows_gets_400(body: dict[str, Any], batch: ImportBatch) -> None:
    expect_status(batch.post(body), 400, because="rows must be a list")


@requirement("MIG-9")
@pytest.mark.parametrize(
    "snapshot",
    [
        {"level": 12},
        {"a": {"b": [1, None, "\u00e9"]}},
        {},
        {"a": {}, "b": [], "c": [{}]},
        {"a.b": 1, "$set": {"c": 2}, "d e": 3, "__proto__": 4, "\U0001f409": 5},
        {"most": 2**53 - 1, "least": -(2**53) + 1, "part": 0.1, "none": None, "yes": True},
        {"text": "x" * 190, "list": [[[[[[]]]]]], "digits": "007", "date": "2026-01-01"},
    ],
)
def test_a_snapshot_shows_in_the_export(
    snapshot: dict[str, Any], given: Given, player: str
) -> None:
    players = ImportBatch("players", given)
    players.send([{**players.row(player), "contextSnapshot": snapshot}])

    expect_equal(
        given.export(player)["player"]["lastContextSnapshot"], snapshot, "lastContextSnapshot"
    )


@requirement("MIG-9")
@pytest.mark.parametrize("before", ["createGrant", "creditWallet", "banPlayer", "unbanPlayer"])
def test_a_snapshot_of_a_known_player_shows_in_the_export(
    before: str, samples: Samples, given: Given
) -> None:
    sample, players = samples.of(before), ImportBatch("players", given)
    sample.call(given.api)
    (player,) = sample.players

    players.send([{**players.row(player), "contextSnapshot": {"level": 12}}])

    shown = given.export(player)["player"]["lastContextSnapshot"]
    expect_equal(shown, {"level": 12}, f"lastContextSnapshot of a player after {before}")


@requirement("MIG-2")
def test_a_replay_brings_no_earlier_snapshot_back(given: Given, player: str) -> None:
    players = ImportBatch("players", given)
    rows = [{**players.row(player), "contextSnapshot": {"level": n, f"a{n}": n}} for n in range(4)]
    players.send(rows[:1])
    players.send(rows[1:])
    before = given.state(player)

    players.send(rows[:2])

    expect_unchanged(before, given.state(player), "the player after the replay")


@requirement("MIG-10")
def test_simultaneous_batches_apply_once(batch: ImportBatch, api: Api) -> None:
    for _ in range(ROUNDS):
        rows = [batch.row() for _ in range(3)]
        request = api.request(batch.operation, {"rows": rows})

        answers = api.send_simultaneously([request] * SIMULTANEOUS)

        expect_equal({a.status for a in answers}, {200}, "the statuses of identical batches")
        applied = sum(answer.data["applied"] for answer in answers)
        expect_equal(applied, 3, "the rows that all batches applied")
        expect_equal([batch.has(row) for row in rows], [True] * 3, "whether each row was applied")


@requirement("MIG-10")
def test_simultaneous_batches_add_once(ledger_batch: ImportBatch, api: Api) -> None:
    for _ in range(ROUNDS):
        row = ledger_batch.row()
        request = api.request(ledger_batch.operation, {"rows": [row]})

        api.send_simultaneously([request] * SIMULTANEOUS)

        held = ledger_batch.held(row["externalPlayerId"])
        expect_equal(held, ledger_batch.amount, "the holding")

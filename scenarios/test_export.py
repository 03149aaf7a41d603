"""EXP: an export shows everything about one player, and nothing else."""

import pytest

from conformance.testkit import (
    GRANT_FIELDS,
    Api,
    Given,
    Ledger,
    Run,
    Samples,
    expect_equal,
    expect_fields,
    expect_instant,
    expect_none,
    expect_status,
    expect_that,
    expect_unchanged,
    harmless,
    ids,
    mention,
    requirement,
    state_of,
)

PLAYER_FIELDS = ("id", "externalPlayerId", "studioId", "gameId", "registeredAt", "deletedAt")


@pytest.fixture
def check_export() -> None:
    """Turns off the check of the export beforehand: these scenarios test it."""


@requirement("EXP-1")
def test_an_export_tells_who_the_player_is(given: Given, run: Run) -> None:
    player = given.player()

    export = given.export(player)

    expect_equal(export["schemaVersion"], 1, "schemaVersion")
    expect_fields(export["player"], externalPlayerId=player, deletedAt=None, **tenant(run))


def tenant(run: Run) -> dict[str, str]:
    """The game and the studio of the key, if /ping names them."""
    named = {"gameId": run.identity.game_id, "studioId": run.identity.studio_id}
    return {name: value for name, value in named.items() if value is not None}


@requirement("EXP-1")
def test_an_export_of_a_new_player_is_empty(given: Given) -> None:
    state = given.state(given.player()) or {}

    expect_fields(state, grants=[], lobbies=[], wallet={}, inventory={})


@requirement("EXP-1")
def test_an_export_tells_every_grant(given: Given, player: str) -> None:
    grants = [given.grant(player) for _ in range(3)]
    acked = given.acked(player, grants[1]["id"])

    exported = {grant["id"]: grant for grant in given.export(player)["grants"]}

    expect_equal(sorted(exported), ids(grants), "the grants")
    for grant in (grants[0], acked, grants[2]):
        listed = exported[grant["id"]]
        same = {name: grant[name] for name in ("id", "status") if name in listed}
        expect_fields(listed, **same)


@requirement("EXP-1")
@pytest.mark.parametrize("source", ["api", "admin"])
@pytest.mark.parametrize("kind", ["reward", "crate"])
def test_an_export_tells_a_grant_as_it_was_created(
    kind: str, source: str, samples: Samples, given: Given, player: str
) -> None:
    full = samples.full("createGrant").body or {}
    entry = {"type": "crate", "crateItemKey": given.world.some("crates")[0], "quantity": 1}
    body = {**full, "entries": [entry], "kind": kind, "sourceKind": source}
    grant = given.grant(player, body)

    (row,) = given.export(player)["grants"]

    told = {name: grant[name] for name in GRANT_FIELDS if name in row and name in grant}
    expect_instant(row.get("expiresAt", body["expiresAt"]), body["expiresAt"], "expiresAt")
    instants = ("expiresAt", "createdAt")  # whose spelling may differ
    expect_fields(row, **{name: told[name] for name in told if name not in instants})


@requirement("EXP-1")
def test_an_export_tells_the_status_of_a_lobby(given: Given, api: Api, player: str) -> None:
    lobby = str(given.lobby([player], capacity=4)["id"])

    before, (row,), after = (
        api.get_lobby(lobby),
        given.export(player)["lobbies"],
        api.get_lobby(lobby),
    )

    seen = {before.data["status"], after.data["status"]}
    expect_that(row.get("status") in {*seen, None}, f"a status as its read has it: {seen}", row)


@requirement("EXP-1")
def test_an_export_names_the_game_of_the_key(given: Given, api: Api, player: str) -> None:
    given.grant(player)
    key = api.ping().body["apiKey"]

    told = given.export(player)["player"]

    expect_fields(told, **{name: key[name] for name in ("studioId", "gameId") if key[name]})


@requirement("EXP-1")
def test_an_export_tells_every_holding(given: Given, player: str) -> None:
    wallet, inventory = Ledger("wallet", given), Ledger("inventory", given)
    wallet.fill(player, 50)
    wallet.fill(player, 8, wallet.other_key)
    inventory.fill(player, 3)
    inventory.decrement(player, 1)

    held = given.holdings(player)

    expect_equal(held[0], {wallet.key: 50, wallet.other_key: 8}, "the wallet")
    expect_equal(held[1], {inventory.key: 2}, "the inventory")


@requirement("EXP-1")
def test_an_export_tells_every_lobby(given: Given, player: str) -> None:
    lobbies = [given.lobby([player]) for _ in range(2)]

    expect_equal(given.lobbies(player), ids(lobbies), "the lobbies")


@harmless
@requirement("EXP-2")
def test_the_export_of_an_unknown_player_gets_404(api: Api, player: str) -> None:
    expect_status(api.export_player(player), 404, because="the player is unknown")


@requirement("EXP-4")
def test_an_export_changes_nothing(ledger: Ledger, given: Given) -> None:
    player = ledger.filled(9)
    given.grant(player)

    first, second = given.export(player), given.export(player)

    expect_unchanged(state_of(first), state_of(second), "what the second export shows")
    expect_fields(second["player"], **{name: first["player"][name] for name in PLAYER_FIELDS})


@requirement("EXP-4")
def test_an_export_shows_no_other_player(given: Given, api: Api, player: str) -> None:
    other = given.names.player()
    grant = given.grant(other)["id"]
    id = given.export(other)["player"]["id"]
    own = given.grant(player)["id"]

    export = api.export_player(player).data

    # A player and a grant may share an id: tables count from 1.
    foreign = {other, grant, id} - {own, export["player"]["id"]}
    shown = [text for text in sorted(foreign) if mention(export, text) is not None]
    expect_none(shown, "ids of another player or their grant in the export")


@requirement("EXP-4")
def test_an_export_shows_no_companion_of_a_lobby(given: Given, api: Api, player: str) -> None:
    other = given.names.player()
    given.lobby([player, other])

    body = api.export_player(player).response.body.decode("utf-8", "replace")

    expect_that(other not in body, "no id of another player in the lobby", f"{other} in the body")

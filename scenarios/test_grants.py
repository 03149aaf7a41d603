"""GRANT: grants, of which each idempotency key creates one."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from conformance.testkit import (
    ROUNDS,
    SIMULTANEOUS,
    Api,
    Given,
    Samples,
    assume,
    expect_code,
    expect_equal,
    expect_fields,
    expect_instant,
    expect_none,
    expect_status,
    expect_success_or_refusal,
    expect_that,
    expect_unchanged,
    expect_unknown,
    ids,
    is_same_instant,
    mention,
    needed,
    requirement,
    row_of,
)

Body = dict[str, Any]


def in_days(days: int) -> str:
    """The date-time so many days from now."""
    moment = datetime.now(UTC) + timedelta(days=days)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


AMOUNT_FIELD = {"currency": "amount", "item": "quantity", "crate": "quantity"}
WORLD_LIST = {
    "currency": ("currencies", "currencyKey"),
    "item": ("items", "itemKey"),
    "crate": ("crates", "crateItemKey"),
}


def entry_of(kind: str, given: Given) -> Body:
    """A valid entry of this type; NotExercised if the target declares nothing for it."""
    world_list, field = WORLD_LIST[kind]
    return {"type": kind, field: given.world.some(world_list)[0], AMOUNT_FIELD[kind]: 1}


@requirement("GRANT-1")
@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        pytest.param({}, {"kind": "reward"}, id="bare"),
        pytest.param({"kind": "reward"}, {"kind": "reward"}, id="kind"),
        pytest.param({"sourceRefId": "order-1"}, {"sourceRefId": "order-1"}, id="sourceRefId"),
    ],
)
def test_a_new_key_makes_a_pending_grant(
    fields: Body, shown: Body, given: Given, api: Api, player: str
) -> None:
    answer = api.create_grant(player, given.grant_body(**fields))

    expect_status(answer, 201, because="the key is new")
    expect_fields(answer.data, status="pending", claimedAt=None, **shown)


@requirement("GRANT-1")
@pytest.mark.parametrize(
    "fields",
    [
        {"sourceKind": "api"},
        {"sourceKind": "admin"},
        {"metadata": {"note": "thanks"}},
        {"expiresAt": in_days(3)},
    ],
    ids=["sourceKind api", "sourceKind admin", "metadata", "expiresAt"],
)
def test_an_optional_field_is_accepted(fields: Body, given: Given, api: Api, player: str) -> None:
    answer = api.create_grant(player, given.grant_body(**fields))

    expect_status(answer, 201, because="the key is new, and the field is documented")
    expect_fields(answer.data, status="pending", claimedAt=None, kind="reward")


@requirement("GRANT-1")
def test_a_crate_is_a_grant_of_its_kind(given: Given, api: Api, player: str) -> None:
    body = given.grant_body(kind="crate", entries=[entry_of("crate", given)])

    answer = api.create_grant(player, body)

    expect_status(answer, 201, because="the key is new")
    expect_fields(answer.data, status="pending", kind="crate")


@requirement("GRANT-1")
@pytest.mark.parametrize("entry", ["currency", "item", "crate"])
def test_without_a_kind_a_grant_is_a_reward(
    entry: str, given: Given, api: Api, player: str
) -> None:
    answer = api.create_grant(player, given.grant_body(entries=[entry_of(entry, given)]))

    expect_status(answer, 201, because="the key is new")
    expect_fields(answer.data, kind="reward")


@requirement("GRANT-1")
def test_a_grant_has_nothing_of_the_one_before(samples: Samples, given: Given, api: Api) -> None:
    before = samples.full("createGrant")
    optional = before.body or {}
    expect_status(before.call(api), 201, because="the key is new")

    created = api.create_grant(before.players[0], given.grant_body())

    expect_status(created, 201, because="the key is new")
    shown = {name: created.data.get(name) for name in ("sourceRefId", "expiresAt")}
    kept = [
        name
        for name, value in shown.items()
        if value == optional[name] or is_same_instant(value, optional[name])
    ]
    expect_none(kept, "members of the grant before in one that was created without them")


@requirement("GRANT-1.contents")
def test_the_contents_carry_the_entries(given: Given, api: Api, player: str) -> None:
    item = {**entry_of("item", given), "quantity": 3, "parameters": {"level": 7}}
    entries = [*given.entries(), item]

    contents = api.create_grant(player, given.grant_body(entries=entries)).data["contents"]

    carried = json.dumps(contents)
    values = [json.dumps(value) for entry in entries for value in leaves(entry)]
    lost = [value for value in values if value not in carried]
    expect_none(lost, "values of the entries missing from the contents")


TYPED_TEXTS = (
    *("2026-01-01", "2026-01-01T10:00:00+02:00", "2026-01-01T00:00:00.000Z", "10:00"),
    *("true", "False", "null", "None", "NaN", "7", "007", "1e3", "0x1f", "-0", "1.50"),
    *(" a ", "<b>&amp;</b>", "%20", "{}", "[1]", '{"a":1}', "\u00e9e\u0301"),
)
"""Texts that look like values of other types, or like text in another notation."""


@requirement("GRANT-1.contents")
def test_the_contents_carry_parameters_as_they_were_sent(
    given: Given, api: Api, player: str
) -> None:
    values: list[Any] = [*TYPED_TEXTS, 0, -1, 0.5, 2**53 - 1, True, False, {}, [], {"a": {"b": []}}]
    parameters = {f"p{number}": value for number, value in enumerate(values)}
    item = {**entry_of("item", given), "quantity": 3, "parameters": parameters}

    created = api.create_grant(player, given.grant_body(entries=[item]))

    expect_status(created, 201, because="parameters are free")
    for shown in (created.data["contents"], given.export(player)["grants"]):
        kept = [held for held in objects(shown) if parameters.keys() <= held.keys()]
        lost = {name: sent for name, sent in parameters.items() if kept and kept[0][name] != sent}
        expect_none(lost, "parameters that are shown as something else")


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a JSON value."""
    nested = value.values() if isinstance(value, dict) else value
    if isinstance(value, dict):
        yield value
    if isinstance(value, (dict, list)):
        for item in nested:
            yield from objects(item)


def leaves(value: Any) -> list[Any]:
    """The values in an entry, except its type."""
    if isinstance(value, dict):
        return [leaf for name, item in value.items() if name != "type" for leaf in leaves(item)]
    return [value]


@requirement("GRANT-1.source")
@pytest.mark.parametrize(("sent", "echoed"), [({}, "api"), ({"sourceKind": "admin"}, "admin")])
def test_the_source_kind_is_echoed(
    sent: dict[str, str], echoed: str, given: Given, api: Api, player: str
) -> None:
    expect_fields(api.create_grant(player, given.grant_body(**sent)).data, sourceKind=echoed)


@requirement("GRANT-2")
def test_a_replay_answers_the_first_grant(given: Given, api: Api, player: str) -> None:
    body = given.grant_body(metadata={"b": [1, {"y": 2, "x": 1}], "a": None}, sourceRefId="order-2")
    first = given.grant(player, body)

    replay = api.create_grant(player, body)

    expect_status(replay, 200, because="the same key came with the same body before")
    expect_equal(replay.data, first, "the data of the replay")


@requirement("GRANT-2")
def test_a_replay_may_order_and_space_its_body_differently(
    given: Given, api: Api, player: str
) -> None:
    body = given.grant_body(metadata={"b": {"y": 2, "x": 1}, "a": "\u00e9"})
    first = given.grant(player, body)
    reordered = {key: reversed_keys(body[key]) for key in reversed(list(body))}

    replay = api.call(
        "createGrant", json.dumps(reordered, indent=3).encode(), path={"externalId": player}
    )

    expect_status(replay, 200, because="key order, white space and escapes do not change a body")
    expect_equal(replay.data, first, "the data of the replay")


def reversed_keys(value: Any) -> Any:
    """The same value with the members of its objects in reverse order."""
    if isinstance(value, dict):
        return {key: reversed_keys(value[key]) for key in reversed(list(value))}
    if isinstance(value, list):
        return [reversed_keys(item) for item in value]
    return value


@requirement("GRANT-2")
def test_a_replay_answers_the_first_grant_after_others(given: Given, api: Api, player: str) -> None:
    body = given.grant_body()
    first = given.grant(player, body)
    others = [given.grant(player) for _ in range(3)]

    replay = api.create_grant(player, body)

    expect_status(replay, 200, because="the same key came with the same body before")
    expect_equal(replay.data, first, "the data of the replay")
    listed = ids(given.export(player)["grants"])
    expect_equal(listed, ids([first, *others]), "the grants in the export")


METADATA: Body = {"a": 1, "list": [1, 2], "deep": {"b": "x"}}
BASE: Body = {
    "sourceRefId": "order-3",
    "metadata": METADATA,
    "expiresAt": in_days(3),
}

CHANGES: dict[str, Body] = {
    "sourceRefId": {"sourceRefId": "order-4"},
    "sourceKind": {"sourceKind": "admin"},
    "expiresAt": {"expiresAt": in_days(4)},
    "metadata value": {"metadata": {**METADATA, "a": 2}},
    "metadata type": {"metadata": {**METADATA, "a": "1"}},
    "metadata true for 1": {"metadata": {**METADATA, "a": True}},
    "metadata depth": {"metadata": {**METADATA, "deep": {"b": "y"}}},
    "metadata list order": {"metadata": {**METADATA, "list": [2, 1]}},
    "metadata member added": {"metadata": {**METADATA, "c": 0}},
    "metadata member left out": {"metadata": {"a": 1, "list": [1, 2]}},
}


def expect_conflict(
    given: Given, player: str, first: Body, second: Body, *statuses: int, because: str
) -> None:
    """After a grant with the first body, the second body is refused and changes nothing."""
    given.grant(player, first)
    before = given.state(player)

    answer = given.api.create_grant(player, second)

    expect_status(answer, *statuses, because=f"the key was used with {because}")
    expect_unchanged(before, given.state(player), "the player")


@requirement("GRANT-3")
@pytest.mark.parametrize("change", list(CHANGES))
def test_a_key_with_another_body_is_refused(change: str, given: Given, player: str) -> None:
    body = given.grant_body(**BASE)
    other = {**body, **CHANGES[change]}

    expect_conflict(given, player, body, other, 409, because=f"another body ({change})")


@requirement("GRANT-3")
@pytest.mark.parametrize("left_out", list(BASE))
def test_a_key_with_a_field_left_out_is_refused(left_out: str, given: Given, player: str) -> None:
    body = given.grant_body(**BASE)
    shorter = {name: value for name, value in body.items() if name != left_out}

    expect_conflict(given, player, body, shorter, 409, because=f"a body that has {left_out}")


@requirement("GRANT-3")
def test_a_key_with_another_kind_is_refused(given: Given, player: str) -> None:
    body = given.grant_body(kind="reward")
    other = {**body, "kind": "crate"}

    # FREE: a server that allows only crates in a grant of kind crate may refuse the body with 400.
    expect_conflict(given, player, body, other, 400, 409, because="another kind")


@requirement("GRANT-3")
@pytest.mark.parametrize("change", ["amount", "entry added"])
def test_a_key_with_other_entries_is_refused(change: str, given: Given, player: str) -> None:
    body = given.grant_body()
    entry = body["entries"][0]
    more = {**entry, AMOUNT_FIELD[entry["type"]]: 9}
    entries = {"amount": [more], "entry added": [entry, entry]}
    other = {**body, "entries": entries[change]}

    expect_conflict(given, player, body, other, 409, because=f"other entries ({change})")


@requirement("GRANT-3")
@pytest.mark.parametrize("parameters", [{"roll": 2}, {"roll": 1, "more": 1}, {"roll": "1"}])
def test_a_key_with_other_item_parameters_is_refused(
    parameters: Body, given: Given, player: str
) -> None:
    entry = entry_of("item", given)
    body = given.grant_body(entries=[{**entry, "parameters": {"roll": 1}}])
    other = {**body, "entries": [{**entry, "parameters": parameters}]}

    expect_conflict(given, player, body, other, 409, because="other item parameters")


@requirement("GRANT-3.code")
def test_a_reused_key_has_the_code_idempotency_conflict(
    given: Given, api: Api, player: str
) -> None:
    body = given.grant_body()
    given.grant(player, body)

    answer = api.create_grant(player, {**body, "sourceRefId": "another"})

    expect_code(answer, "idempotency_conflict")


@requirement("GRANT-4")
def test_simultaneous_creates_make_one_grant(given: Given, api: Api) -> None:
    for _ in range(ROUNDS):
        player, body = given.names.player(), given.grant_body()
        request = api.request("createGrant", body, path={"externalId": player})

        answers = api.send_simultaneously([request] * SIMULTANEOUS)

        statuses = sorted(answer.status for answer in answers)
        expected = [200] * (SIMULTANEOUS - 1) + [201]
        expect_equal(statuses, expected, "the statuses of simultaneous creates with one key")
        named = sorted({answer.data["id"] for answer in answers})
        expect_equal(len(named), 1, "the number of grant ids in the answers")
        expect_equal(ids(given.export(player)["grants"]), named, "the grants that the player has")


@requirement("GRANT-4")
def test_simultaneous_creates_for_a_known_player_make_one_grant(given: Given, api: Api) -> None:
    player = given.player()
    for count in range(1, ROUNDS + 1):
        request = api.request("createGrant", given.grant_body(), path={"externalId": player})

        answers = api.send_simultaneously([request] * SIMULTANEOUS)

        created = [answer for answer in answers if answer.status == 201]
        expect_equal(len(created), 1, "the number of 201s for one key")
        expect_equal(len(given.export(player)["grants"]), count, "the number of grants")


@requirement("GRANT-5")
def test_a_key_used_for_another_player_makes_no_second_grant(
    given: Given, api: Api, player: str
) -> None:
    body = given.grant_body()
    first = given.grant(player, body)
    other = given.player()

    answer = api.create_grant(other, body)

    expect_success_or_refusal(
        answer, 200, 409, because="the key is used in this game", id=first["id"]
    )
    expect_none(given.grants(other), "grants of the other player")
    owned = ids(given.export(player)["grants"])
    expect_equal(owned, [first["id"]], "the grants of the player who used the key first")


@requirement("GRANT-6")
def test_an_unknown_player_is_created(given: Given, api: Api, player: str) -> None:
    needed(api.get_player(player), "PLAYER-1", "no player yet", status=404)

    created = api.create_grant(player, given.grant_body())

    expect_status(created, 201, because="an unknown player is created on first contact")
    expect_status(api.get_player(player), 200, because="the grant created the player")
    expect_equal(given.export(player)["player"]["externalPlayerId"], player, "the player's id")


@requirement("GRANT-6")
def test_simultaneous_first_grants_create_one_player(given: Given, api: Api) -> None:
    for _ in range(ROUNDS):
        path = {"externalId": given.names.player()}
        bodies = [given.grant_body() for _ in range(SIMULTANEOUS)]

        answers = api.send_simultaneously(
            [api.request("createGrant", body, path=path) for body in bodies]
        )

        created = sorted(answer.data["id"] for answer in answers if answer.status == 201)
        expect_equal(len(created), SIMULTANEOUS, "the number of 201s for as many new keys")
        held = ids(given.export(path["externalId"])["grants"])
        expect_equal(held, created, "the grants of the player whom they all created")


@requirement("GRANT-1")
@pytest.mark.parametrize(
    "instant",
    [
        "2038-01-19T03:14:08Z",
        "2052-02-29T23:59:59.999Z",
        "2051-02-28T23:59:59+05:30",
        "2051-01-01T00:00:00.5-11:00",
    ],
)
def test_any_instant_may_end_a_grant(instant: str, given: Given, api: Api, player: str) -> None:
    answer = api.create_grant(player, given.grant_body(expiresAt=instant))

    expect_status(answer, 201, because=f"{instant} is a date-time")
    shown = mention(given.export(player), answer.data["id"]) or {}
    for view in (answer.data, shown):
        expect_instant(view.get("expiresAt", instant), instant, "expiresAt")


@requirement("GRANT-1")
@pytest.mark.parametrize(
    "instant",
    [
        "2100-03-01T00:00:00Z",
        "2106-02-07T06:28:16Z",
        "2262-04-12T00:00:00Z",
        "9999-12-31T12:00:00Z",
    ],
)
def test_a_distant_instant_is_kept_or_refused(
    instant: str, given: Given, api: Api, player: str
) -> None:
    answer = api.create_grant(player, given.grant_body(expiresAt=instant))

    expect_status(answer, 201, 400, because="a server may bound how long a grant lasts")
    assume(answer.status == 201, f"the server takes no {instant}")
    expect_instant(answer.data.get("expiresAt", instant), instant, "expiresAt")


ENTRY_FAULTS: Body = {
    "no entries": [],
    "unknown type": [{"type": "experience", "amount": 1}],
    "no type": [{"amount": 1}],
    "entry that is no object": ["gold"],
    "null entry": [None],
}

AMOUNT_FAULTS: Body = {
    "zero": 0,
    "negative": -5,
    "fraction": 1.5,
    "text": "5",
    "boolean": True,
    "null": None,
    "list": [1],
}

FIELD_FAULTS: dict[str, Body] = {
    "unknown kind": {"kind": "present"},
    "kind that is no text": {"kind": 1},
    "unknown source kind": {"sourceKind": "backend"},
    "expiresAt that is a word": {"expiresAt": "tomorrow"},
    "expiresAt that is no day": {"expiresAt": "2099-13-45T00:00:00Z"},
    "expiresAt that is a number": {"expiresAt": 4070908800},
    "expiresAt that is a date": {"expiresAt": "2099-12-31"},
    "expiresAt that is a time": {"expiresAt": "12:00:00Z"},
    "expiresAt on a day that February lacks": {"expiresAt": "2099-02-30T00:00:00Z"},
    "expiresAt on a leap day of a common year": {"expiresAt": "2099-02-29T00:00:00Z"},
    "expiresAt at an hour that no day has": {"expiresAt": "2099-01-01T25:00:00Z"},
    "expiresAt at a minute that no hour has": {"expiresAt": "2099-01-01T12:60:00Z"},
    "expiresAt in a text": {"expiresAt": "until 2099-01-01T12:00:00Z"},
    "sourceRefId that is no text": {"sourceRefId": 7},
    "metadata that is a list": {"metadata": [1]},
    "key that is no text": {"idempotencyKey": 7},
    "null key": {"idempotencyKey": None},
    "entries that are no list": {"entries": {"type": "currency"}},
    "null entries": {"entries": None},
}


def expect_refused(given: Given, api: Api, player: str, body: Body) -> None:
    """The body gets 400, and the player is not created."""
    answer = api.create_grant(player, body)

    expect_status(answer, 400, because="the body is not valid")
    expect_unknown(given.state(player), "the player of a refused grant")


@requirement("GRANT-7")
@pytest.mark.parametrize("field", ["idempotencyKey", "entries"])
def test_a_missing_field_gets_400(field: str, given: Given, api: Api, player: str) -> None:
    body = {name: value for name, value in given.grant_body().items() if name != field}

    expect_refused(given, api, player, body)


@requirement("GRANT-7")
@pytest.mark.parametrize("fault", list(ENTRY_FAULTS))
def test_a_bad_list_of_entries_gets_400(fault: str, given: Given, api: Api, player: str) -> None:
    expect_refused(given, api, player, given.grant_body(entries=ENTRY_FAULTS[fault]))


@requirement("GRANT-7")
@pytest.mark.parametrize("fault", list(FIELD_FAULTS))
def test_a_bad_field_gets_400(fault: str, given: Given, api: Api, player: str) -> None:
    expect_refused(given, api, player, given.grant_body(**FIELD_FAULTS[fault]))


@requirement("GRANT-7")
@pytest.mark.parametrize("fault", [name for name in FIELD_FAULTS if "key" not in name])
def test_a_bad_field_is_refused_under_a_used_key(
    fault: str, given: Given, api: Api, player: str
) -> None:
    body = given.grant_body()
    first = given.grant(player, body)["id"]

    answer = api.create_grant(player, {**body, **FIELD_FAULTS[fault]})

    expect_status(answer, 400, 409, because="the body is not valid, and not that of the key")
    expect_equal(given.grants(player), [first], "the grants of the player")


@requirement("GRANT-7")
@pytest.mark.parametrize("kind", ["currency", "item", "crate"])
@pytest.mark.parametrize("fault", list(AMOUNT_FAULTS))
def test_a_bad_amount_gets_400(kind: str, fault: str, given: Given, api: Api, player: str) -> None:
    entry = entry_of(kind, given)
    entries = [entry, {**entry, AMOUNT_FIELD[kind]: AMOUNT_FAULTS[fault]}]

    expect_refused(given, api, player, given.grant_body(entries=entries))


@requirement("GRANT-7")
@pytest.mark.parametrize("kind", ["currency", "item", "crate"])
def test_an_entry_without_one_of_its_fields_gets_400(
    kind: str, given: Given, api: Api, player: str
) -> None:
    entry = entry_of(kind, given)
    for field in list(entry):
        partial = {name: value for name, value in entry.items() if name != field}

        expect_refused(given, api, player, given.grant_body(entries=[partial]))


@requirement("GRANT-7.code")
@pytest.mark.parametrize(
    "entry",
    [
        {"type": "currency", "currencyKey": "kc-no-such-currency", "amount": 1},
        {"type": "item", "itemKey": "kc-no-such-item", "quantity": 1},
        {"type": "crate", "crateItemKey": "kc-no-such-crate", "quantity": 1},
    ],
    ids=lambda entry: entry["type"],
)
def test_a_key_that_the_catalogue_lacks_gets_400(
    entry: Body, given: Given, api: Api, player: str
) -> None:
    answer = api.create_grant(player, given.grant_body(entries=[entry]))

    expect_status(answer, 400, because="the catalogue lacks the key")
    expect_code(answer, "invalid_metric")


@requirement("GRANT-8")
@pytest.mark.parametrize("fields", [{}, {"expiresAt": in_days(3)}, {"sourceKind": "admin"}])
def test_a_grant_shows_in_profile_and_export(fields: Body, given: Given, player: str) -> None:
    grant = given.grant(player, given.grant_body(**fields))

    exported = row_of(given.export(player)["grants"], grant["id"])
    shown = mention(given.profile(player), grant["id"])
    expect_that(exported is not None, f"grant {grant['id']} in the export", "none")
    expect_that(shown is not None, f"grant {grant['id']} in the profile", "none")


@requirement("GRANT-8")
def test_a_grant_shows_also_where_one_looked_before(given: Given, player: str) -> None:
    given.grant(player)
    given.profile(player)
    given.export(player)

    grant = given.grant(player)

    for shown in (given.profile(player), given.export(player)["grants"]):
        found = mention(shown, grant["id"])
        expect_that(found is not None, f"grant {grant['id']}, made after a first read", "none")


@requirement("GRANT-9")
@pytest.mark.parametrize(
    "fault",
    [
        *({"entries": []}, {"entries": [{}]}, {"entries": [{"type": "currency"}]}),
        *({"kind": "present"}, {"metadata": "text"}, {"sourceKind": "client"}),
        *({"expiresAt": "never"}, {"sourceRefId": {"not": "a text"}}),
    ],
    ids=str,
)
def test_a_refused_body_leaves_its_key_free(
    fault: Body, given: Given, api: Api, player: str
) -> None:
    body = given.grant_body()
    needed(api.create_grant(player, {**body, **fault}), "GRANT-7", "a refused grant", status=400)

    answer = api.create_grant(player, body)

    expect_status(answer, 201, because="the refused request did not use the key")
    expect_equal(len(given.export(player)["grants"]), 1, "the number of grants")


@requirement("GRANT-9")
def test_a_key_that_the_catalogue_lacks_leaves_the_idempotency_key_free(
    given: Given, api: Api, player: str
) -> None:
    body = given.grant_body()
    unknown = {"type": "currency", "currencyKey": "kc-no-such-currency", "amount": 1}
    refused = api.create_grant(player, {**body, "entries": [*body["entries"], unknown]})
    assume(refused.status == 400, "the server does not refuse keys that its catalogue lacks")

    answer = api.create_grant(player, body)

    expect_status(answer, 201, because="the refused request did not use the key")


@requirement("GRANT-9")
def test_a_conflicting_body_leaves_the_first_grant_replayable(
    given: Given, api: Api, player: str
) -> None:
    body = given.grant_body()
    first = given.grant(player, body)
    api.create_grant(player, {**body, "sourceRefId": "another"})

    replay = api.create_grant(player, body)

    expect_status(replay, 200, 201, because="the refused body did not take the key over")
    expect_equal(replay.data["id"], first["id"], "the grant that the key names")

"""LOBBY: lobbies, which the studio's matchmaker creates."""

from typing import Any

import pytest

from conformance.testkit import (
    ROUNDS,
    SIMULTANEOUS,
    Api,
    Given,
    Names,
    assume,
    expect_equal,
    expect_fields,
    expect_none,
    expect_status,
    expect_success_or_refusal,
    expect_that,
    expect_unknown,
    harmless,
    ids,
    mention,
    requirement,
    with_another_end,
)

FIXED = ("id", "eventId", "eventWindowId", "mode", "capacity", "participantCount", "botSlots")
"""The members that do not change while a lobby starts."""
MANY_SEATS = 200
"""An event with more seats is not filled by the suite."""


@pytest.fixture
def event(given: Given) -> str:
    """An event that takes lobbies."""
    return given.world.event("lobby_event")


@pytest.fixture
def roster(names: Names) -> list[str]:
    """Three players whom the server has never seen."""
    return [names.player() for _ in range(3)]


@requirement("LOBBY-1")
@pytest.mark.parametrize("capacity", [3, 4, 5])
def test_a_lobby_seats_its_players(
    capacity: int, given: Given, api: Api, event: str, roster: list[str]
) -> None:
    answer = api.create_lobby(event, given.lobby_body(roster, capacity=capacity))

    expect_status(answer, 201, because="the key is new")
    expect_fields(answer.data, participantCount=3, capacity=capacity)


@requirement("LOBBY-1")
def test_a_player_named_twice_is_seated_once(
    given: Given, api: Api, event: str, roster: list[str]
) -> None:
    twice = [*roster, roster[0], roster[2]]

    answer = api.create_lobby(event, given.lobby_body(twice, capacity=5))

    expect_status(answer, 201, because="the key is new")
    expect_fields(answer.data, participantCount=3, capacity=5)


@requirement("LOBBY-1")
def test_without_a_capacity_the_event_gives_it(
    given: Given, api: Api, event: str, names: Names
) -> None:
    few, more = (
        api.create_lobby(event, given.lobby_body([names.player() for _ in range(count)])).data
        for count in (1, 2)
    )

    expect_equal(few["capacity"], more["capacity"], "the capacity of two lobbies of one event")
    expect_that(few["capacity"] >= 2, "a capacity of at least 2", few["capacity"])


@requirement("LOBBY-2")
def test_a_key_sent_again_gets_the_same_lobby(
    given: Given, api: Api, event: str, roster: list[str]
) -> None:
    body = given.lobby_body(roster, capacity=4)
    first = given.lobby(roster, **body)["id"]

    again = api.create_lobby(event, body)

    expect_status(again, 201, because="the lobby of the key is returned")
    expect_equal(again.data["id"], first, "the lobby that the key names")
    expect_none(other_lobbies(given, roster, first), "further lobbies of the players")


def other_lobbies(given: Given, roster: list[str], lobby: str) -> list[str]:
    """The lobbies of these players, other than `lobby`."""
    return sorted({id for player in roster for id in given.lobbies(player)} - {lobby})


@requirement("LOBBY-2")
def test_simultaneous_creates_open_one_lobby(given: Given, api: Api, event: str) -> None:
    for _ in range(ROUNDS):
        player = given.names.player()
        body = given.lobby_body([player], capacity=4)
        request = api.request("createLobby", body, path={"gameId": api.game_id, "eventKey": event})

        answers = api.send_simultaneously([request] * SIMULTANEOUS)

        expect_equal({answer.status for answer in answers}, {201}, "the statuses of all creates")
        first, *others = {str(answer.data["id"]) for answer in answers}
        expect_none(others, "further lobby ids in the answers")
        expect_none(other_lobbies(given, [player], first), "further lobbies of the player")


@requirement("LOBBY-3")
def test_a_key_with_another_roster_opens_no_second_lobby(
    given: Given, api: Api, event: str, roster: list[str], player: str
) -> None:
    body = given.lobby_body(roster, capacity=8)
    first = given.lobby(roster, **body)["id"]

    answer = api.create_lobby(event, {**body, "externalPlayerIds": [*roster, player]})

    expect_success_or_refusal(answer, 201, 409, because="the key has a lobby", id=first)
    expect_none(other_lobbies(given, [*roster, player], first), "further lobbies of the players")


@requirement("LOBBY-8")
@pytest.mark.parametrize(
    "other",
    [{"capacity": 5}, {"capacity": 3}, {"fillBots": True}, {"metadata": {"map": "south"}}],
    ids=str,
)
def test_another_body_for_a_used_key_changes_no_lobby(
    other: dict[str, Any], given: Given, api: Api, event: str, roster: list[str]
) -> None:
    body = given.lobby_body(roster, capacity=4, fillBots=False, metadata={"map": "north"})
    first = given.lobby(roster, **body)

    api.create_lobby(event, {**body, **other})

    read = api.get_lobby(str(first["id"]), game=given.game())
    expect_status(read, 200, because="the lobby exists")
    lasting = ("id", "eventId", "mode", "capacity", "participantCount", "botSlots")
    expect_fields(read.data, **{name: first[name] for name in lasting if name in first})


@harmless
@requirement("LOBBY-4")
def test_an_unknown_event_gets_404_and_creates_nobody(
    given: Given, api: Api, game_id: str, player: str
) -> None:
    answer = api.create_lobby("kc-no-such-event", given.lobby_body([player]), game=game_id)

    expect_status(answer, 404, because="there is no such event")
    expect_unknown(given.state(player), "the player of the refused lobby")


@harmless
@requirement("LOBBY-4")
def test_an_unknown_game_is_refused_and_creates_nobody(
    given: Given, api: Api, event: str, player: str
) -> None:
    answer = api.create_lobby(event, given.lobby_body([player]), game="kc-no-such-game")

    expect_status(answer, 403, 404, because="there is no such game")
    expect_unknown(given.state(player), "the player of the refused lobby")


@requirement("LOBBY-4")
def test_the_game_of_another_key_is_refused_and_creates_nobody(
    given: Given, api: Api, event: str, player: str, other_game_api: Api
) -> None:
    other_game = str(other_game_api.ping().body["apiKey"]["gameId"])

    answer = api.create_lobby(event, given.lobby_body([player]), game=other_game)

    expect_status(answer, 403, 404, because="the game is not the key's")
    expect_unknown(given.state(player), "the player of the refused lobby here")
    there = other_game_api.export_player(player)
    expect_status(there, 404, because="nobody was created in the other game either")


@requirement("LOBBY-4")
def test_the_lobby_of_an_unknown_game_is_not_read(given: Given, api: Api, player: str) -> None:
    lobby = given.lobby([player])

    answer = api.get_lobby(lobby["id"], game="kc-no-such-game")

    expect_status(answer, 403, 404, because="there is no such game")


@requirement("LOBBY-5")
def test_an_event_of_another_mode_gets_409(given: Given, api: Api, player: str) -> None:
    event = given.world.event("other_mode_event")

    answer = api.create_lobby(event, given.lobby_body([player]))

    expect_status(answer, 409, because="the event is not of the mode lobby_matched")
    expect_none(given.lobbies(player), "lobbies of the player")


@requirement("LOBBY-6")
def test_a_lobby_creates_its_players_and_shows_in_each(
    given: Given, api: Api, roster: list[str]
) -> None:
    lobby = given.lobby(roster, capacity=4)["id"]

    for player in roster:
        expect_status(api.get_player(player), 200, because="the lobby created the player")
        expect_equal(ids(given.export(player)["lobbies"]), [lobby], "the lobbies in the export")
        shown = mention(given.profile(player), lobby)
        expect_that(shown is not None, f"lobby {lobby} in the profile", "none")


@requirement("LOBBY-7")
@pytest.mark.parametrize("fill", [{}, {"fillBots": True}])
@pytest.mark.parametrize("capacity", [3, 4, 8])
def test_humans_and_bots_fit_the_capacity(
    fill: dict[str, bool], capacity: int, given: Given, api: Api, event: str, roster: list[str]
) -> None:
    data = api.create_lobby(event, given.lobby_body(roster, capacity=capacity, **fill)).data

    bots = data.get("botSlots", 0)
    expect_that(0 <= bots <= capacity - 3, f"at most {capacity - 3} bots", f"{bots} bots")
    expect_fields(data, participantCount=3)


@requirement("LOBBY-7")
@pytest.mark.parametrize("capacity", [3, 4, 8])
def test_without_fill_bots_there_are_no_bots(
    capacity: int, given: Given, api: Api, event: str, roster: list[str]
) -> None:
    data = api.create_lobby(event, given.lobby_body(roster, capacity=capacity, fillBots=False)).data

    expect_equal(data.get("botSlots", 0), 0, "the bots of a lobby with fillBots false")
    expect_fields(data, participantCount=3)


@requirement("LOBBY-7")
def test_more_players_than_seats_are_refused(
    given: Given, api: Api, event: str, roster: list[str]
) -> None:
    answer = api.create_lobby(event, given.lobby_body(roster, capacity=2))

    expect_status(answer, 400, 409, because="three players do not fit two seats")
    expect_none([id for player in roster for id in given.lobbies(player)], "lobbies of the players")


@requirement("LOBBY-7")
@pytest.mark.parametrize("fill", [{}, {"fillBots": True}, {"fillBots": False}])
def test_the_seats_of_the_event_count_where_no_capacity_is_sent(
    fill: dict[str, bool], given: Given, api: Api, event: str, names: Names
) -> None:
    seats = int(given.lobby([names.player()])["capacity"])
    assume(seats <= MANY_SEATS, f"the event has {seats} seats")
    roster = [names.player() for _ in range(seats + 1)]

    fitting = api.create_lobby(event, given.lobby_body(roster[:-1], **fill))
    beyond = api.create_lobby(event, given.lobby_body(roster, **fill))

    expect_status(fitting, 201, because=f"{seats} players fit {seats} seats")
    expect_fields(fitting.data, participantCount=seats, capacity=seats)
    expect_equal(fitting.data.get("botSlots", 0), 0, "the bots of a lobby without a free seat")
    expect_status(beyond, 400, 409, because=f"{seats + 1} players do not fit {seats} seats")
    expect_none(given.lobbies(roster[-1]), "lobbies of a player of the refused one")


@requirement("LOBBY-4")
def test_a_used_key_opens_nothing_elsewhere(
    given: Given, api: Api, event: str, player: str
) -> None:
    body = given.lobby_body([player], capacity=4)
    lobby = str(given.lobby([player], **body)["id"])

    unknown = api.create_lobby("kc-no-such-event", body, game=given.game())
    elsewhere = api.create_lobby(event, body, game="kc-no-such-game")

    expect_status(unknown, 404, because="there is no such event, whatever the key")
    expect_status(elsewhere, 403, 404, because="there is no such game, whatever the key")
    expect_equal(given.lobbies(player), [lobby], "the lobbies of the player")


@requirement("LOBBY-5")
def test_a_used_key_opens_nothing_in_an_event_of_another_mode(
    given: Given, api: Api, event: str, player: str
) -> None:
    other = given.world.event("other_mode_event")
    body = given.lobby_body([player], capacity=4)
    expect_status(api.create_lobby(event, body), 201, because="the key is new")

    answer = api.create_lobby(other, body)

    expect_status(answer, 409, because="the event has another mode, whatever the key")


@requirement("LOBBY-1")
def test_a_key_of_a_grant_is_no_key_of_a_lobby(
    given: Given, api: Api, event: str, player: str
) -> None:
    body = given.grant_body()
    given.grant(player, body)

    answer = api.create_lobby(event, {**given.lobby_body([player]), "key": body["idempotencyKey"]})

    expect_status(answer, 201, because="no lobby has the key")


@requirement("LOBBY-1", "LOBBY-4")
def test_a_refused_create_leaves_its_key_free(
    given: Given, api: Api, event: str, player: str
) -> None:
    body = given.lobby_body([player], capacity=4)
    refused = [
        api.create_lobby("kc-no-such-event", body, game=given.game()),
        api.create_lobby(event, {**body, "capacity": 0}),
        api.create_lobby(event, body, game="kc-no-such-game"),
    ]
    assume(all(answer.status >= 400 for answer in refused), "the server refuses none of these")

    answer = api.create_lobby(event, body)

    expect_status(answer, 201, because="the refused requests created nothing")
    expect_equal(given.lobbies(player), [str(answer.data["id"])], "the lobbies of the player")


@requirement("LOBBY-8")
@pytest.mark.parametrize("fill", [{}, {"fillBots": True}, {"fillBots": False}])
def test_a_lobby_reads_as_it_was_created(
    fill: dict[str, bool], given: Given, api: Api, event: str, roster: list[str]
) -> None:
    created = api.create_lobby(event, given.lobby_body(roster, capacity=6, **fill)).data

    read = api.get_lobby(created["id"])

    expect_status(read, 200, because="the lobby exists")
    expect_fields(read.data, **{name: created[name] for name in FIXED if name in created})


@harmless
@requirement("LOBBY-9")
def test_an_unknown_lobby_gets_404(api: Api, game_id: str) -> None:
    answer = api.get_lobby("kc-no-such-lobby", game=game_id)

    expect_status(answer, 404, because="there is no such lobby")


@requirement("LOBBY-9")
def test_a_well_formed_unknown_lobby_gets_404(given: Given, api: Api, player: str) -> None:
    id = str(given.lobby([player])["id"])

    answer = api.get_lobby(with_another_end(id))

    expect_status(answer, 404, because="there is no such lobby")


FAULTS: dict[str, dict[str, Any]] = {
    "capacity zero": {"capacity": 0},
    "negative capacity": {"capacity": -1},
    "fractional capacity": {"capacity": 2.5},
    "capacity as text": {"capacity": "4"},
    "players that are no list": {"externalPlayerIds": "ada"},
    "null players": {"externalPlayerIds": None},
    "key that is no text": {"key": 7},
    "null key": {"key": None},
}


def expect_refused(given: Given, api: Api, event: str, body: dict[str, Any], player: str) -> None:
    """The body gets 400, and its player is not created."""
    answer = api.create_lobby(event, body)

    expect_status(answer, 400, because="the body is not valid")
    expect_unknown(given.state(player), "the player of the refused lobby")


@requirement("LOBBY-10")
@pytest.mark.parametrize("fault", list(FAULTS))
def test_a_bad_field_of_a_lobby_gets_400(
    fault: str, given: Given, api: Api, event: str, player: str
) -> None:
    expect_refused(given, api, event, given.lobby_body([player], **FAULTS[fault]), player)


@requirement("LOBBY-10")
@pytest.mark.parametrize("stranger", [7, None, True, {"id": "ada"}, ["ada"]])
def test_a_player_that_is_no_text_gets_400(
    stranger: Any, given: Given, api: Api, event: str, player: str
) -> None:
    expect_refused(given, api, event, given.lobby_body([player, stranger]), player)


@requirement("LOBBY-10")
@pytest.mark.parametrize("field", ["key", "externalPlayerIds"])
def test_a_missing_field_of_a_lobby_gets_400(
    field: str, given: Given, api: Api, event: str, player: str
) -> None:
    body = given.lobby_body([player])
    del body[field]

    expect_refused(given, api, event, body, player)

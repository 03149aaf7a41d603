"""PLAYER: profiles."""

from collections.abc import Iterator
from typing import Any

import pytest

from conformance.arrange import Given, mention
from conformance.client import Api
from conformance.expect import (
    expect_equal,
    expect_fields,
    expect_refused,
    expect_status,
    expect_that,
)

requirement = pytest.mark.requirement


def lists_of(document: Any) -> Iterator[list[Any]]:
    """The lists of a profile; an object among them may hold lists of its own, which are not."""
    for value in document.values():
        if isinstance(value, list):
            yield value


def positions(document: Any, ids: list[str]) -> list[int]:
    """Where the ids stand in the list that holds them."""
    for rows in lists_of(document):
        found = [row.get("id") for row in rows if isinstance(row, dict)]
        if set(ids) <= set(found):
            return [found.index(id) for id in ids]
    return []


@requirement("PLAYER-1")
def test_the_profile_of_an_unknown_player_gets_404(api: Api, player: str) -> None:
    expect_refused(api.get_player(player), 404, because="nobody has named the player yet")


@requirement("PLAYER-2")
def test_a_profile_shows_what_was_done(given: Given, player: str) -> None:
    grants = [given.grant(player)["id"] for _ in range(3)]
    given.acked(player, grants[0])
    stranger = given.grant(given.names.player())["id"]

    profile = given.profile(player)

    missing = [id for id in grants if mention(profile, id) is None]
    expect_equal(missing, [], "grants that the profile lacks")
    expect_equal(mention(profile, stranger), None, "another player's grant in the profile")


@requirement("PLAYER-2")
def test_a_profile_shows_its_lobbies(given: Given, game_id: str, player: str) -> None:
    lobbies = [given.lobby([player])["id"] for _ in range(2)]
    stranger = given.lobby([given.names.player()])["id"]

    profile = given.profile(player)

    assert game_id
    missing = [id for id in lobbies if mention(profile, id) is None]
    expect_equal(missing, [], "lobbies that the profile lacks")
    expect_equal(mention(profile, stranger), None, "a lobby without the player in the profile")


@requirement("PLAYER-2.order")
def test_a_profile_lists_the_newest_first(given: Given, player: str) -> None:
    grants = [given.grant(player)["id"] for _ in range(3)]

    places = positions(given.profile(player), grants)

    expect_equal(places, sorted(places, reverse=True), "the places of grants, oldest first")
    expect_equal(len(places), 3, "the number of grants in one list of the profile")


@requirement("PLAYER-3")
@pytest.mark.parametrize("limit", [1, 2])
def test_a_limit_bounds_each_list(limit: int, given: Given, player: str) -> None:
    for _ in range(3):
        given.grant(player)

    longest = max((len(rows) for rows in lists_of(given.profile(player, limit))), default=0)

    expect_that(longest <= limit, f"no list longer than {limit}", f"one of {longest}")


@requirement("PLAYER-3")
def test_a_limit_bounds_the_lobbies(given: Given, game_id: str, player: str) -> None:
    for _ in range(3):
        given.lobby([player])

    longest = max((len(rows) for rows in lists_of(given.profile(player, 2))), default=0)

    assert game_id
    expect_that(longest <= 2, "no list longer than 2", f"one of {longest}")


@requirement("PLAYER-3")
@pytest.mark.parametrize("limit", ["0", "-1", "abc", "1.5", "", "99999999999999999999", "1e3"])
def test_a_bad_limit_is_no_crash(limit: str, given: Given, api: Api) -> None:
    answer = api.get_player(given.player(), limit)

    expect_that(answer.status < 500, "an answer below 500", f"status {answer.status}")


@requirement("PLAYER-4")
def test_reading_creates_no_player(api: Api, player: str) -> None:
    api.get_player(player)

    expect_status(api.export_player(player), 404, because="reading creates nobody")
    expect_fields(api.delete_player(player, {"reason": "test"}).data, status="no_op_never_existed")


def counters(summary: Any) -> list[Any]:
    """All values of the summary, whatever they are called."""
    if isinstance(summary, dict):
        return [counter for value in summary.values() for counter in counters(value)]
    return [summary]


@requirement("PLAYER-5")
def test_the_summary_counts_whatever_the_limit(given: Given, player: str) -> None:
    for _ in range(3):
        given.grant(player)

    small, large = (given.profile(player, limit).get("summary") for limit in (1, 50))

    expect_equal(small, large, "the summary under another limit")
    odd = [value for value in counters(small) if type(value) is not int]
    expect_equal(odd, [], "counters that are no integers")
    expect_that(3 in counters(small), "a counter of 3 grants", small)


@requirement("PLAYER-5")
def test_the_summary_counts_one_more_after_a_grant(given: Given, player: str) -> None:
    given.grant(player)
    before = counters(given.profile(player).get("summary"))

    given.grant(player)

    after = counters(given.profile(player).get("summary"))
    rises = sorted({now - was for was, now in zip(before, after, strict=True)})
    expect_that(rises in ([0, 1], [1]), "some counter one higher and none otherwise", rises)

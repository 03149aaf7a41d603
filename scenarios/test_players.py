"""PLAYER: profiles."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from conformance.testkit import (
    Api,
    Given,
    assume,
    expect_below_500,
    expect_equal,
    expect_fields,
    expect_none,
    expect_status,
    expect_that,
    harmless,
    lists_of,
    mention,
    mentions,
    requirement,
)


def places(document: Any, ids: list[str]) -> list[int]:
    """The places of these ids in the first list of the profile that has any of them."""
    for rows in lists_of(document):
        found = [next((n for n, row in enumerate(rows) if mention([row], id)), -1) for id in ids]
        if max(found) >= 0:
            return [place for place in found if place >= 0]
    return []


@harmless
@requirement("PLAYER-1")
def test_the_profile_of_an_unknown_player_gets_404(api: Api, player: str) -> None:
    expect_status(api.get_player(player), 404, because="no request has named the player yet")


def strays(given: Given, player: str, foreign: str, own: list[str]) -> list[Any]:
    """What the profile shows of a foreign grant or lobby, unless something own has the same id.

    Tables that count from 1 give a player, a grant and a lobby the same id.
    """
    known = [*own, given.export(player)["player"]["id"]]
    return [row for row in mentions(given.profile(player), foreign) if foreign not in known]


@requirement("PLAYER-2")
def test_a_profile_shows_what_was_done(given: Given, player: str) -> None:
    grants = [given.grant(player)["id"] for _ in range(3)]
    given.acked(player, grants[0])
    foreign = given.grant(given.names.player())["id"]

    profile = given.profile(player)

    missing = [id for id in grants if mention(profile, id) is None]
    expect_none(missing, "grants missing from the profile")
    stray = strays(given, player, foreign, grants)
    expect_none(stray, "grants of another player in the profile")


@requirement("PLAYER-2")
def test_a_profile_shows_its_lobbies(given: Given, player: str) -> None:
    lobbies = [given.lobby([player])["id"] for _ in range(2)]
    foreign = given.lobby([given.names.player()])["id"]

    profile = given.profile(player)

    missing = [id for id in lobbies if mention(profile, id) is None]
    expect_none(missing, "lobbies missing from the profile")
    stray = strays(given, player, foreign, lobbies)
    expect_none(stray, "lobbies without the player in the profile")


@requirement("PLAYER-2.order")
def test_a_profile_lists_the_newest_first(given: Given, player: str) -> None:
    grants = grants_of_different_times(given, player)

    found = places(given.profile(player), grants)

    expect_equal(
        found,
        sorted(found, reverse=True),
        f"the places of {len(grants)} grants in the list, from the oldest to the newest grant",
    )


@requirement("PLAYER-2.order")
def test_an_ack_moves_no_grant_in_the_list(given: Given, player: str) -> None:
    grants = grants_of_different_times(given, player)
    given.acked(player, grants[0])

    found = places(given.profile(player), grants)

    expect_equal(found, sorted(found, reverse=True), "the places of grants, the oldest acked last")


def grants_of_different_times(given: Given, player: str) -> list[str]:
    """Three grants that differ in createdAt; a server's clock may count in seconds."""
    by_time: dict[str, str] = {}
    for _ in range(8):
        grant = given.grant(player)
        if grant["createdAt"] in by_time:
            time.sleep(0.5)
        by_time.setdefault(grant["createdAt"], grant["id"])
        if len(by_time) == 3:
            break
    return list(by_time.values())


@requirement("PLAYER-3")
@pytest.mark.parametrize("limit", [1, 2])
def test_a_limit_bounds_the_grants(limit: int, given: Given, player: str) -> None:
    grants = [given.grant(player)["id"] for _ in range(3)]

    profile = given.profile(player, limit)

    shown = len(places(profile, grants))
    expect_that(shown <= limit, f"at most {limit} grants in the profile", f"{shown} grants")


@requirement("PLAYER-3")
def test_a_limit_bounds_the_lobbies(given: Given, player: str) -> None:
    lobbies = [given.lobby([player])["id"] for _ in range(3)]

    profile = given.profile(player, 2)

    shown = len(places(profile, lobbies))
    expect_that(shown <= 2, "at most 2 lobbies in the profile", f"{shown} lobbies")


@requirement("PLAYER-3")
@pytest.mark.parametrize("limit", ["0", "-1", "abc", "1.5", "", "99999999999999999999", "1e3"])
def test_a_bad_limit_is_no_crash(limit: str, given: Given, api: Api) -> None:
    answer = api.get_player(given.player(), limit)

    expect_below_500(answer)


@harmless
@requirement("PLAYER-4")
def test_reading_creates_no_player(api: Api, player: str) -> None:
    api.get_player(player)
    api.export_player(player)

    expect_fields(api.delete_player(player, {"reason": "test"}).data, status="no_op_never_existed")


Counters = dict[str, float]


def counters(given: Given, player: str, limit: int | None = None) -> Counters:
    """The numbers of the summary by their path; NotExercised if the profile has no summary."""
    summary = given.profile(player, limit).get("summary")
    assume(summary is not None, "the profile has no summary")
    return dict(numbers(summary))


def numbers(value: Any, path: str = "summary") -> Iterator[tuple[str, float]]:
    """The numbers in a JSON value, each with its path."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from numbers(item, f"{path}.{name}")
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield path, value


@requirement("PLAYER-5")
def test_the_summary_counts_whatever_the_limit(given: Given, player: str) -> None:
    for _ in range(3):
        given.grant(player)

    small, large, again = (counters(given, player, limit) for limit in (1, 3, 1))

    # A number that changes with every read, such as a count of reads, counts something else.
    changing = {name for name, number in small.items() if again.get(name) != number}
    small, large = ({n: v for n, v in each.items() if n not in changing} for each in (small, large))
    expect_equal(small, large, "the counters with limit=1, as with limit=3,")
    odd = {name: number for name, number in small.items() if number % 1}
    expect_none(odd, "counters that are not integers")
    expect_that(3 in small.values(), "a counter of 3 for three grants", small)


@requirement("PLAYER-5")
def test_the_summary_counts_one_more_after_a_grant(given: Given, player: str) -> None:
    given.grant(player)
    before = counters(given, player)

    given.grant(player)

    rises = {name: now - before.get(name, 0) for name, now in counters(given, player).items()}
    expect_that(1 in rises.values(), "a counter that is one higher after one more grant", rises)


@requirement("PLAYER-5")
def test_the_summary_counts_what_a_merge_brought(given: Given, player: str) -> None:
    source = given.names.player()
    given.grant(player)
    for _ in range(3):
        given.grant(source)
    before = counters(given, player)

    given.merged(source, player)

    rises = {name: now - before.get(name, 0) for name, now in counters(given, player).items()}
    expect_that(3 in rises.values(), "a counter that is three higher after a merge of three", rises)

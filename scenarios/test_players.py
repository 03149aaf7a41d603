"""PLAYER: profiles."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import cycle, islice
from typing import Any

import pytest

from conformance.testkit import (
    Api,
    Given,
    Ledger,
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


@requirement("PLAYER-2.order")
def test_a_merge_leaves_the_newest_first(given: Given, player: str) -> None:
    source = given.names.player()
    grants = of_different_times([lambda: given.grant(player), lambda: given.grant(source)])

    given.merged(source, player)

    found = places(given.profile(player), grants)
    expect_equal(found, sorted(found, reverse=True), "the places of grants, the oldest last")


@requirement("PLAYER-2.order")
def test_a_profile_lists_the_newest_lobby_first(given: Given, player: str) -> None:
    lobbies = of_different_times([lambda: lobby_of(given, player)])

    found = places(given.profile(player), lobbies)

    expect_equal(found, sorted(found, reverse=True), "the places of lobbies, the oldest last")


@requirement("PLAYER-2.order")
def test_a_limit_shows_the_newest(given: Given, player: str) -> None:
    grants = grants_of_different_times(given, player)
    lobbies = of_different_times([lambda: lobby_of(given, player)])

    profile = given.profile(player, 1)

    shown = [places(profile, [rows[-1]]) for rows in (grants, lobbies)]
    expect_none([rows for rows in shown if not rows], "the newest in a profile of one row a list")


def lobby_of(given: Given, player: str) -> Mapping[str, Any]:
    """A new lobby of the player, as the export lists it."""
    lobby = given.lobby([player])["id"]
    return next(row for row in given.export(player)["lobbies"] if row["id"] == lobby)


def grants_of_different_times(given: Given, player: str) -> list[str]:
    """Three grants of the player."""
    return of_different_times([lambda: given.grant(player)])


def of_different_times(makers: Sequence[Callable[[], Mapping[str, Any]]]) -> list[str]:
    """The ids of three rows that differ in createdAt; a server's clock may count in seconds."""
    by_time: dict[str, str] = {}
    for make in islice(cycle(makers), 8):
        row = make()
        if row["createdAt"] in by_time:
            time.sleep(0.5)
        by_time.setdefault(row["createdAt"], row["id"])
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


def expect_counted_as_new(given: Given, player: str) -> None:
    """The player, who has one grant, has the counters of other new players with one grant.

    A counter in which two new players differ says nothing about what was done.
    """
    others = [given.names.player() for _ in range(2)]
    for other in others:
        given.grant(other)
    one, two = (counters(given, other) for other in others)
    alike = {name: number for name, number in one.items() if two.get(name) == number}

    shown = counters(given, player)

    found = {name: shown.get(name) for name in alike}
    expect_equal(found, alike, "the counters of a new player with one grant")


@requirement("DEL-6")
def test_the_counters_of_an_erased_player_are_gone(given: Given, player: str) -> None:
    done_much(given, player)
    given.erased(player)
    given.grant(player)

    expect_counted_as_new(given, player)


@requirement("MERGE-5")
def test_the_counters_of_a_merged_player_are_gone(given: Given, player: str) -> None:
    done_much(given, player)
    given.merged(player, given.player())
    given.grant(player)

    expect_counted_as_new(given, player)


@requirement("AUTH-7")
def test_what_another_game_does_is_not_counted_here(
    given: Given, player: str, other_game_api: Api
) -> None:
    for _ in range(3):
        known = other_game_api.create_grant(player, given.grant_body())
        assume(known.status == 201, "the other game lacks the first declared item or currency")
    given.grant(player)

    expect_counted_as_new(given, player)


def done_much(given: Given, player: str) -> None:
    """Grants, one of them acked, and holdings of the player."""
    grants = [given.grant(player)["id"] for _ in range(3)]
    given.acked(player, grants[0])
    for name in ("wallet", "inventory"):
        Ledger(name, given).fill(player, 20)


@requirement("PLAYER-5")
def test_the_summary_counts_one_more_after_a_grant(given: Given, player: str) -> None:
    given.grant(player)
    before = counters(given, player)

    given.grant(player)

    rises = {name: now - before.get(name, 0) for name, now in counters(given, player).items()}
    expect_that(1 in rises.values(), "a counter that is one higher after one more grant", rises)


@requirement("PLAYER-5")
def test_the_summary_counts_no_replay_and_no_refusal(given: Given, api: Api, player: str) -> None:
    body = given.grant_body()
    grant = given.grant(player, body)["id"]
    given.acked(player, grant)
    before = counters(given, player)

    api.create_grant(player, body)
    api.create_grant(player, {**body, "sourceRefId": "another"})
    api.create_grant(player, given.grant_body(entries=[]))
    api.ack_grant(player, grant)

    after = counters(given, player)
    reads = {name for name, number in counters(given, player).items() if after[name] != number}
    changed = {n: v for n, v in after.items() if before.get(n) != v and n not in reads}
    expect_none(changed, "counters that a replay or a refusal changed")


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

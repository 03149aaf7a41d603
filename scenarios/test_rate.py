"""RATE: what happens beyond the budget of a key, tried with a key that has a small one."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import pairwise

import pytest

from conformance.failures import Inconclusive, Mismatch, NotExercised
from conformance.testkit import (
    SIMULTANEOUS,
    Answer,
    Api,
    Given,
    Names,
    Sample,
    Samples,
    assume,
    expect_code,
    expect_envelope,
    expect_equal,
    expect_none,
    expect_status,
    expect_that,
    expect_unchanged,
    expect_unknown,
    requirement,
)

HEADERS = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "Retry-After")
MAX_REQUESTS = 1000
SECONDS = 50
ROUNDS = 3
"""How often a test looks again if another client may be to blame for what it saw."""
MAX_WAITS = 5
WRITES = (
    *("createGrant", "ackGrant", "createLobby", "mergePlayer", "deletePlayer"),
    *("banPlayer", "unbanPlayer"),
    *("creditWallet", "debitWallet", "grantItem", "revokeItem"),
    *("migratePlayers", "migrateWallet", "migrateInventory"),
)
"""Operations that change something."""
SHARED = "another client seems to use the throttled key"


def spend_budget(call: Callable[[], Answer]) -> list[Answer]:
    """Repeat a call until the budget is spent. Returns the answers, of which the last is the 429.

    Mismatch (RATE-1) if the server answers more calls in less than a minute than its budget allows;
    Inconclusive if the network is too slow to spend the budget.
    """
    deadline = time.monotonic() + SECONDS
    answers: list[Answer] = []
    while len(answers) < MAX_REQUESTS and time.monotonic() < deadline:
        answers.append(call())
        if answers[-1].status == 429:
            return answers
    limit = answers[-1].header("RateLimit-Limit") or ""
    allowed = int(limit) if limit.isascii() and limit.isdigit() else MAX_REQUESTS - 1
    if len(answers) <= allowed:
        raise Inconclusive(
            f"{len(answers)} requests in {SECONDS} s did not spend the throttled budget"
        )
    expected = "429 beyond the budget of a minute"
    raise Mismatch(expected, f"no 429 in {len(answers)} requests", "RATE-1")


def spend_a_whole_budget(api: Api, call: Callable[[], Answer]) -> list[Answer]:
    """The same, in the next window if an earlier test has spent this one."""
    answers = spend_budget(call)
    if len(answers) == 1:
        api.wait_out(answers[0])
        answers = spend_budget(call)
    return answers


@pytest.fixture
def refusal(throttled_api: Api, names: Names) -> Answer:
    """A 429 for a read."""
    return spend_budget(lambda: throttled_api.get_player(names.player()))[-1]


def number(answer: Answer, name: str) -> int:
    """A header of a 429 as a whole number."""
    value = answer.header(name)
    if value is None or not (value.isascii() and value.isdigit()):
        raise Mismatch(f"{name} to be a whole number", f"{name}: {value}", "RATE-2")
    return int(value)


def spend_the_next_budget(api: Api, call: Callable[[], Answer], refused: Answer) -> list[Answer]:
    """The same, as soon as a call is answered again. Inconclusive if that takes too long."""
    for _ in range(MAX_WAITS):
        api.wait_out(refused)
        answers = spend_budget(call)
        if len(answers) > 1:
            return answers
        refused = answers[-1]
    raise Inconclusive(f"the throttled budget was still spent after {MAX_WAITS} waits")


def is_whole(answers: list[Answer]) -> bool:
    """Whether calls up to a 429 had a whole budget: then nobody else used the key meanwhile."""
    limit = answers[-1].header("RateLimit-Limit") or ""
    return limit.isascii() and limit.isdigit() and len(answers) > int(limit)


def remaining_in(answers: list[Answer]) -> list[int]:
    """What the answers report in RateLimit-Remaining."""
    reported = [answer.header("RateLimit-Remaining") for answer in answers]
    return [int(value.partition(";")[0]) for value in reported if value is not None]


def steepest_of(remaining: list[int]) -> int:
    """By how much the number falls at most."""
    return max((before - after for before, after in pairwise(remaining)), default=1)


def spend_a_budget_alone(api: Api, call: Callable[[], Answer]) -> list[Answer]:
    """Spend a whole budget without another client taking part. Inconclusive if one always does."""
    for _ in range(ROUNDS):
        answers = spend_a_whole_budget(api, call)
        steepest = steepest_of(remaining_in(answers[:-1]))
        if steepest <= 1 or is_whole(answers):
            return answers
    raise Inconclusive(f"RateLimit-Remaining fell by {steepest}; {SHARED}")


@requirement("RATE-4")
def test_remaining_falls_by_one_with_each_request(throttled_api: Api, names: Names) -> None:
    answers = spend_a_budget_alone(throttled_api, lambda: throttled_api.get_player(names.player()))

    remaining = remaining_in(answers[:-1])
    steepest = steepest_of(remaining)
    reported = [answer.header("RateLimit-Remaining") for answer in answers[:-1]]
    expect_that(min(remaining, default=0) >= 0, "RateLimit-Remaining never below 0", reported)
    # When a window ends, or slides, the number rises or stays in between. It never falls by more
    # than one, and it falls until the budget is spent.
    expect_that(
        steepest <= 1, "RateLimit-Remaining to fall by at most one with each request", reported
    )
    stands = steepest <= 0 and remaining[-1] > 0
    expect_that(not stands, "RateLimit-Remaining to fall until it is spent", reported)


@requirement("RATE-1")
def test_past_the_budget_a_429_carries_the_headers(refusal: Answer) -> None:
    missing = [name for name in HEADERS if refusal.header(name) is None]
    expect_none(missing, "headers missing from the 429")


@requirement("ERR-1")
def test_a_429_carries_the_envelope(refusal: Answer) -> None:
    expect_envelope(refusal)


@requirement("RATE-2")
def test_the_headers_of_a_429_are_whole_numbers_in_range(refusal: Answer) -> None:
    limit, remaining, reset, retry = (number(refusal, name) for name in HEADERS)
    expect_that(limit >= 1, "RateLimit-Limit to be at least 1", limit)
    expect_equal(remaining, 0, "RateLimit-Remaining")
    expect_that(reset >= 0, "RateLimit-Reset to be at least 0", reset)
    expect_that(1 <= retry <= 60, "Retry-After to be 1 to 60 seconds", retry)


@requirement("RATE-2.reset")
def test_the_reset_of_a_429_is_seconds_to_go(refusal: Answer) -> None:
    reset = number(refusal, "RateLimit-Reset")

    expect_that(reset <= 60, "RateLimit-Reset to be at most 60 seconds", reset)


@requirement("RATE-2.code")
def test_the_429_has_the_code_rate_limited(refusal: Answer) -> None:
    expect_code(refusal, "rate_limited")


PERSISTENT = 3
"""How many budgets a client asks for that does not stop."""
MAX_BUDGET = 100
"""The largest budget that one spends several times."""


@requirement("RATE-2")
def test_a_client_that_does_not_stop_is_told_to_wait_no_longer(
    refusal: Answer, throttled_api: Api, names: Names
) -> None:
    limit = number(refusal, "RateLimit-Limit")
    assume(limit <= MAX_BUDGET, f"the throttled key may send {limit} requests a minute")

    answers = [throttled_api.get_player(names.player()) for _ in range(PERSISTENT * limit)]

    waits = [number(answer, "Retry-After") for answer in answers if answer.status == 429]
    expect_that(max(waits, default=1) <= 60, "Retry-After to be at most 60 seconds", waits)


def refuses_again(
    api: Api, write: Callable[[], Answer], again: Callable[[], Answer], last: Answer
) -> bool:
    """Whether the server itself refuses a request once Retry-After has passed.

    Another client may have spent the new budget. It has not if the budgets before and after were
    whole, and the request between them was refused, several times in a row.
    """
    before = spend_the_next_budget(api, write, last)
    for _ in range(ROUNDS - 1):
        api.wait_out(before[-1])
        answer = again()
        if answer.status != 429 or not is_whole(before):
            return False
        before = spend_the_next_budget(api, write, answer)
    return is_whole(before)


def tried_later(api: Api, write: Callable[[], Answer], again: Callable[[], Answer]) -> Answer:
    """The answer once Retry-After has passed. Inconclusive if another client spent that budget."""
    answer = again()
    if answer.status == 429 and not refuses_again(api, write, again, answer):
        raise Inconclusive(f"refused again after Retry-After; {SHARED}")
    return answer


@requirement("RATE-3")
def test_a_throttled_write_changes_nothing_and_succeeds_later(
    throttled_api: Api, given: Given, names: Names
) -> None:
    rows: list[dict[str, str]] = []

    def write() -> Answer:
        rows.append({"externalPlayerId": names.player(), "idempotencyKey": names.key()})
        return throttled_api.migrate_players({"rows": rows[-1:]})

    def again() -> Answer:
        return throttled_api.migrate_players({"rows": rows[-1:]})

    refused = spend_budget(write)[-1]
    expect_unknown(given.state(rows[-1]["externalPlayerId"]), "the player of a refused import")

    throttled_api.wait_out(refused)
    answer = tried_later(throttled_api, write, again)

    expect_status(
        answer, 200, because=f"Retry-After ({refused.header('Retry-After')} s) has passed"
    )
    expect_equal(answer.data["applied"], 1, "the number of rows applied after Retry-After")


@requirement("RATE-1")
def test_every_operation_has_a_budget(throttled_api: Api, samples: Samples) -> None:
    operations = throttled_api.channel.spec.operations.values()
    limited = [operation.id for operation in operations if 429 in operation.statuses]

    for operation in limited:
        spend_budget(partial(samples.minimal(operation).call, throttled_api))


@requirement("RATE-1")
@pytest.mark.parametrize("again", ["createGrant", "creditWallet", "migratePlayers"])
def test_replays_have_a_budget(again: str, throttled_api: Api, samples: Samples) -> None:
    replayed = samples.called(again)

    spend_budget(partial(replayed.call, throttled_api))


@requirement("RATE-3")
def test_every_throttled_write_changes_nothing_and_succeeds_later(
    throttled_api: Api, samples: Samples, given: Given, api: Api
) -> None:
    made = list(possible(samples))
    before = given.states(player for sample in made for player in sample.players)
    last = spend_budget(lambda: throttled_api.get_player(given.names.player()))[-1]

    refused = [sample for sample in made if sample.call(throttled_api).status == 429]

    assume(bool(refused), "the rate window is too short to be refused in")
    touched = [player for sample in refused for player in sample.players]
    kept = {player: before[player] for player in touched}
    expect_unchanged(kept, given.states(touched), "what the players of refused writes have")
    throttled_api.wait_out(last)
    failing = [sample.operation for sample in refused if not is_first(sample, api)]
    expect_none(failing, "operations that are not done anew once Retry-After has passed")


def possible(samples: Samples) -> Iterator[Sample]:
    """A sample of each write that the target's world allows."""
    for operation in WRITES:
        with suppress(NotExercised):
            yield samples.of(operation)


def is_first(sample: Sample, api: Api) -> bool:
    """Whether a call is answered as the first of its kind."""
    try:
        sample.judge_first(sample.call(api), "it was only refused before")
    except Mismatch:
        return False
    return True


@requirement("PING-1")
def test_ping_says_the_same_beyond_the_budget(throttled_api: Api, names: Names) -> None:
    first = throttled_api.ping()
    spend_budget(lambda: throttled_api.get_player(names.player()))

    last = throttled_api.ping()

    assume(first.status == last.status == 200, "pings are counted too")
    for name in ("ok", "apiKey"):
        expect_equal(last.body[name], first.body[name], f"{name} once the budget is spent")


LEFT = 4
"""So much of a budget is left when a burst comes."""


@requirement("RATE-1")
def test_a_burst_does_not_pass_the_budget(throttled_api: Api, names: Names) -> None:
    # A window may end just then: a burst that passes is tried again.
    refused = any(passed_at_once(throttled_api, names) < SIMULTANEOUS for _ in range(ROUNDS))

    expect_that(refused, f"429 for some of {SIMULTANEOUS} requests at once", "none refused")


def passed_at_once(api: Api, names: Names) -> int:
    """How many simultaneous requests are answered where about `LEFT` of a budget are left.

    Some budgets fill up bit by bit: only that all of them pass says something.
    """
    last = spend_budget(lambda: api.get_player(names.player()))[-1]
    limit = number(last, "RateLimit-Limit")
    assume(limit <= MAX_REQUESTS, f"the throttled key may send {limit} requests a minute")
    api.wait_out(last)
    request = api.request("getPlayer", path={"externalId": names.player()})
    for _ in range(limit - LEFT):
        api.send(request)
    answers = api.channel.send_simultaneously([request] * SIMULTANEOUS)
    return sum(answer.status != 429 for answer in answers)

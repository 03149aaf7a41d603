"""AUTH: who may call, and that a refused call changes nothing."""

import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace

import pytest

from conformance.fuzzing.oracle import Oracle
from conformance.fuzzing.player_plans import expect_unknown_here
from conformance.testkit import (
    Answer,
    Api,
    Given,
    Ledger,
    Names,
    Request,
    Run,
    Sample,
    Samples,
    World,
    assume,
    expect_code,
    expect_envelope,
    expect_equal,
    expect_fields,
    expect_no_secret,
    expect_status,
    expect_success_or_refusal,
    expect_that,
    expect_unchanged,
    expect_unknown,
    harmless,
    mention,
    requirement,
    row_of,
)

WRITES = [
    "createGrant",
    "ackGrant",
    "createLobby",
    "banPlayer",
    "unbanPlayer",
    "mergePlayer",
    "grantItem",
    "revokeItem",
    "creditWallet",
    "debitWallet",
    "migratePlayers",
    "migrateWallet",
    "migrateInventory",
    "deletePlayer",
]
"""Operations that change something."""

CREATE_NO_PLAYER = ("ackGrant", "banPlayer", "unbanPlayer", "mergePlayer", "deletePlayer")
"""Writes that never create a player."""

NOT_DONE = "the same call was only refused before"

UNKNOWN_KEY = "kc_nobody.0000000000000000"
"""It has the right form, but the server never issued it."""


def flipped(text: str) -> str:
    """The text with its last character changed."""
    return text[:-1] + ("a" if text[-1] != "a" else "b")


def base64(text: str) -> str:
    """The text as Basic credentials are encoded."""
    return b64encode(text.encode()).decode()


WRONG: dict[str, Callable[[str], str]] = {
    "unknown": lambda _: f"Bearer {UNKNOWN_KEY}",
    "wrong secret": lambda token: f"Bearer {flipped(token)}",
    "secret cut short": lambda token: f"Bearer {token[:-1]}",
    "secret made longer": lambda token: f"Bearer {token}0",
    "prefix only": lambda token: f"Bearer {token.partition('.')[0]}",
    "secret only": lambda token: f"Bearer {token.partition('.')[2]}",
    "one part more": lambda token: f"Bearer {token}.x",
    "empty secret": lambda token: f"Bearer {token.partition('.')[0]}.",
    "other case": lambda token: f"Bearer {token.swapcase()}",
    "no dot": lambda _: "Bearer nonsense",
    "no token": lambda _: "Bearer",
    "empty": lambda _: "",
    "no scheme": lambda token: token,
    "basic scheme": lambda token: f"Basic {token}",
    "basic, as user": lambda token: f"Basic {base64(token + ':')}",
    "basic, as password": lambda token: f"Basic {base64(':' + token)}",
    "basic, in two parts": lambda token: f"Basic {base64(token.replace('.', ':', 1))}",
    "in base 64": lambda token: f"Bearer {base64(token)}",
    "after another": lambda token: f"Bearer {UNKNOWN_KEY}, Bearer {token}",
    "unknown scheme": lambda token: f"Token {token}",
    "scheme without blank": lambda token: f"Bearer{token}",
    "two tokens": lambda token: f"Bearer {token} {token}",
    "token in quotes": lambda token: f'Bearer "{token}"',
    "zeros": lambda token: f"Bearer {token.partition('.')[0]}." + "0" * 32,
}
"""Wrong Authorization headers, made from a valid token."""


@harmless
@requirement("AUTH-1")
def test_a_request_without_a_key_gets_401(
    operation: str, samples: Samples, keyless_api: Api
) -> None:
    answer = samples.minimal(operation).call(keyless_api)

    expect_status(answer, 401, because="there is no Authorization header")
    expect_envelope(answer)


@harmless
@requirement("AUTH-1.code")
def test_a_missing_key_has_the_code_unauthenticated(
    operation: str, samples: Samples, keyless_api: Api
) -> None:
    expect_code(samples.minimal(operation).call(keyless_api), "unauthenticated")


@harmless
@requirement("AUTH-1.challenge")
def test_a_missing_key_is_answered_with_a_challenge(
    operation: str, samples: Samples, keyless_api: Api
) -> None:
    answer = samples.minimal(operation).call(keyless_api)

    challenge = answer.header("WWW-Authenticate")
    expect_that(bool(challenge), "a WWW-Authenticate header", "none on the 401")


@pytest.fixture
def wrong_credentials(run: Run) -> dict[str, str]:
    """Authorization headers that no operation takes, each nearly right."""
    token = run.target.token("server")
    made = {kind: make(token) for kind, make in WRONG.items()}
    if "revoked" in run.target.keys:
        made["revoked"] = f"Bearer {run.target.keys['revoked']}"
    return {kind: made[kind] for kind in made if made[kind] != f"Bearer {token}"}


def with_credential(request: Request, *headers: tuple[str, str]) -> Request:
    """The request with these headers instead of its Authorization."""
    others = tuple(pair for pair in request.headers if pair[0] != "Authorization")
    return replace(request, headers=(*others, *headers))


@harmless
@requirement("AUTH-2")
def test_a_wrong_credential_gets_401(
    operation: str, samples: Samples, api: Api, wrong_credentials: dict[str, str]
) -> None:
    usual = samples.minimal(operation).request(api)

    statuses = {
        kind: Answer(api.send(with_credential(usual, ("Authorization", sent)))).status
        for kind, sent in wrong_credentials.items()
    }

    accepted = {kind: status for kind, status in statuses.items() if status != 401}
    expect_that(not accepted, "401 for every wrong credential", accepted)


@requirement("AUTH-1")
@pytest.mark.parametrize("write", WRITES)
def test_a_replay_without_a_key_gets_401(write: str, samples: Samples, keyless_api: Api) -> None:
    answer = samples.called(write).call(keyless_api)

    expect_status(answer, 401, because="there is no Authorization header, whatever was done before")


@requirement("AUTH-2")
@pytest.mark.parametrize("write", WRITES)
def test_a_replay_with_an_unknown_token_gets_401(write: str, samples: Samples, api: Api) -> None:
    answer = samples.called(write).call(api.with_token(UNKNOWN_KEY))

    expect_status(answer, 401, because="the token was never issued, whatever was done before")


@requirement("AUTH-3")
@pytest.mark.parametrize("write", WRITES)
def test_a_replay_with_a_client_key_gets_403(write: str, samples: Samples, client_api: Api) -> None:
    answer = samples.called(write).call(client_api)

    expect_status(answer, 403, because="a client key may not call, whatever was done before")


@requirement("AUTH-4")
@pytest.mark.parametrize("write", WRITES)
def test_no_wrong_credential_changes_anything(
    write: str, samples: Samples, given: Given, api: Api, wrong_credentials: dict[str, str]
) -> None:
    sample = samples.of(write)
    before, usual = given.states(sample.players), sample.request(api)

    for credential in wrong_credentials.values():
        api.send(with_credential(usual, ("Authorization", credential)))

    expect_unchanged(before, given.states(sample.players), "what the players have")
    samples.expect_first(sample, NOT_DONE)


@requirement("AUTH-1")
def test_a_key_anywhere_but_in_authorization_is_none(
    operation: str, samples: Samples, api: Api, run: Run
) -> None:
    token = run.target.token("server")
    usual = samples.minimal(operation).request(api)
    elsewhere = [(name, token) for name in ("X-Api-Key", "Api-Key", "X-Authorization")]

    answer = Answer(api.send(with_credential(usual, *elsewhere)))

    expect_status(answer, 401, because="there is no Authorization header")


@harmless
@requirement("AUTH-2")
def test_an_unknown_token_gets_401(operation: str, samples: Samples, api: Api) -> None:
    answer = samples.minimal(operation).call(api.with_token(UNKNOWN_KEY))

    expect_status(answer, 401, because="no key has this token")


@harmless
@requirement("AUTH-2")
def test_a_revoked_key_gets_401(operation: str, samples: Samples, revoked_api: Api) -> None:
    answer = samples.minimal(operation).call(revoked_api)

    expect_status(answer, 401, because="the key is revoked")


@harmless
@requirement("AUTH-2.code")
def test_an_unknown_token_has_the_code_session_invalid(
    operation: str, samples: Samples, api: Api
) -> None:
    answer = samples.minimal(operation).call(api.with_token(UNKNOWN_KEY))

    expect_code(answer, "session_invalid")


@harmless
@requirement("AUTH-3")
def test_a_client_key_gets_403(operation: str, samples: Samples, client_api: Api) -> None:
    answer = samples.minimal(operation).call(client_api)

    expect_status(answer, 403, because="the key's permission set is client_sdk")


@harmless
@requirement("AUTH-3.code")
def test_a_client_key_has_the_code_forbidden(
    operation: str, samples: Samples, client_api: Api
) -> None:
    expect_code(samples.minimal(operation).call(client_api), "forbidden")


@requirement("AUTH-4")
@pytest.mark.parametrize("write", WRITES)
def test_a_write_without_a_key_changes_nothing(
    write: str, samples: Samples, given: Given, keyless_api: Api
) -> None:
    sample = samples.of(write)

    expect_no_effect(sample, keyless_api, given)
    samples.expect_first(sample, NOT_DONE)


@requirement("AUTH-4")
@pytest.mark.parametrize("write", WRITES)
def test_a_write_with_a_client_key_changes_nothing(
    write: str, samples: Samples, given: Given, client_api: Api
) -> None:
    sample = samples.of(write)

    expect_no_effect(sample, client_api, given)
    samples.expect_first(sample, NOT_DONE)


def expect_no_effect(sample: Sample, refused_api: Api, given: Given) -> Answer:
    """A call with a key that the server must refuse leaves the players unchanged."""
    before = given.states(sample.players)

    answer = sample.call(refused_api)

    expect_unchanged(before, given.states(sample.players), "the players after a refused call")
    return answer


@requirement("AUTH-4")
@pytest.mark.parametrize("write", [write for write in WRITES if write not in CREATE_NO_PLAYER])
def test_a_write_without_a_key_creates_nobody(
    write: str, samples: Samples, given: Given, keyless_api: Api
) -> None:
    sample = samples.of(write)
    known, unknown = sample.players[0], given.names.player()
    text = json.dumps(sample.body).replace(known, unknown)
    path = {name: value.replace(known, unknown) for name, value in sample.path.items()}

    keyless_api.call(write, text.encode(), path=path)

    expect_unknown(given.state(unknown), "the player whom only a refused request named")


@harmless
@requirement("AUTH-5")
def test_credentials_are_judged_before_the_body(
    operation: str, samples: Samples, api: Api, keyless_api: Api
) -> None:
    assume(api.channel.spec.operations[operation].takes_body, f"{operation} takes no body")

    answer = samples.minimal(operation).call(keyless_api, b'{"broken": ')

    expect_status(answer, 401, because="credentials are judged before the body")


@requirement("AUTH-6")
def test_no_refusal_shows_a_secret(operation: str, samples: Samples, api: Api, run: Run) -> None:
    token = run.target.token("server")
    sample = samples.minimal(operation)

    sample.call(api, b'{"broken": ')
    sample.call(api)
    sample.call(api.with_token(token + "0"))

    expect_no_secret(api)


def expect_out_of_reach(answer: Answer, what: str) -> None:
    """The key of another game gets 403 or 404."""
    expect_status(answer, 403, 404, because=f"{what} belongs to another game")


@requirement("AUTH-7")
@pytest.mark.parametrize("read", ["getPlayer", "exportPlayer", "getLobby"])
def test_a_key_of_another_game_reads_nothing_of_this_one(
    read: str, samples: Samples, other_game_api: Api
) -> None:
    expect_out_of_reach(samples.of(read).call(other_game_api), "what the request names")


@requirement("AUTH-7")
@pytest.mark.parametrize(
    "write", ["ackGrant", "createLobby", "banPlayer", "unbanPlayer", "mergePlayer"]
)
def test_a_key_of_another_game_is_refused_what_this_one_has(
    write: str, samples: Samples, given: Given, other_game_api: Api
) -> None:
    answer = expect_no_effect(samples.of(write), other_game_api, given)

    expect_out_of_reach(answer, "what the request names")


@requirement("AUTH-7")
@pytest.mark.parametrize("write", WRITES)
def test_what_another_game_does_is_not_done_here(
    write: str, samples: Samples, given: Given, other_game_api: Api
) -> None:
    sample = samples.of(write)

    expect_no_effect(sample, other_game_api, given)
    samples.expect_first(sample, "only another game was asked for the same before")


@requirement("AUTH-7")
def test_a_player_of_another_game_is_unknown_here(
    given: Given, api: Api, other_game_api: Api, names: Names, world: World
) -> None:
    there, stranger = Given(other_game_api, names, world), names.player()
    created = other_game_api.create_grant(stranger, there.grant_body())
    assume(created.status == 201, IT_LACKS)
    before, shown = there.state(stranger), there.profile(stranger)
    expect_status(api.get_player(stranger), 404, because="only another game has the player")
    expect_status(api.export_player(stranger), 404, because="only another game has the player")

    expect_unknown_here(lambda: Oracle(api, given), stranger, str(created.data["id"]))

    expect_unchanged(before, there.state(stranger), "the player of the other game")
    again = mention(there.profile(stranger), created.data["id"])
    expect_equal(again, mention(shown, created.data["id"]), "the grant in the other game's profile")


@requirement("AUTH-7")
def test_a_key_of_another_game_erases_no_player_of_this_one(
    given: Given, other_game_api: Api
) -> None:
    player = given.player()
    before = given.state(player)

    answer = other_game_api.delete_player(player, {"reason": "test"})

    expect_success_or_refusal(
        answer,
        200,
        403,
        404,
        because="no player of the other game has the id",
        status="no_op_never_existed",
    )
    expect_unchanged(before, given.state(player), "the player of this game")


@requirement("AUTH-7")
def test_a_player_erased_in_another_game_never_was_in_this_one(
    given: Given, api: Api, other_game_api: Api, player: str
) -> None:
    row = {"externalPlayerId": player, "idempotencyKey": given.names.key()}
    other_game_api.migrate_players({"rows": [row]})
    erased = other_game_api.delete_player(player, {"reason": "test"})
    assume(erased.status == 200, "the other game erases nobody")

    answer = api.delete_player(player, {"reason": "test"})

    expect_fields(answer.data, status="no_op_never_existed", playerId=None)


@requirement("AUTH-7")
def test_one_id_and_one_key_are_two_imports_in_two_games(given: Given, other_game_api: Api) -> None:
    row = {"externalPlayerId": given.names.player(), "idempotencyKey": given.names.key()}

    here = given.api.migrate_players({"rows": [row]})
    there = other_game_api.migrate_players({"rows": [row]})

    expect_fields(here.data, applied=1)
    expect_fields(there.data, applied=1)
    for client in (given.api, other_game_api):
        banned = client.ban_player(row["externalPlayerId"], {"reason": "x"})
        expect_fields(banned.data, applied=True)


MISSING_KEY = (400, 404)
IT_LACKS = "the other game lacks the first declared item or currency"


@requirement("AUTH-7")
def test_one_key_is_two_grants_in_two_games(given: Given, other_game_api: Api, player: str) -> None:
    body = given.grant_body()
    here = given.grant(player, body)

    there = other_game_api.create_grant(player, body)

    assume(there.status not in MISSING_KEY, IT_LACKS)
    expect_status(there, 201, because="the key was never used in that game")
    given.acked(player, here["id"])
    pending = row_of(other_game_api.export_player(player).data["grants"], there.data["id"]) or {}
    expect_equal(pending.get("status"), "pending", "the other game's grant after an ack here")


@requirement("AUTH-7")
def test_one_key_is_two_changes_of_holdings_in_two_games(
    ledger: Ledger, other_game_api: Api, names: Names, world: World
) -> None:
    there = Ledger(ledger.name, Given(other_game_api, names, world))
    player, key = ledger.filled(100), names.key()
    ledger.increment(player, 5, idempotencyKey=key)

    answer = there.increment(player, 7, idempotencyKey=key)

    assume(answer.status not in MISSING_KEY, IT_LACKS)
    expect_status(answer, 200, because="the key was never used in that game")
    expect_equal((ledger.held(player), there.held(player)), (105, 7), "the holdings in both games")


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


@requirement("AUTH-7")
def test_one_key_is_two_lobbies_in_two_games(
    given: Given, api: Api, other_game_api: Api, player: str
) -> None:
    event, body = given.world.event("lobby_event"), given.lobby_body([player], capacity=4)
    there = str(other_game_api.ping().body["apiKey"]["gameId"])
    elsewhere = other_game_api.create_lobby(event, body, game=there)
    assume(elsewhere.status == 201, "the other game has no such event")

    answer = api.create_lobby(event, body)

    expect_status(answer, 201, because="only another game used the key")
    other = str(elsewhere.data["id"])
    expect_that(str(answer.data["id"]) != other, "a lobby of this game", f"the lobby {other}")
    expect_equal(given.lobbies(player), [str(answer.data["id"])], "the lobbies of the player here")

"""ERR: how the API reports failures, and that no input crashes it."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from conformance.failures import Blocked, Inconclusive
from conformance.testkit import (
    BASE_PATH,
    JSON,
    Answer,
    Api,
    Given,
    ImportBatch,
    Ledger,
    Names,
    Request,
    Samples,
    assume,
    expect_below_500,
    expect_code,
    expect_envelope,
    expect_equal,
    expect_status,
    expect_that,
    expect_unchanged,
    expect_unknown,
    harmless,
    long_text,
    requirement,
)

CODES = {
    400: ("validation_failed", "invalid_metric"),
    404: ("not_found",),
    409: ("conflict", "idempotency_conflict", "event_disabled"),
    422: ("conflict",),
}
"""The error codes that fit a status, for failures of a request with a valid key."""


def reused_key(given: Given) -> Answer:
    player, body = given.names.player(), given.grant_body()
    given.grant(player, body)
    return given.api.create_grant(player, {**body, "sourceRefId": "another"})


def merge_with_itself(given: Given) -> Answer:
    player = given.player()
    return given.api.merge_player(player, player)


FAILURES: dict[str, tuple[str, Callable[[Given], Answer]]] = {
    "bad_body": ("GRANT-7", lambda given: given.api.create_grant(given.names.player(), {})),
    "unknown_player": ("EXP-2", lambda given: given.api.export_player(given.names.player())),
    "unknown_lobby": ("LOBBY-9", lambda given: given.api.get_lobby("lobby-of-nobody")),
    "unknown_event": ("LOBBY-4", lambda given: create_lobby(given, "event-of-nobody")),
    "empty_wallet": (
        "LEDGER-2",
        lambda given: Ledger("wallet", given).decrement(given.names.player(), 1),
    ),
    "reused_key": ("GRANT-3", reused_key),
    "merge_with_itself": ("MERGE-7", merge_with_itself),
}
"""Calls that fail, each with the requirement that says so."""


def create_lobby(given: Given, event: str) -> Answer:
    return given.api.create_lobby(event, given.lobby_body([given.names.player()]))


def failed(name: str, given: Given) -> Answer:
    """The failure; Blocked by its requirement if the call succeeds."""
    promised_by, call = FAILURES[name]
    answer = call(given)
    if answer.status < 300:
        raise Blocked(promised_by, "a failure", f"status {answer.status}")
    return answer


@requirement("ERR-1")
@pytest.mark.parametrize("fail", list(FAILURES))
def test_a_failure_carries_the_envelope(fail: str, given: Given) -> None:
    expect_envelope(failed(fail, given))


@harmless
@requirement("ERR-1")
def test_an_unknown_path_carries_the_envelope(api: Api) -> None:
    known = api.request("ping")
    request = Request("", "GET", BASE_PATH + "/kc-nothing/here", known.headers, b"")

    answer = Answer(api.send(request))

    refused = 400 <= answer.status < 500
    expect_that(refused, "a refusal, since there is no such path", f"status {answer.status}")
    expect_envelope(answer)


@requirement("ERR-1")
def test_a_method_that_a_path_lacks_carries_the_envelope(
    operation: str, samples: Samples, api: Api
) -> None:
    known = samples.minimal(operation).request(api)

    answer = Answer(api.send(Request("", "PATCH", known.target, known.headers, b"")))

    assume(answer.status >= 300, f"the path of {operation} has a PATCH on this server")
    expect_envelope(answer)


ACCEPTED: dict[str, tuple[tuple[str, str], ...]] = {
    "nothing said": (),
    "anything": (("Accept", "*/*"),),
    "what a browser takes": (("Accept", "text/html,application/xml;q=0.9,*/*;q=0.8"),),
}
"""What a client may say that it accepts."""


@requirement("ERR-1")
@pytest.mark.parametrize("accepts", list(ACCEPTED))
def test_a_refusal_carries_the_envelope_whatever_one_accepts(
    operation: str, accepts: str, samples: Samples, api: Api
) -> None:
    nobody = api.with_token("ksk_kc.unknown")
    usual = samples.minimal(operation).request(nobody)
    kept = tuple(pair for pair in usual.headers if pair[0] != "Accept")

    answer = Answer(nobody.send(replace(usual, headers=(*kept, *ACCEPTED[accepts]))))

    expect_envelope(answer)


@requirement("ERR-1")
@pytest.mark.parametrize("accepts", list(ACCEPTED))
def test_what_is_not_found_carries_the_envelope_whatever_one_accepts(
    accepts: str, samples: Samples, api: Api
) -> None:
    for operation in ("getPlayer", "exportPlayer", "ackGrant", "unbanPlayer", "mergePlayer"):
        usual = samples.minimal(operation).request(api)
        kept = tuple(pair for pair in usual.headers if pair[0] != "Accept")

        answer = Answer(api.send(replace(usual, headers=(*kept, *ACCEPTED[accepts]))))

        expect_envelope(answer)


@requirement("ERR-2")
@pytest.mark.parametrize("fail", list(FAILURES))
def test_the_code_fits_the_status(fail: str, given: Given) -> None:
    answer = failed(fail, given)

    expect_status(answer, *CODES, because="these are the failures of a request with a valid key")
    expect_code(answer, *CODES[answer.status])


@requirement("ERR-2")
def test_a_disabled_event_has_its_code(given: Given) -> None:
    answer = create_lobby(given, given.world.event("disabled_event"))

    assume(answer.status == 409, "the disabled event is not refused with 409")
    expect_code(answer, "event_disabled")


DEEP = 100_000

RAW: dict[str, bytes] = {
    "empty": b"",
    "white space": b"  \n",
    "truncated": b'{"idempotencyKey": "k", "entries": [{"type"',
    "trailing comma": b'{"amount": 1,}',
    "two documents": b'{"amount": 1}{"amount": 1}',
    "a word": b"nonsense",
    "invalid UTF-8": b'{"reason": "\xff\xfe\xc3("}',
    "UTF-16": '{"reason": "x"}'.encode("utf-16"),
    "lone surrogate": b'{"reason": "\\ud800", "idempotencyKey": "\\udfff"}',
    "NUL": b'{"reason": "a\\u0000b", "idempotencyKey": "\\u0000"}',
    "raw NUL": b'{"reason": "a\x00b"}',
    "duplicate keys": b'{"reason": "a", "reason": {"b": 1}, "amount": 1, "amount": []}',
    "NaN": b'{"amount": NaN, "quantity": Infinity}',
    "1e400": b'{"amount": 1e400, "quantity": -1e400, "capacity": 1e400}',
    "huge integer": b'{"amount": ' + b"9" * 5000 + b', "quantity": ' + b"9" * 5000 + b"}",
    "deep arrays": b"[" * DEEP + b"]" * DEEP,
    "deep objects": b'{"metadata":' * DEEP + b"1" + b"}" * DEEP,
    "array": b"[]",
    "string": b'"text"',
    "number": b"17",
    "null": b"null",
    "wrong types": b'{"entries": {}, "rows": {}, "key": [], "reason": {}, "amount": {}}',
    "null rows": b'{"rows": [null, 1, "x", [], {}]}',
    "prototype": b'{"__proto__": {"a": 1}, "constructor": {"prototype": {}}}',
}


LONG = b'{"reason": TEXT, "idempotencyKey": TEXT, "key": TEXT, "amount": 1, "quantity": 1}'.replace(
    b"TEXT", b'"' + b"x" * 2**20 + b'"'
)


def expect_no_crash(api: Api, requests: Iterable[tuple[str, Request]]) -> None:
    """No request is answered with 500 or above; the names of all that are get reported.

    The exchanges of the other requests are forgotten. If the network fails one request, the others
    are still tried.
    """
    crashed, undecided = list[str](), list[Inconclusive]()
    for kind, request in requests:
        try:
            exchange = api.send_repeatable(request)
        except Inconclusive as error:
            undecided.append(error)
            continue
        if Answer(exchange).status >= 500:
            crashed.append(f"{Answer(exchange).status} for {kind}")
        api.channel.recorder.restart()
    expect_that(not crashed, "every answer to be below 500", ", ".join(crashed))
    if undecided:
        raise undecided[0]


@requirement("ERR-3")
def test_no_body_breaks_an_operation(operation: str, samples: Samples, api: Api) -> None:
    expect_no_crash(
        api, ((kind, samples.minimal(operation).request(api, raw)) for kind, raw in RAW.items())
    )


@requirement("ERR-3")
def test_no_long_string_breaks_an_operation(operation: str, samples: Samples, api: Api) -> None:
    expect_below_500(Answer(api.send_repeatable(samples.minimal(operation).request(api, LONG))))


@requirement("ERR-3")
@pytest.mark.parametrize("length", [201, 256, 1025, 3000, 9000, 70_000])
def test_no_long_key_breaks_an_operation(length: int, samples: Samples, api: Api) -> None:
    requests = []
    for operation in ("createGrant", "createLobby", "creditWallet", "grantItem", "migrateWallet"):
        sample = samples.full(operation)
        text = json.dumps(sample.body)
        for name in ("idempotencyKey", "key", "sourceRefId", "reason"):
            text = re.sub(rf'"{name}": "([^"]*)"', f'"{name}": "\\1{long_text(length)}"', text)
        requests.append((operation, sample.request(api, text.encode())))

    expect_no_crash(api, requests)


EMPTY = b'""'
LONGEST_ID = 1000
ODD_TEXTS = {
    "NUL": b'"NAMEa\\u0000b"',
    "lone surrogate": b'"NAME\\ud800"',
    "control characters": b'"NAME\\u0007\\u001b[31m\\u202e"',
    "1 MiB": b'"NAME' + b"x" * 2**20 + b'"',
    "empty": EMPTY,
}


def places_for(text: bytes, body: Any) -> list[tuple[Any, ...]]:
    """The places in a body where a text, given as raw JSON, may be put.

    No player gets an empty or very long id: a path could not hold it, so nothing could erase them.
    """
    unfit = text == EMPTY or len(text) > LONGEST_ID
    players = {"externalPlayerId", "externalPlayerIds"}
    return [path for path in text_paths(body) if not (unfit and players & set(path))]


def with_text(body: Any, path: tuple[Any, ...], text: bytes) -> bytes:
    """The body with the text at `path` replaced by raw JSON."""
    mark = "kc-replace-me"
    return json.dumps(replaced(body, path, mark)).encode().replace(f'"{mark}"'.encode(), text)


def text_paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of the texts in a JSON value."""
    if isinstance(value, str):
        yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from text_paths(item, (*path, key))
    if isinstance(value, list):
        for place, item in enumerate(value):
            yield from text_paths(item, (*path, place))


def replaced(value: Any, path: tuple[Any, ...], text: str) -> Any:
    """The value with the text at `path` replaced."""
    if not path:
        return text
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], text)
    return copy


def with_odd_texts(
    operation: str, samples: Samples, api: Api, names: Names
) -> Iterator[tuple[str, Request]]:
    """Valid calls of an operation, each with its own players and keys, and with one odd text."""
    usual = samples.full(operation).body
    for kind, raw in ODD_TEXTS.items():
        for path in places_for(raw, usual):
            sample, text = samples.full(operation), raw.replace(b"NAME", names.player().encode())
            body = with_text(sample.body, path, text)
            yield f"{kind} in {'.'.join(map(str, path))}", sample.request(api, body)


@requirement("ERR-3")
def test_no_text_in_a_good_body_breaks_an_operation(
    operation: str, samples: Samples, api: Api, names: Names
) -> None:
    texts = list(text_paths(samples.full(operation).body))
    assume(bool(texts), f"{operation} takes no body with a text in it")

    expect_no_crash(api, with_odd_texts(operation, samples, api, names))


DEEPER = "kc-goes-deeper"
"""What a deep value replaces in a body."""


def deep_bodies(given: Given) -> dict[str, tuple[str, dict[str, Any]]]:
    """Each free-form value of a body, by name: the operation, and a body that has it."""
    lobby = given.lobby_body([given.names.player()], metadata=DEEPER)
    bodies = {
        "metadata of a grant": ("createGrant", given.grant_body(metadata=DEEPER)),
        "metadata of a lobby": ("createLobby", lobby),
        "snapshot": ("migratePlayers", imported(given, "players", contextSnapshot=DEEPER)),
    }
    if given.world.items:
        item = {"type": "item", "itemKey": given.world.items[0], "quantity": 1}
        entries = [{**item, "parameters": DEEPER}]
        bodies["parameters of an entry"] = ("createGrant", given.grant_body(entries=entries))
        row = imported(given, "inventory", parameters=DEEPER)
        bodies["parameters of a row"] = ("migrateInventory", row)
    return bodies


def imported(given: Given, name: str, **fields: Any) -> dict[str, Any]:
    """The body of an import of one row with these fields."""
    return {"rows": [{**ImportBatch(name, given).row(given.names.player()), **fields}]}


@requirement("ERR-3")
@pytest.mark.parametrize("levels", [100, 500, 900, 3000])
def test_no_depth_in_a_good_body_breaks_an_operation(
    levels: int, samples: Samples, given: Given, api: Api
) -> None:
    deep = b'{"a":' * levels + b"1" + b"}" * levels
    requests = []
    for name, (operation, body) in deep_bodies(given).items():
        raw = json.dumps(body).encode().replace(json.dumps(DEEPER).encode(), deep)
        requests.append((name, samples.minimal(operation).request(api, raw)))

    expect_no_crash(api, requests)


@requirement("ERR-3")
def test_no_depth_that_was_taken_breaks_a_read(given: Given, api: Api) -> None:
    player, deep = given.names.player(), b'{"a":' * 200 + b"1" + b"}" * 200
    body = {"rows": [{**ImportBatch("players", given).row(player), "contextSnapshot": DEEPER}]}
    raw = json.dumps(body).encode().replace(json.dumps(DEEPER).encode(), deep)

    expect_below_500(api.call("migratePlayers", raw))
    expect_below_500(api.export_player(player))
    expect_below_500(api.get_player(player))


@requirement("ERR-3")
@pytest.mark.parametrize(
    "instant",
    [
        *("9999-12-31T23:59:59-14:00", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00"),
        *("10000-01-01T00:00:00Z", "-0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
        *("2051-12-31T23:59:60Z", "2051-01-01T00:00:00.123456789012Z", "2051-01-01T00:00:00+99:99"),
    ],
)
def test_no_instant_breaks_a_grant(instant: str, given: Given, api: Api, player: str) -> None:
    expect_below_500(api.create_grant(player, given.grant_body(expiresAt=instant)))
    expect_below_500(api.get_player(player))
    expect_below_500(api.export_player(player))


@requirement("ERR-3")
@pytest.mark.parametrize("segment", ["%00", "%FF%FE", "%ED%A0%80", "%0D%0AX:%20y"])
def test_no_path_breaks_a_write(segment: str, samples: Samples, given: Given, api: Api) -> None:
    stem = given.names.player()
    for operation in ("createGrant", "banPlayer", "deletePlayer", "creditWallet"):
        known = samples.minimal(operation).request(api)
        path = f"{BASE_PATH}/players/{stem}{segment}/" + known.target.split("/", 5)[5]
        request = Request("", "POST", path, known.headers, known.body)

        expect_below_500(Answer(api.send_repeatable(request)))


QUERIES = (
    "%",
    "%zz",
    "%FF%FE",
    "%00=%00",
    "=",
    "&&",
    "limit",
    "limit[]=1",
    "limit=1&limit=x",
    "a" * 3000,
)
"""What may follow the question mark, whatever it means."""


@requirement("ERR-3")
def test_no_query_breaks_an_operation(operation: str, samples: Samples, api: Api) -> None:
    known = samples.minimal(operation).request(api)

    expect_no_crash(
        api, ((query, replace(known, target=f"{known.target}?{query}")) for query in QUERIES)
    )


@requirement("ERR-3")
def test_no_content_type_breaks_an_operation(operation: str, samples: Samples, api: Api) -> None:
    usual = api.request("ping").headers
    headers = {
        "text": (*usual, ("Content-Type", "text/plain")),
        "XML": (*usual, ("Content-Type", "application/xml")),
        "nonsense": (*usual, ("Content-Type", "nonsense")),
        "none": usual,
    }
    known = samples.minimal(operation).request(api, b'{"reason": "x"}')

    expect_no_crash(api, ((kind, replace(known, headers=sent)) for kind, sent in headers.items()))


@requirement("ERR-3")
@pytest.mark.parametrize(
    "segment", ["%00", "%FF%FE", "%ED%A0%80", "%0D%0AX:%20y", "%", "%zz", "a" * 8000]
)
def test_no_path_breaks_a_read(segment: str, api: Api) -> None:
    known = api.request("ping")
    request = Request("", "GET", f"{BASE_PATH}/players/{segment}", known.headers, b"")

    expect_below_500(Answer(api.send_repeatable(request)))


def broken_bodies(schema: dict[str, Any], good: dict[str, Any]) -> list[Any]:
    """Bodies that break a schema: no object, a missing required field, a field of a wrong type."""
    missing = [
        {name: value for name, value in good.items() if name != left_out}
        for left_out in schema.get("required", [])
    ]
    wrong = [{**good, name: WRONG_FOR[kind(rule)]} for name, rule in schema["properties"].items()]
    return [[], "text", 17, *missing, *wrong]


def kind(rule: dict[str, Any]) -> str:
    """The JSON type of a property; references are always to objects here."""
    return str(rule.get("type", "object"))


WRONG_FOR: dict[str, Any] = {
    "string": {"not": "a string"},
    "integer": "not a number",
    "boolean": "not a boolean",
    "array": "not a list",
    "object": "not an object",
}


@requirement("ERR-4")
def test_a_body_that_breaks_the_schema_gets_400_and_changes_nothing(
    operation: str, samples: Samples, given: Given, api: Api
) -> None:
    known = api.channel.spec.operations[operation]
    schema = dict(known.body_schema or {})
    assume(bool(schema) and 400 in known.statuses, f"{operation} documents no body to break")
    sample = samples.of(operation)
    before = given.states(sample.players)

    for body in broken_bodies(schema, dict(sample.body or {})):
        answer = sample.call(api, body)
        expect_status(answer, 400, because="the body breaks the documented schema")

    expect_unchanged(before, given.states(sample.players), "the players after refused bodies")


@requirement("ERR-4")
@pytest.mark.parametrize(
    "creating", ["createGrant", "creditWallet", "debitWallet", "grantItem", "revokeItem"]
)
def test_a_body_that_breaks_the_schema_makes_nobody_known(
    creating: str, samples: Samples, given: Given, api: Api
) -> None:
    known, sample = api.channel.spec.operations[creating], samples.of(creating)
    path = {**sample.path, "externalId": given.names.player()}

    for body in broken_bodies(dict(known.body_schema or {}), dict(sample.body or {})):
        api.call(creating, body, path=path)

    expect_unknown(given.state(path["externalId"]), "the player of refused bodies")


@requirement("ERR-4")
@pytest.mark.parametrize("text", [b'{"reason": ', b"nonsense", b'{"reason": NaN}'])
def test_a_body_that_is_no_json_gets_400_and_bans_nobody(
    text: bytes, given: Given, api: Api
) -> None:
    player = given.player()

    answer = api.call("banPlayer", text, path={"externalId": player})

    expect_status(answer, 400, because="the body is not JSON")
    expect_equal(answer.response.media_type, JSON, "the content type")
    banned = api.ban_player(player, {"reason": "now"}).data
    expect_equal(banned["applied"], True, "applied of the first valid ban")

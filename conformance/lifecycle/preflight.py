"""Before any verdict: is there a server, does it take the key, and is the target file right?

What is wrong here is *configuration*: reported in the words of the target file, blamed on nobody.
"""

from collections.abc import Callable, Iterator

from conformance.client.api import Answer, Api
from conformance.client.channel import Channel
from conformance.failures import Blocked, Inconclusive, Mismatch, NotExercised, Unreachable
from conformance.settings.run import Identity, Run
from conformance.testkit.given import Given

UNKNOWN = ("not_found", "invalid_metric")
"""Error codes of a thing that is not there."""
UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"
"""OpenSSL's word for a certificate of an authority that is not trusted."""


def identify(channel: Channel, token: str) -> Identity:
    """Ask `/ping` who the server key is.

    Unreachable where nobody answers, the key is refused, or what answers is no Kraty API. A
    server whose ping is broken but which otherwise speaks the API is let through: PING-1 is the
    place to say so.
    """
    base_url = channel.transport.base_url
    try:
        answer = Api(channel, token, "").ping()
        if answer.status in (401, 403):
            raise Unreachable(
                f"{base_url} refuses the server key with {answer.status} "
                f"({answer.code or 'no error code'}); check the key and its permission set"
            )
        if answer.status != 200 and not _speaks_the_api(channel):
            raise Unreachable(
                f"{base_url} answers /server/v1/ping with {answer.status}; is the base URL right?"
            )
        return identity_of(answer)
    except (Inconclusive, Mismatch) as failure:
        hint = "; --ca FILE trusts another authority" if UNTRUSTED in str(failure) else ""
        raise Unreachable(f"{base_url} does not answer: {failure}{hint}") from None


def _speaks_the_api(channel: Channel) -> bool:
    """Whether another operation asks for a key; a path that nobody serves does not."""
    answer = Api(channel, None, "").get_player("kc-nobody")
    return answer.status == 401 and answer.code is not None


def identity_of(answer: Answer) -> Identity:
    """What a ping tells about its key."""
    body = answer.body if isinstance(answer.body, dict) else {}
    key = body.get("apiKey")
    if not isinstance(key, dict):
        return Identity()

    def text(name: str) -> str | None:
        value = key.get(name)
        return value if isinstance(value, str) else None

    return Identity(text("prefix"), text("environment"), text("studioId"), text("gameId"))


def environments(run: Run, channel: Channel) -> dict[str, str | None]:
    """The environments of further keys that the run writes with, as `/ping` tells them."""
    roles = [role for role in ("throttled", "other_game") if role in run.target.keys]
    try:
        pings = {role: Api(channel, run.target.token(role), "").ping() for role in roles}
    except (Inconclusive, Mismatch, Blocked):
        return {}
    return {role: identity_of(answer).environment for role, answer in pings.items()}


def misconfigured(run: Run, channel: Channel, *, writes: bool) -> list[str]:
    """What the target file says and the server does not confirm, a line for each.

    The keys are tried on `/ping`; where the run may write, the world is tried on a player of the
    run's own. A server that answers oddly is left to the scenarios, which can blame it.
    """
    try:
        return [*_keys(run, channel), *(_world(run, channel) if writes else ())]
    except (Inconclusive, Mismatch, Blocked, NotExercised):
        return []


def _keys(run: Run, channel: Channel) -> Iterator[str]:
    judges: dict[str, Callable[[Run, Answer], str | None]] = {
        "throttled": _same_game,
        "client": _of_a_client,
        "revoked": _revoked,
        "other_game": _other_game,
    }
    for role, judge in judges.items():
        if role in run.target.keys:
            problem = judge(run, Api(channel, run.target.token(role), "").ping())
            if problem:
                yield f"keys.{role}: {problem}"


def _refused(answer: Answer) -> str | None:
    if answer.status in (401, 403):
        return f"the server refuses it with {answer.status} ({answer.code or 'no error code'})"
    return None


def _same_game(run: Run, answer: Answer) -> str | None:
    game = identity_of(answer).game_id
    if answer.status == 200 and run.identity.prefix and game != run.identity.game_id:
        return f"it belongs to game {game}, the server key to {run.identity.game_id}"
    return _refused(answer)


def _other_game(run: Run, answer: Answer) -> str | None:
    own, other = run.identity, identity_of(answer)
    same = (own.studio_id, own.game_id) == (other.studio_id, other.game_id)
    if answer.status == 200 and own.prefix and same:
        return f"it belongs to the same studio and game as the server key ({own.game_id})"
    return _refused(answer)


def _of_a_client(_: Run, answer: Answer) -> str | None:
    body = answer.body if isinstance(answer.body, dict) else {}
    key = body.get("apiKey")
    permissions = key.get("permissionSet") if isinstance(key, dict) else None
    if answer.status == 200 and permissions == "server_integration":
        return "its permission set is server_integration, not client_sdk"
    return "the server does not know it (401)" if answer.status == 401 else None


def _revoked(_: Run, answer: Answer) -> str | None:
    return "the server accepts it, so it is not revoked" if answer.status == 200 else None


def _world(run: Run, channel: Channel) -> Iterator[str]:
    """Each declared thing is used once, for one new player."""
    world = run.target.world
    api = Api(channel, run.target.token("server"), run.identity.game_id or "", retries_writes=True)
    given = Given(api, run.names("preflight"), world)
    player = given.player()
    uses: list[tuple[str, tuple[str, ...], Callable[[str], Answer]]] = [
        ("currencies", world.currencies, lambda key: api.credit_wallet(player, key, {"amount": 1})),
        ("items", world.items, lambda key: api.grant_item(player, key, {"quantity": 1})),
        ("crates", world.crates, lambda key: api.create_grant(player, _crate(given, key))),
    ]
    for name, keys, use in uses:
        for key in keys:
            answer = use(key)
            if answer.status in (400, 404) and answer.code in UNKNOWN:
                yield f"world.{name}: the server does not know {key!r} ({answer.status})"
    yield from _events(api, given, player)


def _crate(given: Given, key: str) -> dict[str, object]:
    entry = {"type": "crate", "crateItemKey": key, "quantity": 1}
    return {"idempotencyKey": given.names.key(), "entries": [entry]}


def _events(api: Api, given: Given, player: str) -> Iterator[str]:
    for name in ("lobby_event", "other_mode_event", "disabled_event"):
        try:
            event = given.world.event(name)
        except NotExercised:
            continue
        if not api.game_id:
            continue
        answer = api.create_lobby(event, {"key": given.names.key(), "externalPlayerIds": [player]})
        if answer.status == 404:
            yield f"world.{name}: the server does not know {event!r} (404)"
        elif name == "lobby_event" and answer.status == 409:
            code = answer.code or "no error code"
            yield f"world.{name}: {event!r} takes no lobby (409 {code})"

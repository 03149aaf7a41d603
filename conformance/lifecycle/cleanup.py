"""Erases the players of a run."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from conformance import resources
from conformance.client.api import Api
from conformance.client.channel import Channel, PacedTransport
from conformance.client.created_players import Player, created_in, is_own, keep_only
from conformance.client.recorder import Recorder
from conformance.contract.openapi import load_spec
from conformance.failures import UsageError
from conformance.http.redaction import Redactor
from conformance.lifecycle.preflight import identify
from conformance.report.recovery import document_of
from conformance.settings.run import prefix_of
from conformance.settings.target import load_target, target_of_url
from conformance.testkit.expect import describe

AT_ONCE = 8
GONE, NEVER = "gone", "never existed"
REFUSED = (400, 404, 422)
"""How a server refuses an id that nobody can have."""


@dataclass(frozen=True)
class Cleaned:
    """How many players a run created, how many of them were erased, and who is left.

    `refusal` says how the server answered where one of them could not be erased.
    """

    created: int
    erased: int
    left: tuple[Player, ...] = ()
    refusal: str | None = None


def erase(
    api_with: Mapping[str, Api],
    players: Iterable[Player],
    prefix: str,
    note: Callable[[int, int], None] = lambda *_: None,
) -> Cleaned:
    """Erase players, a few at a time; `api_with` are clients by role.

    `note` is called with the number of players that are dealt with, and of all.

    Nobody whose id does not begin with the run's prefix is touched. A Ctrl-C ends it early. Who
    never existed counts neither as created nor as left.
    """
    own = [player for player in players if is_own(player[1], prefix)]
    fates: dict[Player, str] = {}

    def one(player: Player) -> None:
        role, id = player
        if role in api_with and not api_with[role].channel.transport.health.gone:
            with suppress(Exception):  # the next one may still be erased
                fates[player] = _erase(api_with[role].with_retries(), id)
            api_with[role].channel.recorder.restart()  # what it kept would be compared each time
        note(len(fates), len(own))

    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        list(pool.map(one, own))
    except KeyboardInterrupt:
        pool.shutdown(cancel_futures=True)
    finally:
        pool.shutdown()
    left = tuple(player for player in own if fates.get(player) not in (GONE, NEVER))
    erased = sum(fate == GONE for fate in fates.values())
    refusals = (fates[player] for player in left if player in fates)
    return Cleaned(erased + len(left), erased, left, next(refusals, None))


def _erase(api: Api, id: str) -> str:
    """Erase one player: `GONE`, `NEVER` for one that never existed, or how that was refused."""
    answer = api.delete_player(id, {"reason": "test"})
    if answer.status == 200:
        data = answer.body.get("data") if isinstance(answer.body, dict) else None
        never = isinstance(data, dict) and data.get("status") == "no_op_never_existed"
        return NEVER if never else GONE
    if answer.status in REFUSED and api.get_player(id).status in REFUSED:
        return NEVER  # an id that the server does not take, for which it can have no player
    return describe(answer)


def clean_directory(
    directory: Path, target_file: Path | None, environment: Mapping[str, str]
) -> Cleaned:
    """Erase the players of the run whose directory this is; its files keep who is left.

    UsageError for a directory that no run left, or a target that is another server; Unreachable
    where the server does not answer.
    """
    document = document_of(directory)
    base_url, prefix = document.target.base_url, prefix_of(document.run.id)
    target = (
        load_target(target_file, environment)
        if target_file
        else target_of_url(base_url, environment, document.target.key_variables)
    )
    if target.base_url != base_url:
        raise UsageError(f"the run was against {base_url}, the target is {target.base_url}")
    left = created_in(directory)
    transport = PacedTransport(base_url, connecting=target.connecting)
    try:
        channel = Channel(
            transport, load_spec(resources.spec_file()), Redactor(target.keys), Recorder()
        )
        identity = identify(channel, target.token("server"))
        if identity.game_id != document.target.game_id:
            found = f"game {document.target.game_id}, the server key to game {identity.game_id}"
            raise UsageError(f"the run's players belong to {found}")
        erasers = {role: Api(channel, token, "") for role, token in target.keys.items()}
        done = erase(erasers, left, prefix)
    finally:
        transport.close()
    keep_only(directory, done.left)
    return done

"""Erases the players of a run."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
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

AT_ONCE = 4
NEVER = "no_op_never_existed"


@dataclass(frozen=True)
class Cleaned:
    """How many players a run created, how many of them were erased, and who is left."""

    created: int
    erased: int
    left: tuple[Player, ...] = ()


def erase(api_with: Mapping[str, Api], players: Iterable[Player], prefix: str) -> Cleaned:
    """Erase players, a few at a time; `api_with` are clients by role.

    Nobody whose id does not begin with the run's prefix is touched. A Ctrl-C ends it early.
    """
    own = [player for player in players if is_own(player[1], prefix)]
    gone: set[Player] = set()
    never: set[Player] = set()

    def one(player: Player) -> None:
        role, id = player
        if role not in api_with or api_with[role].channel.transport.health.gone:
            return
        try:
            answer = api_with[role].delete_player(id, {"reason": "test"})
        except Exception:
            return
        if answer.status == 200:
            body = answer.body if isinstance(answer.body, dict) else {}
            status = (body.get("data") or {}).get("status")
            (never if status == NEVER else gone).add(player)

    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        list(pool.map(one, own))
    except KeyboardInterrupt:
        pool.shutdown(cancel_futures=True)
    finally:
        pool.shutdown()
    left = tuple(player for player in own if player not in gone | never)
    return Cleaned(len(own) - len(never), len(gone), left)


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
        else target_of_url(base_url, environment)
    )
    if target.base_url != base_url:
        raise UsageError(f"the run was against {base_url}, the target is {target.base_url}")
    left = created_in(directory)
    transport = PacedTransport(base_url)
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

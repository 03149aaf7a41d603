"""Erases the players of a run."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from conformance.client import Api
from conformance.players import Player, is_own

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
        if role not in api_with or api_with[role].line.wire.path.gone:
            return
        try:
            answer = api_with[role].delete_player(id, {"reason": "test"})
        except Exception:
            return
        if answer.status == 200:
            body = answer.body if isinstance(answer.body, dict) else {}
            told = (body.get("data") or {}).get("status")
            (never if told == NEVER else gone).add(player)

    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        list(pool.map(one, own))
    except KeyboardInterrupt:
        pool.shutdown(cancel_futures=True)
    finally:
        pool.shutdown()
    left = tuple(player for player in own if player not in gone | never)
    return Cleaned(len(own) - len(never), len(gone), left)

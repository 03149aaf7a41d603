"""Erases the players of a run."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from conformance.client import Api
from conformance.players import Player

AT_ONCE = 4


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
    own = [player for player in players if player[1].casefold().startswith(prefix)]
    gone: set[Player] = set()

    def one(player: Player) -> None:
        role, id = player
        if role not in api_with:
            return
        try:
            answer = api_with[role].delete_player(id, {"reason": "test"})
        except Exception:
            return
        if answer.status == 200:
            gone.add(player)

    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        list(pool.map(one, own))
    except KeyboardInterrupt:
        pool.shutdown(cancel_futures=True)
    finally:
        pool.shutdown()
    return Cleaned(len(own), len(gone), tuple(player for player in own if player not in gone))

"""What may have happened to a player before, and the calls that must keep the contract after it."""

from collections.abc import Callable
from functools import partial

from conformance.fuzzing.model import LEDGERS
from conformance.fuzzing.oracle import Oracle

History = Callable[[Oracle, str, str], None]
"""Brings a player, who may know another one, into a state."""


def _never_seen(oracle: Oracle, player: str, other: str) -> None:
    """Nothing happened."""


def _erased(oracle: Oracle, player: str, _: str) -> None:
    oracle.change("wallet", player, 9)
    oracle.erase(player)


def _recreated(oracle: Oracle, player: str, other: str) -> None:
    _erased(oracle, player, other)
    oracle.change("inventory", player, 2)


def _merged_away(oracle: Oracle, player: str, other: str) -> None:
    oracle.change("wallet", player, 9)
    oracle.change("inventory", other, 4)
    oracle.merge(player, other)


def _recreated_after_merge(oracle: Oracle, player: str, other: str) -> None:
    _merged_away(oracle, player, other)
    oracle.create_grant(player, oracle.given.grant_body())


def _merged_into(oracle: Oracle, player: str, other: str) -> None:
    _merged_away(oracle, other, player)


def _merged_into_twice(oracle: Oracle, player: str, other: str) -> None:
    _merged_into(oracle, player, other)
    oracle.create_grant(other, oracle.given.grant_body())
    oracle.change("wallet", other, 5)
    oracle.merge(other, player)


def _emptied(oracle: Oracle, player: str, _: str) -> None:
    for ledger in LEDGERS:
        oracle.change(ledger, player, 6)
        oracle.change(ledger, player, -6)


def _banned(oracle: Oracle, player: str, _: str) -> None:
    oracle.change("wallet", player, 8)
    oracle.ban(player, "cheat")


def _unbanned(oracle: Oracle, player: str, other: str) -> None:
    _banned(oracle, player, other)
    oracle.unban(player)


def _banned_and_merged(oracle: Oracle, player: str, other: str) -> None:
    _banned(oracle, player, other)
    oracle.change("wallet", other, 1)
    oracle.merge(player, other)


def _banned_erased_and_recreated(oracle: Oracle, player: str, other: str) -> None:
    _banned(oracle, player, other)
    oracle.erase(player)
    oracle.change("wallet", player, 2)


def _acked(oracle: Oracle, player: str, _: str) -> None:
    oracle.ack(player, oracle.create_grant(player, oracle.given.grant_body()))


def _rostered(oracle: Oracle, player: str, other: str) -> None:
    oracle.create_lobby(oracle.given.names.key(), [player, other], 4)


def _imported(oracle: Oracle, player: str, _: str) -> None:
    for kind in ("players", *LEDGERS):
        oracle.migrate(kind, [(player, oracle.given.names.key(), 3)])


HISTORIES: dict[str, History] = {
    "never seen": _never_seen,
    "imported": _imported,
    "in a lobby": _rostered,
    "acked": _acked,
    "emptied": _emptied,
    "banned": _banned,
    "unbanned": _unbanned,
    "merged away": _merged_away,
    "recreated after a merge": _recreated_after_merge,
    "merged into": _merged_into,
    "merged into twice": _merged_into_twice,
    "banned and merged away": _banned_and_merged,
    "erased": _erased,
    "recreated": _recreated,
    "banned, erased and recreated": _banned_erased_and_recreated,
}


class Subject:
    """A player with a history, and calls about them; keys are used before and after it."""

    def __init__(self, oracle: Oracle) -> None:
        self.oracle, self.given = oracle, oracle.given
        self.player, self.other, self.third = (self.given.names.player() for _ in range(3))
        self.body, self.key = self.given.grant_body(), self.given.names.key()
        self.grant = "grant-of-nobody"

    def use_keys(self) -> None:
        """A grant and a change with keys that later calls use again."""
        self.grant = self.oracle.create_grant(self.player, self.body)
        self.oracle.change("wallet", self.player, 3, self.key)
        self.oracle.change("inventory", self.player, 3, self.key)

    def calls(self) -> list[Callable[[], object]]:
        """One call of each operation that may touch the player, and replays."""
        oracle, player, given = self.oracle, self.player, self.given
        new = given.grant_body(sourceRefId="new")
        calls: list[Callable[[], object]] = [
            partial(oracle.create_grant, player, self.body),
            partial(oracle.create_grant, player, {**self.body, "metadata": {"other": 1}}),
            partial(oracle.create_grant, player, new),
            *[partial(oracle.ack, player, self.grant)] * 2,
            partial(oracle.show, player),
            partial(oracle.ban, player, "again"),
            partial(oracle.unban, player),
            partial(oracle.merge, self.third, player),
            partial(oracle.merge, player, self.other),
            partial(oracle.merge, player, player),
            partial(oracle.erase, player),
        ]
        for ledger in LEDGERS:
            calls += [
                partial(oracle.change, ledger, player, 3, self.key),
                partial(oracle.change, ledger, player, 4, given.names.key()),
                partial(oracle.change, ledger, player, -2),
                partial(oracle.change, ledger, player, -(10**6), given.names.key()),
            ]
        for kind in ("players", *LEDGERS):
            calls += [partial(oracle.migrate, kind, [(player, given.names.key(), 2)])] * 2
        if given.world.lobby_event and oracle.api.game_id:
            seats = (given.names.key(), [player, self.third], 4)
            calls += [partial(oracle.create_lobby, *seats)] * 2
        return calls

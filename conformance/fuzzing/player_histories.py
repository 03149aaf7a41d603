"""What may have happened to a player before, and the calls that must keep the contract after it."""

from collections.abc import Callable
from functools import partial
from typing import Any

from conformance.fuzzing.model import LEDGERS
from conformance.fuzzing.oracle import Oracle
from conformance.testkit.given import Given
from conformance.testkit.ledgers import WORDS

Event = Callable[["Subject"], None]


class Subject:
    """A player, one whom they meet, and calls about them; keys are used before and after events."""

    def __init__(self, oracle: Oracle) -> None:
        self.oracle, self.given = oracle, oracle.given
        self.player, self.other, self.third = (self.given.names.player() for _ in range(3))
        self.key = self.given.names.key()
        self.body = self.given.grant_body(
            entries=self._entries(),
            kind="reward",
            sourceRefId="receipt 7",
            expiresAt="2051-02-28T23:59:59.5+05:30",
            metadata={"quest": 7, "tags": ["a", "b"]},
        )
        self.grant = self.oracle.create_grant(self.player, self.body)
        for ledger in LEDGERS:
            self.oracle.change(ledger, self.player, 3, self.key, reason="first")
            for second in getattr(self.given.world, WORDS[ledger].world_list)[1:2]:
                self.oracle.change(ledger, self.player, 11, item=second)
                self.oracle.change(ledger, self.other, 17, item=second)

    def _entries(self) -> list[dict[str, Any]]:
        """One entry of each type that the target declares; the item has parameters."""
        world = self.given.world
        items = [
            {"type": "item", "itemKey": key, "quantity": 2, "parameters": {"level": 3}}
            for key in world.items[:1]
        ]
        crates = [{"type": "crate", "crateItemKey": key, "quantity": 1} for key in world.crates[:1]]
        return [*self.given.entries(), *items, *crates]

    def calls(self) -> list[list[Callable[[], object]]]:
        """Groups of calls that may touch the player, with new keys and with used ones."""
        oracle, player, given = self.oracle, self.player, self.given
        grant, ban = partial(oracle.create_grant, player), partial(oracle.ban, player)
        unban, merge = partial(oracle.unban, player), oracle.merge
        groups: list[list[Callable[[], object]]] = [
            [
                partial(grant, self.body),
                partial(grant, {**self.body, "metadata": {"other": 1}}),
                partial(oracle.create_grant, self.other, self.body),
                partial(grant, given.grant_body(sourceRefId="new")),
            ],
            [partial(oracle.show, player), *[partial(oracle.ack, player, self.grant)] * 2],
            [partial(ban, "one"), partial(ban, "two"), unban, unban, partial(ban, "three")],
            [*[partial(merge, player, self.other)] * 2, partial(merge, self.third, player)],
            [partial(merge, player, player), *[partial(merge, self.other, player)] * 2],
            [*[partial(oracle.erase, player)] * 2, partial(grant, given.grant_body())],
        ]
        for ledger in LEDGERS:
            change, new = partial(oracle.change, ledger, player), given.names.key()
            groups += [
                [
                    partial(change, 3, self.key, reason="first"),
                    partial(change, 3, self.key, reason="first", sourceRefId="added"),
                    partial(change, 3, self.key),
                ],
                [
                    *[partial(change, 4, new)] * 2,
                    partial(change, -2),
                    partial(change, -(10**6), given.names.key()),
                ],
            ]
        groups += [
            [partial(oracle.migrate, kind, [(player, given.names.key(), 2)])] * 2
            for kind in ("players", *LEDGERS)
        ]
        seats = (given.names.key(), [player, self.third], 4)
        lobby: list[Callable[[], object]] = [
            *[partial(oracle.create_lobby, *seats)] * 2,
            self._read_lobby,
        ]
        return [*groups, lobby if can_seat(given) else []]

    def replays(self) -> list[Callable[[], object]]:
        """The calls whose keys were used before everything else: nothing may happen twice."""
        change = self.oracle.change
        return [
            partial(self.oracle.create_grant, self.player, self.body),
            partial(self.oracle.create_grant, self.other, self.body),
            *(partial(change, name, self.player, 3, self.key, reason="first") for name in LEDGERS),
        ]

    def _read_lobby(self) -> None:
        self.oracle.read_lobby(list(self.oracle.model.lobbies.values())[-1])


def can_seat(given: Given) -> bool:
    """Whether the target declares an event for lobbies, and the key has a game."""
    return bool(given.world.lobby_event and given.api.game_id)


def _credited(subject: Subject) -> None:
    subject.oracle.change("wallet", subject.player, 9)


def _emptied(subject: Subject) -> None:
    person = subject.oracle.model.people.get(subject.player)
    for ledger in LEDGERS:
        for item, held in list(person.holdings(ledger).items()) if person else ():
            if held:
                subject.oracle.change(ledger, subject.player, -held, item=item)


def _acked(subject: Subject) -> None:
    body = subject.given.grant_body()
    subject.oracle.ack(subject.player, subject.oracle.create_grant(subject.player, body))


def _imported(subject: Subject) -> None:
    for kind in ("players", *LEDGERS):
        subject.oracle.migrate(kind, [(subject.player, subject.given.names.key(), 3)])


def _seated(subject: Subject) -> None:
    if can_seat(subject.given):
        roster = [subject.player, subject.other]
        subject.oracle.create_lobby(subject.given.names.key(), roster, 4)


def _banned(subject: Subject) -> None:
    subject.oracle.ban(subject.player, "cheat")


def _unbanned(subject: Subject) -> None:
    subject.oracle.unban(subject.player)


def _merged_away(subject: Subject) -> None:
    subject.oracle.change("inventory", subject.other, 4)
    subject.oracle.merge(subject.player, subject.other)


def _merged_into(subject: Subject) -> None:
    subject.oracle.change("wallet", subject.other, 5)
    subject.oracle.create_grant(subject.other, subject.given.grant_body())
    subject.oracle.merge(subject.other, subject.player)


def _erased(subject: Subject) -> None:
    subject.oracle.erase(subject.player)


def _other_banned(subject: Subject) -> None:
    subject.oracle.ban(subject.other, "cheat")


def _other_erased(subject: Subject) -> None:
    subject.oracle.erase(subject.other)


EVENTS: dict[str, Event] = {
    "credited": _credited,
    "emptied": _emptied,
    "acked": _acked,
    "imported": _imported,
    "seated": _seated,
    "banned": _banned,
    "unbanned": _unbanned,
    "merged away": _merged_away,
    "merged into": _merged_into,
    "erased": _erased,
    "other banned": _other_banned,
    "other erased": _other_erased,
}
"""What may happen to a player."""

GROUPS = 14
"""How many groups of calls there are."""


def expect_contract_kept(oracle: Oracle, history: tuple[str, str], group: int) -> None:
    """Two events, a group of calls, then replays; Mismatch where one departs from the contract."""
    subject = Subject(oracle)
    oracle.agree(subject.player)
    for event in history:
        EVENTS[event](subject)
        oracle.agree(subject.player, subject.other)
    oracle.show(subject.player)
    for call in subject.calls()[group]:
        call()
        oracle.agree(subject.player, subject.other)
    oracle.show(subject.player)
    for call in subject.replays():
        call()
        oracle.agree(subject.player, subject.other)

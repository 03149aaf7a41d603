"""What may have happened to a player before, and the calls that must keep the contract after it."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from conformance.client.api import Api
from conformance.failures import Mismatch
from conformance.fuzzing.model import LEDGERS
from conformance.fuzzing.oracle import Oracle
from conformance.testkit.given import Given
from conformance.testkit.ledgers import WORDS

T = TypeVar("T")
Call = Callable[[], object]
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
        rows = [(self.player, self.given.names.key(), 2)]
        self.imports: list[Call] = [
            partial(self.oracle.migrate, kind, rows) for kind in ("players", *LEDGERS)
        ]
        seats = (self.given.names.key(), [self.player, self.other], 4)
        lobby = partial(self.oracle.create_lobby, *seats)
        self.lobbies: list[Call] = [lobby] if can_seat(self.given) else []
        for call in (*self.imports, *self.lobbies):
            call()

    def _entries(self) -> list[dict[str, Any]]:
        """One entry of each type that the target declares; the item has parameters."""
        world = self.given.world
        items = [
            {"type": "item", "itemKey": key, "quantity": 2, "parameters": {"level": 3}}
            for key in world.items[:1]
        ]
        crates = [{"type": "crate", "crateItemKey": key, "quantity": 1} for key in world.crates[:1]]
        return [*self.given.entries(), *items, *crates]

    def calls(self) -> list[list[Call]]:
        """Groups of calls that may touch the player, with new keys and with used ones."""
        oracle, player, given = self.oracle, self.player, self.given
        grant, ban = partial(oracle.create_grant, player), partial(oracle.ban, player)
        unban = partial(oracle.unban, player)
        groups: list[list[Call]] = [
            [
                partial(grant, self.body),
                partial(grant, {**self.body, "metadata": {"other": 1}}),
                partial(oracle.create_grant, self.other, self.body),
                partial(grant, given.grant_body(sourceRefId="new")),
            ],
            [partial(oracle.show, player), *[partial(oracle.ack, player, self.grant)] * 2],
            [partial(ban, "one"), partial(ban, "two"), unban, unban, partial(ban, "three")],
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
        lobby: list[Call] = [
            *[partial(oracle.create_lobby, *seats)] * 2,
            self._read_lobby,
        ]
        return [*groups, lobby if can_seat(given) else []]

    def writes(self) -> dict[str, Call]:
        """One call of each operation that changes something and ends nobody, with new keys."""
        oracle, player, names = self.oracle, self.player, self.given.names
        changes = {"credit": ("wallet", 5), "debit": ("wallet", -2)} | {
            "item grant": ("inventory", 5),
            "item revoke": ("inventory", -2),
        }
        seats = (names.key(), [player, self.other], 4)
        return {
            **{
                name: partial(oracle.change, ledger, player, amount)
                for name, (ledger, amount) in changes.items()
            },
            **{
                f"{kind} import": partial(oracle.migrate, kind, [(player, names.key(), 2)])
                for kind in ("players", *LEDGERS)
            },
            "grant": partial(oracle.create_grant, player, self.given.grant_body()),
            "ack": partial(oracle.ack, player, self.grant),
            "ban": partial(oracle.ban, player, "conformance"),
            "unban": partial(oracle.unban, player),
            **({"lobby": partial(oracle.create_lobby, *seats)} if can_seat(self.given) else {}),
        }

    def endings(self) -> list[list[Call]]:
        """Groups of calls that end a player, or may."""
        player, other, erase = self.player, self.other, self.oracle.erase
        merge, body = self.oracle.merge, self.given.grant_body
        return [
            [*[partial(merge, player, other)] * 2, partial(merge, self.third, player)],
            [partial(merge, player, player), *[partial(merge, other, player)] * 2],
            [partial(erase, other)],
            [*[partial(erase, player)] * 2, partial(self.oracle.create_grant, player, body())],
        ]

    def replays(self) -> list[Call]:
        """The calls whose keys were used before everything else, of which nothing may happen twice.

        Then whoever has the id is banned: a ban of an earlier player is none of theirs.
        """
        change = self.oracle.change
        return [
            partial(self.oracle.create_grant, self.player, self.body),
            partial(self.oracle.create_grant, self.other, self.body),
            *(partial(change, name, self.player, 3, self.key, reason="first") for name in LEDGERS),
            *self.imports,
            *self.lobbies,
            partial(self.oracle.create_grant, self.player, self.given.grant_body()),
            partial(self.oracle.ban, self.player, "again"),
            partial(self.oracle.unban, self.player),
        ]

    def look(self) -> None:
        """Read every view of the two players, and the lobby that they share."""
        self.oracle.look(self.player, self.other)
        if can_seat(self.given):
            self._read_lobby()

    def _read_lobby(self) -> None:
        lobbies = ["lobby-of-nobody", *self.oracle.model.lobbies.values()]
        self.oracle.read_lobby(lobbies[-1])


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


def expect_contract_kept(api: Api, given: Given, events: tuple[str, ...], turn: int) -> None:
    """Events, then every group of calls, beginning with group `turn`, then endings and replays.

    Every second time a stamped idempotency key comes with all calls that take none (HTTP-5).
    States are compared after the events and now and then. Where something departs from the
    contract, all is done again with a comparison after every call, which knows what is to blame.
    """
    stamped = api.stamping(given.names.key()) if turn % 2 else api
    try:
        _live(Oracle(stamped, given), events, turn, compare_each=False)
    except Mismatch:
        with api.channel.recorder.aside():
            _live(Oracle(stamped, given), events, turn, compare_each=True)
        raise


ENDS: dict[str, Event] = {
    "merge": lambda subject: subject.oracle.merge(subject.player, subject.other),
    "merge into": lambda subject: subject.oracle.merge(subject.other, subject.player),
    "erasure": lambda subject: subject.oracle.erase(subject.player),
    "erasure of another": lambda subject: subject.oracle.erase(subject.other),
}
"""The calls that end a player."""


def expect_writes_seen(oracle: Oracle) -> None:
    """After each call, every view that was read just before it shows what it did."""
    subject = Subject(oracle)
    subject.look()
    for call in subject.writes().values():
        call()
        subject.look()


def expect_end_seen(oracle: Oracle, end: str) -> None:
    """The same for a call that ends a player, and for the first call to whoever comes after."""
    subject = Subject(oracle)
    subject.look()
    ENDS[end](subject)
    subject.look()
    for player in (subject.player, subject.other):
        oracle.create_grant(player, subject.given.grant_body())
    subject.look()


BETWEEN = 4
"""How many groups of calls there are between two comparisons."""


def _live(oracle: Oracle, events: tuple[str, ...], turn: int, *, compare_each: bool) -> None:
    subject = Subject(oracle)

    def compare() -> None:
        oracle.agree(subject.player, subject.other)
        oracle.show(subject.player)

    def step(call: Call) -> None:
        call()
        if compare_each:
            oracle.agree(subject.player, subject.other)

    compare()
    for event in events:
        step(partial(EVENTS[event], subject))
    compare()
    groups = [*_turned(subject.calls(), turn), *_turned(subject.endings(), turn)]
    for number, group in enumerate(groups):
        for call in group:
            step(call)
        if number % BETWEEN == 0:
            compare()
    compare()
    for call in subject.replays():
        step(call)
    compare()


def _turned(groups: list[T], turn: int) -> list[T]:
    """The same groups, in a circle, beginning with another one."""
    first = turn % len(groups)
    return groups[first:] + groups[:first]

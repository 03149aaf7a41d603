"""Two different operations on one player at the same moment: nothing is lost and nothing doubled.

Both are sent several times at once, with new keys. Whatever their order, what a player and the one
they are merged with have in the end is what they had before and what every success added.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations
from operator import itemgetter
from typing import Any, TypeVar

from conformance.client.api import Answer
from conformance.client.recorder import Recorder
from conformance.failures import Mismatch
from conformance.fuzzing.player_pasts import can_seat
from conformance.fuzzing.views import PAGE
from conformance.http.exchange import Request
from conformance.testkit.documents import mention
from conformance.testkit.expect import (
    expect_equal,
    expect_fields,
    expect_none,
    expect_status,
    expect_that,
)
from conformance.testkit.given import Given
from conformance.testkit.import_batches import ImportBatch
from conformance.testkit.ledgers import WORDS, Ledger

T = TypeVar("T")
EACH = 5
"""How often each of the two is sent."""
START = 1000
WALLET, INVENTORY = "wallet", "inventory"


@dataclass
class Belongings:
    """What two players have together: holdings by ledger, statuses of grants, lobbies.

    `players` are those who have an export.
    """

    players: set[str] = field(default_factory=set)
    held: Counter[str] = field(default_factory=Counter)
    grants: dict[str, str] = field(default_factory=dict)
    lobbies: set[str] = field(default_factory=set)

    @property
    def grant_ids(self) -> set[str]:
        """The grants, whatever became of them."""
        return set(self.grants)


class Meeting:
    """Two players, requests about the first, and what the successes of these must add."""

    def __init__(self, given: Given, known: bool) -> None:
        self.given, self.api = given, given.api
        self.player, self.other = given.names.player(), given.names.player()
        self.expected = Belongings()
        for name in WORDS if known else ():
            for player in (self.player, self.other):
                Ledger(name, given).fill(player, START)
            self.expected.held[name] = 2 * START
        self.effects: list[Callable[[Answer], None]] = []
        self.is_banned: bool | None = None
        self.snapshot: Mapping[str, Any] | None = None

    def adjustment(self, name: str, amount: int) -> Iterator[Request]:
        """Increments or decrements of a holding."""
        direction = "increment" if amount > 0 else "decrement"
        for _ in range(EACH):
            self._adds(name, amount)
            yield Ledger(name, self.given).request(direction, self.player, abs(amount))

    def imported(self, name: str) -> Iterator[Request]:
        """Imports of a row."""
        batch = ImportBatch(name, self.given)
        for _ in range(EACH):
            self._adds(name, batch.amount)
            yield self.api.request(batch.operation, {"rows": [batch.row(self.player)]})

    def _adds(self, name: str, amount: int) -> None:
        self.effects.append(lambda _: self.expected.held.update({name: amount}))

    def grants(self) -> Iterator[Request]:
        """Creates of grants."""
        path = {"externalId": self.player}
        for _ in range(EACH):
            self.effects.append(
                lambda answer: self.expected.grants.update({answer.data["id"]: "pending"})
            )
            yield self.api.request("createGrant", self.given.grant_body(), path=path)

    def acks(self) -> Iterator[Request]:
        """Acks of grants that exist."""
        for _ in range(EACH):
            grant = str(self.given.grant(self.player)["id"])
            self.expected.grants[grant] = "pending"
            self.effects.append(partial(self._claims, grant))
            yield self.api.request("ackGrant", path={"externalId": self.player, "grantId": grant})

    def _claims(self, grant: str, _: Answer) -> None:
        self.expected.grants[grant] = "claimed"

    def lobbies(self) -> Iterator[Request]:
        """Creates of lobbies."""
        path = {"gameId": self.given.game(), "eventKey": self.given.world.event("lobby_event")}
        for _ in range(EACH):
            self.effects.append(lambda answer: self.expected.lobbies.add(answer.data["id"]))
            yield self.api.request("createLobby", self.given.lobby_body([self.player]), path=path)

    def ban(self) -> Iterator[Request]:
        """One ban, which touches nothing: another one would mend what undoes it."""
        self.effects.append(lambda _: setattr(self, "is_banned", True))
        path = {"externalId": self.player}
        yield self.api.request("banPlayer", {"reason": "conformance"}, path=path)

    def unban(self) -> Iterator[Request]:
        """The end of a ban."""
        self.given.banned(self.player)
        self.effects.append(lambda _: setattr(self, "is_banned", False))
        yield self.api.request("unbanPlayer", path={"externalId": self.player})

    def snapshots(self) -> Iterator[Request]:
        """Imports of a snapshot, which change nothing else."""
        batch = ImportBatch("players", self.given)
        self.snapshot = {"level": 7}
        for _ in range(EACH):
            self.effects.append(lambda _: None)
            row = {**batch.row(self.player), "contextSnapshot": self.snapshot}
            yield self.api.request(batch.operation, {"rows": [row]})

    def reads(self, operation: str) -> Iterator[Request]:
        """Reads, which change nothing."""
        for _ in range(EACH):
            self.effects.append(lambda _: None)
            yield self.api.request(operation, path={"externalId": self.player})

    def merge(self, source: str, into: str) -> Iterator[Request]:
        """One merge, which moves everything."""
        self.effects.append(lambda _: None)
        path = {"fromExternalId": source, "toExternalId": into}
        yield self.api.request("mergePlayer", path=path)

    def take_place(self, *operations: str) -> None:
        """Send both at once, and compare; Mismatch where something is lost or doubled."""
        groups = [self._calls(name) for name in operations]
        requests, effects = zip(*interleaved(groups), strict=True)
        answers = self.api.send_simultaneously(requests)
        for answer, effect in zip(answers, effects, strict=True):
            if answer.status < 300:
                effect(answer)
        together = f"{' and '.join(operations)} at once"
        found = self.found()
        stays = not set(MERGING).intersection(operations)
        with breaking("EXP-1"):
            shown = self.player in found.players or not stays
            expect_that(shown, f"an export of the player after {together}", "404")
        what = f"what both players have after {together}"
        for name in BROKEN:
            with breaking(broken_by(name, operations)):
                expect_equal(getattr(found, name), getattr(self.expected, name), what)
        self._expect_profiles(together)
        if stays:  # FREE: whose ban and snapshot a merge keeps
            self._expect_ban_kept(together)
            self._expect_snapshot_kept(together)

    def _calls(self, name: str) -> list[tuple[Request, Callable[[Answer], None]]]:
        """The requests of an operation, each with what its success does."""
        first = len(self.effects)
        requests = list(OPERATIONS[name](self))
        return list(zip(requests, self.effects[first:], strict=True))

    def _expect_ban_kept(self, together: str) -> None:
        """Another ban is applied only after an unban (BAN-2, BAN-7)."""
        if self.is_banned is None:
            return
        again = self.api.ban_player(self.player, {"reason": "again"})
        with breaking("BAN-2" if self.is_banned else "BAN-7"):
            expect_status(again, 200, because=f"the player is known after {together}")
            expect_fields(again.data, applied=not self.is_banned)

    def _expect_snapshot_kept(self, together: str) -> None:
        """The snapshot that was imported shows (MIG-9)."""
        if self.snapshot is not None:
            shown = (self.given.state(self.player) or {}).get("snapshot")
            with breaking("MIG-9"):
                expect_equal(shown, self.snapshot, f"lastContextSnapshot after {together}")

    def _expect_profiles(self, together: str) -> None:
        """The profiles show the grants, as they are: no view that was read meanwhile is kept."""
        profiles = [self.api.get_player(player, PAGE) for player in (self.player, self.other)]
        known = [answer.data for answer in profiles if answer.status == 200]
        rows = {id: mention(known, id) or {} for id in self.expected.grants}
        statuses = {id: row.get("status", self.expected.grants[id]) for id, row in rows.items()}
        missing = [id for id, row in rows.items() if not row]
        with breaking("GRANT-8"):
            expect_none(missing, f"grants that the profiles lack after {together}")
        with breaking("ACK-4"):
            expect_equal(statuses, self.expected.grants, f"what the profiles show after {together}")

    def erasure(self, operation: str) -> None:
        """Erase the player while this happens; Mismatch where anything of theirs is left."""
        grant = str(self.given.grant(self.player)["id"])
        path = {"externalId": self.player}
        erase = self.api.request("deletePlayer", {"reason": "test"}, path=path)
        requests = list(OPERATIONS[operation](self))
        old = {grant, *self.expected.grants}
        answers = self.api.send_simultaneously([*requests, erase])
        if operation == "merge":  # each of the two ends the player
            done = [answer.data["status"] for answer in answers if answer.status == 200]
            both = {"merged", "erased"} <= set(done)
            expect_that(not both, "a player to be merged or erased, not both", str(done))
        state = self.given.state(self.player)
        for name in WORDS if state is not None else ():
            held = sum(state[name].values())  # type: ignore[index]
            least = f"less than the {START} of before in the {name} of an erased player"
            expect_that(held < START, least, str(held))
        left = [id for id in self.given.grants(self.player) if id in old]
        expect_none(left, f"grants of a player who was erased at the moment of {operation}")
        again = self.api.ack_grant(self.player, grant)
        expect_status(again, 404, because="the player was erased")
        other = self.given.state(self.other)
        for name in WORDS:
            left_to_other = sum(other[name].values()) if other is not None else None
            whole = left_to_other in LEFT_TO_OTHER.get(operation, (START,))
            expect_that(whole, f"all of what the other held in the {name}", str(left_to_other))

    def found(self) -> Belongings:
        """What the exports of both show."""
        found = Belongings()
        for player, state in self.given.states((self.player, self.other)).items():
            if state is not None:
                found.players.add(player)
                held = {name: sum(state[name].values()) for name in WORDS}
                found.held.update({name: count for name, count in held.items() if count})
                found.grants |= {str(grant["id"]): grant["status"] for grant in state["grants"]}
                found.lobbies |= set(state["lobbies"])
        return found


def interleaved(groups: Sequence[Sequence[T]]) -> list[T]:
    """The items of all groups, each group spread evenly: whatever one begins, others come amid it.

    A single item comes in the middle of the others.
    """
    placed = [
        ((number + 0.5) / len(group), item) for group in groups for number, item in enumerate(group)
    ]
    return [item for _, item in sorted(placed, key=itemgetter(0))]


BROKEN = {
    "held": ("LEDGER-6", "MERGE-2"),
    "grant_ids": ("GRANT-8", "MERGE-3"),
    "grants": ("ACK-4", "MERGE-3"),
    "lobbies": ("LOBBY-6", "MERGE-4"),
}
"""What is broken where something is lost or wrong, without a merge and with one."""


@contextmanager
def breaking(requirement: str) -> Iterator[None]:
    """A mismatch here breaks this requirement."""
    try:
        yield
    except Mismatch as error:
        error.requirement = requirement
        raise


def broken_by(part: str, operations: tuple[str, ...]) -> str:
    """The requirement that these break when they lose or double something of this part."""
    if any(operation in MERGING for operation in operations):
        return BROKEN[part][1]
    changes = [operation for operation in operations if operation in HOLDING]
    if part == "held" and changes and all("import" in operation for operation in changes):
        return "MIG-7"
    return BROKEN[part][0]


HOLDING = ("credit", "debit", "item grant", "item revoke", "wallet import", "item import")
MERGING = ("merge", "merge into")
OPERATIONS: dict[str, Callable[[Meeting], Iterator[Request]]] = {
    "credit": lambda meeting: meeting.adjustment(WALLET, 7),
    "debit": lambda meeting: meeting.adjustment(WALLET, -3),
    "item grant": lambda meeting: meeting.adjustment(INVENTORY, 5),
    "item revoke": lambda meeting: meeting.adjustment(INVENTORY, -2),
    "wallet import": lambda meeting: meeting.imported(WALLET),
    "item import": lambda meeting: meeting.imported(INVENTORY),
    "grant": Meeting.grants,
    "ack": Meeting.acks,
    "lobby": Meeting.lobbies,
    "ban": Meeting.ban,
    "unban": Meeting.unban,
    "players import": Meeting.snapshots,
    "profile": lambda meeting: meeting.reads("getPlayer"),
    "export": lambda meeting: meeting.reads("exportPlayer"),
    "merge": lambda meeting: meeting.merge(meeting.player, meeting.other),
    "merge into": lambda meeting: meeting.merge(meeting.other, meeting.player),
}
"""The operations that meet; all but those in `ONCE` are sent several times."""
ONCE = ("ban", "unban", *MERGING)

READING = ("profile", "export")
CREATING = {
    *("credit", "item grant", "wallet import", "item import", "players import"),
    *("grant", "lobby"),
}
"""Those that create an unknown player; where two of them meet, the player is unknown."""
ALIKE = (set(READING), {"ban", "unban"})
"""Two of these do not meet: reads change nothing, and a ban and its end have no order."""
PAIRS = tuple(
    pair for pair in combinations(OPERATIONS, 2) if not any(set(pair) <= same for same in ALIKE)
)
CHANGING = tuple(name for name in OPERATIONS if name not in READING)
"""The operations that an erasure meets."""
LEFT_TO_OTHER: dict[str, tuple[int | None, ...]] = {
    "merge": (START, 2 * START),
    "merge into": (START, None),
}
"""What another player may hold when somebody is erased at the moment of a merge."""


def expect_nothing_lost(given: Given, recorder: Recorder, pair: tuple[str, str]) -> None:
    """Mismatch if something is lost or doubled when these two meet.

    Where one of them alone loses something, that failure is raised instead.
    """
    try:
        Meeting(given, not CREATING.issuperset(pair)).take_place(*pair)
    except Mismatch:
        for operation in pair:
            if "merge" not in operation:
                with recorder.aside():
                    Meeting(given, operation not in CREATING).take_place(operation)
        raise


def expect_erased_whole(given: Given, operation: str) -> None:
    """Mismatch if a player who is erased while this happens keeps or gets back anything."""
    Meeting(given, known=True).erasure(operation)


def possible(given: Given, *operations: str) -> bool:
    """Whether the target declares what these need."""
    return "lobby" not in operations or can_seat(given)

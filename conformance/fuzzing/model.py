"""A model of one game with a few players, written from the contract alone.

It knows who exists, what each player holds, which grants and lobbies there are, who was banned,
merged or erased, and which idempotency keys are used. `oracle` drives a server and this model
together and compares them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

LEDGERS = ("wallet", "inventory")


@dataclass
class Granted:
    """A grant: the members that its create sent, its status, and whether a merge moved it."""

    sent: Mapping[str, Any]
    status: str = "pending"
    moved: bool = False

    def view(self) -> dict[str, Any]:
        """What every view must show of it."""
        return {**self.sent, "status": self.status}


@dataclass(eq=False)
class Person:
    """A player. `grants` are by id; `lobbies` holds ids.

    `banned` is None where that is FREE: a banned player was merged into this one.
    `gone` is how the player ended, `merged` or `erased`, `went_into` whom they were merged into.
    `banned` is None where a banned player was merged into them: the contract does not say whether
    the ban moves.
    """

    banned: bool | None = False
    was_banned: bool = False
    wallet: dict[str, int] = field(default_factory=dict)
    inventory: dict[str, int] = field(default_factory=dict)
    grants: dict[str, Granted] = field(default_factory=dict)
    lobbies: set[str] = field(default_factory=set)
    has_snapshot: bool = False
    gone: str = ""
    went_into: "Person | None" = None

    @property
    def end(self) -> str:
        """How the player ended, or who has what was theirs: `merged`, `erased` or nothing."""
        return (self.went_into and self.went_into.end) or self.gone

    def became(self, other: "Person") -> bool:
        """Whether the player was merged into the other, directly or with others between."""
        return self.went_into is other or (
            self.went_into is not None and self.went_into.became(other)
        )

    def holdings(self, ledger: str) -> dict[str, int]:
        """What the player holds in a ledger, by key."""
        return self.wallet if ledger == "wallet" else self.inventory


@dataclass(frozen=True)
class Use:
    """The first use of an idempotency key: the player, the request, and the answer.

    The `person` may have been merged or erased since. `others` used the key after them, where the
    server lets each player have their own keys.
    """

    person: Person
    request: Any
    answer: Any
    others: list[Person] = field(default_factory=list)

    def is_mixed(self) -> bool:
        """Whether a merge gave the first player the key of another: FREE what it means then."""
        return any(other.became(self.person) for other in self.others)


@dataclass
class Model:
    """The game. `people` holds players by external id.

    `ended` says whether the last player of an id was merged or erased. `erased` holds every id of
    which a player was ever erased. `refused` holds the ledger and key of decrements that were
    refused because the player held too little. `grants` holds every grant's id, `lobbies` the id
    of each key, `created_lobbies` what their creates returned.
    """

    people: dict[str, Person] = field(default_factory=dict)
    merged: dict[tuple[str, Person], str] = field(default_factory=dict)
    ended: dict[str, str] = field(default_factory=dict)
    erased: set[str] = field(default_factory=set)
    refused: set[tuple[str, str | None]] = field(default_factory=set)
    uses: dict[tuple[str, str], Use] = field(default_factory=dict)
    grants: list[str] = field(default_factory=list)
    lobbies: dict[str, str] = field(default_factory=dict)
    created_lobbies: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def ensure(self, player: str) -> Person:
        """The player, created if unknown (GRANT-6, LEDGER-1, MIG-6, LOBBY-6)."""
        return self.people.setdefault(player, Person())

    def use(self, scope: str, key: str) -> Use | None:
        """The first use of a key in a scope, or None."""
        return self.uses.get((scope, key))

    def end_of(self, grant: str) -> str | None:
        """How the player ended who had the grant last; None for one who has not."""
        owners = {id(use.person): use.person for use in self.uses.values()}.values()
        ends = (person.end for person in owners if grant in person.grants)
        return next(filter(None, ends), None)

    def remember(self, scope: str, key: str, person: Person, request: Any, answer: Any) -> None:
        """Note the first use of a key."""
        self.uses[scope, key] = Use(person, request, answer)

    def adjust(self, ledger: str, player: str, key: str, amount: int) -> int | None:
        """Change a holding; None if the player holds too little (LEDGER-1, LEDGER-2)."""
        person = self.people.get(player)
        held = person.holdings(ledger).get(key, 0) if person else 0
        if held + amount < 0:
            return None
        self.ensure(player).holdings(ledger)[key] = held + amount
        return held + amount

    def holders(self) -> Iterator[tuple[str, str]]:
        """The players who hold anything, each with the ledger."""
        for player, person in self.people.items():
            for ledger in LEDGERS:
                if any(person.holdings(ledger).values()):
                    yield player, ledger

    def merge(self, source: str, target: str) -> None:
        """Move everything (MERGE-2 to MERGE-5)."""
        gone, kept = self.people.pop(source), self.people[target]
        for ledger in LEDGERS:
            for key, held in gone.holdings(ledger).items():
                kept.holdings(ledger)[key] = kept.holdings(ledger).get(key, 0) + held
        for granted in gone.grants.values():
            granted.moved = True
        kept.grants |= gone.grants
        kept.lobbies |= gone.lobbies
        kept.has_snapshot |= gone.has_snapshot  # FREE: whose snapshot the target has
        kept.banned = kept.banned if gone.banned is False else None
        gone.gone, gone.went_into = "merged", kept
        self.merged[source, kept] = target
        self.ended[source] = "merged"

    def was_merged(self, source: str, target: str) -> bool:
        """Whether a merge of these two is a replay (MERGE-6)."""
        person = self.people.get(target)
        return source not in self.people and (source, person) in self.merged

    def went_to(self, source: str, target: str) -> bool:
        """Whether the source was ever merged into a player with the target's id."""
        return any(gone == source and to == target for (gone, _), to in self.merged.items())

    def erase(self, player: str) -> None:
        """Erase the player; used keys stay used (DEL-2, DEL-9)."""
        self.people.pop(player).gone = "erased"
        self.ended[player] = "erased"
        self.erased.add(player)

    def state(self, player: str) -> Mapping[str, Any] | None:
        """What an export must show; None for an unknown player (EXP-1, EXP-2)."""
        person = self.people.get(player)
        if person is None:
            return None
        return {
            "wallet": {key: held for key, held in person.wallet.items() if held},
            "inventory": {key: held for key, held in person.inventory.items() if held},
            "grants": {id: granted.view() for id, granted in person.grants.items()},
            "lobbies": sorted(person.lobbies),
        }

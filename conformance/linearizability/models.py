"""What the contract promises about a holding, a merge and a grant, one call at a time.

Each model is a hashable state and a `step` for `checker`. Where the contract is FREE, a step leads
to more than one state.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from conformance.linearizability.checker import Event


class Kind(StrEnum):
    """What a call of a history does."""

    INCREMENT = "increment"
    DECREMENT = "decrement"
    IMPORT = "import"
    READ = "read"
    MERGE = "merge"
    CREATE = "create"
    ACK = "ack"


@dataclass(frozen=True, kw_only=True)
class Call(Event):
    """A call, and what its answer reported.

    `player` is `source` or `target`, `status` the HTTP status. `reported` is a holding, or the
    status of a merge or grant; None if the answer had none.
    """

    kind: Kind
    player: str
    status: int
    reported: int | str | None = None
    amount: int = 0
    key: str | None = None

    def __str__(self) -> str:
        words = [self.kind, self.amount and str(self.amount), self.key and f"with key {self.key}"]
        reported = f", {self.reported}" if self.reported is not None else ""
        when = f"{self.started * 1000:.1f} to {self.ended * 1000:.1f} ms"
        called = " ".join(word for word in words if word)
        return f"{called} ({self.player}) -> {self.status}{reported} [{when}]"


@dataclass(frozen=True)
class Holding:
    """One holding of one player; `firsts` maps used keys to the holdings that they reported."""

    held: int
    firsts: frozenset[tuple[str, int]] = frozenset()

    def __str__(self) -> str:
        used = [f"key {key} reported {held}" for key, held in sorted(self.firsts)]
        return ", ".join([f"{self.held} held", *used])


def step_holding(state: Holding, event: Call) -> Iterator[Holding]:
    """LEDGER-1 to LEDGER-3, LEDGER-6, LEDGER-11, MIG-7."""
    first = dict(state.firsts).get(event.key or "")
    sign = -1 if event.kind is Kind.DECREMENT else 1
    after = state.held + sign * event.amount
    if event.kind is Kind.READ:
        if event.reported == state.held:
            yield state
    elif event.status == 409:
        # Too little is held, or the first call with this key was in flight: nothing changes.
        if event.key is not None or after < 0:
            yield state
    elif event.kind is Kind.IMPORT:
        yield replace(state, held=after)
    elif first is not None:
        if event.reported == first:
            yield state
    elif event.reported == after >= 0:
        used = {(event.key, after)} if event.key else set[tuple[str, int]]()
        yield Holding(after, state.firsts | used)


@dataclass(frozen=True)
class Pair:
    """The same holding of a source, who may be unknown, and of a target."""

    source: int
    target: int

    def __str__(self) -> str:
        return f"{self.source} held by the source, {self.target} by the target"


def step_pair(state: Pair, event: Call) -> Iterator[Pair]:
    """MERGE-1, MERGE-2, MERGE-5, LEDGER-1 during one merge."""
    held = state.source if event.player == "source" else state.target
    if event.kind is Kind.READ:
        if event.reported == held:
            yield state
    elif event.kind is Kind.MERGE:
        if event.reported == "merged":
            yield Pair(0, state.target + state.source)
    elif event.status == 409:
        yield state
    elif event.reported == held + event.amount:
        yield replace(state, **{event.player: event.reported})


@dataclass(frozen=True)
class GrantState:
    """A grant: its status and its owner, `source` or `target`."""

    status: str = "pending"
    owner: str = "source"

    def __str__(self) -> str:
        return f"a {self.status} grant of the {self.owner}"


def step_grant(state: GrantState, event: Call) -> Iterator[GrantState]:
    """ACK-1, ACK-3, ACK-4, MERGE-3 for a grant that exists.

    FREE: a key that was used for another player gets 200 or 409, and a freed id is another player.
    So the answer to a create says nothing about the grant.
    """
    own = event.player == state.owner
    if event.kind is Kind.READ:
        if event.reported == (state.status if own else None):
            yield state
    elif event.kind is Kind.ACK:
        if event.status == 200 and own:
            yield replace(state, status="claimed")
        elif event.status == 404 and not own:
            yield state
    elif event.kind is Kind.MERGE:
        yield replace(state, owner="target")
    else:
        yield state

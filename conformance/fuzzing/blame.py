"""Which requirement is to blame for a wrong answer, and for a wrong state after some calls."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from conformance.failures import Mismatch
from conformance.fuzzing.model import LEDGERS, Model

State = Mapping[str, Any] | None
PRESENCE = "presence"
"""The part of a state that says whether the player is known."""
TOUCHED: dict[str, tuple[str, ...]] = {
    "GRANT": ("grants",),
    "ACK": ("grants",),
    "LEDGER": LEDGERS,
    "MIG": LEDGERS,
    "LOBBY": ("lobbies",),
    "MERGE": (*LEDGERS, "grants", "lobbies"),
    "DEL": (*LEDGERS, "grants", "lobbies"),
}
"""The parts of a state that the operations of a family may change."""
SUSPECTS = ("LEDGER-2", "LEDGER-3", "LEDGER-4", "LEDGER-10", "BAN-6")
"""What says that a call leaves a holding as it is."""


class Blame:
    """What is to blame since the states were last compared.

    `on_mismatch` is told of each departure before it is raised.
    """

    def __init__(self, model: Model, on_mismatch: Callable[[Mismatch], None]) -> None:
        self._model = model
        self._on_mismatch = on_mismatch
        self._accused = "EXP-1"
        self._parts: dict[str, str] = {}
        self._known: set[str] = set()

    @contextmanager
    def on(self, requirement: str, **blame: str) -> Iterator[None]:
        """Blame this requirement for a mismatch here, and for a wrong state after this step.

        `blame` names another requirement for some parts of that state: `wallet`, `inventory`,
        `grants`, `lobbies`, `presence`. Until the states are compared, a part is blamed on the last
        step that names it.
        """
        self._accused = requirement
        touched = TOUCHED.get(requirement.partition("-")[0], ())
        self._parts |= {**dict.fromkeys(touched, requirement), **blame}
        with self.naming(requirement):
            yield

    @contextmanager
    def naming(self, requirement: str) -> Iterator[None]:
        """Blame this requirement for a mismatch here, and leave the blame for later ones."""
        try:
            yield
        except Mismatch as error:
            error.requirement = error.requirement or requirement
            self._on_mismatch(error)
            raise

    def suspect(self, part: str) -> str | None:
        """What a call since the last comparison breaks if it changed a holding after all."""
        blamed = self._parts.get(part)
        return blamed if blamed in SUSPECTS else None

    def of(self, player: str, reported: State, expected: State) -> str:
        """The requirement to blame if the player's state is wrong.

        A new player with a freed id begins with nothing, whichever operation created them.
        """
        part = differing_part(reported, expected)
        new = player in self._model.people and player not in self._known
        freed = new and has_more(reported, expected) and self.freed_by(player)
        return self.suspect(part) or freed or self._parts.get(part, self._accused)

    def freed_by(self, player: str) -> str | None:
        """The requirement by which the id of a new player became free; None for a fresh id."""
        ended = self._model.ended.get(player)
        if player in self._known or ended is None:
            return None
        return "MERGE-5" if ended == "merged" else "DEL-6"

    def of_part(self, part: str) -> str:
        """The requirement that the last call which touches this part names."""
        return self._parts.get(part, "EXP-1")

    def forget(self, player: str) -> None:
        """The player has ended: the next one with the id is new."""
        self._known.discard(player)

    def clear(self) -> None:
        """The states agree."""
        self._known, self._parts = set(self._model.people), {}


def has_more(reported: State, expected: State) -> bool:
    """Whether a state has what it should not have: a leftover of an earlier player."""
    if reported is None or expected is None:
        return False
    held = [
        reported[name].get(key, 0) - expected[name].get(key, 0)
        for name in LEDGERS
        for key in reported[name]
    ]
    lists = [set(reported[name]) - set(expected[name]) for name in ("grants", "lobbies")]
    return any(more > 0 for more in held) or any(lists)


def differing_part(reported: State, expected: State) -> str:
    """The first part in which two states of a player differ; empty if they are equal."""
    if reported is None or expected is None:
        return "" if reported is expected else PRESENCE
    return next((name for name in expected if reported[name] != expected[name]), "")

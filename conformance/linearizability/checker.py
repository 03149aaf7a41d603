"""Whether some order of a history that respects real time explains every answer.

The search is Wing and Gong's, with the states that were tried remembered (Lowe): small histories
only, since the worst case is exponential in the number of simultaneous calls.
"""

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, Self, TypeVar

State = TypeVar("State", bound=Hashable)


@dataclass(frozen=True, kw_only=True)
class Event:
    """One call of a history. It took effect between `started` and `ended`, in seconds."""

    started: float = 0.0
    ended: float = 0.0

    def at(self, started: float, ended: float) -> Self:
        """The same call with its times."""
        return replace(self, started=started, ended=ended)


E = TypeVar("E", bound=Event)
Step = Callable[[State, E], Iterable[State]]
"""The states in which a call with that answer may leave a state; none where it cannot be."""


@dataclass(frozen=True)
class Unexplained(Generic[State, E]):
    """The shortest part of a history that no order explains.

    Every order of all earlier calls ends in one of `states`; of `events`, in the order in which
    they ended, the last is the one whose answer cannot be. Calls that are left out may have
    taken effect or not: it does not help.
    """

    states: frozenset[State]
    events: tuple[E, ...]

    @property
    def culprit(self) -> E:
        """The call with the answer that cannot be."""
        return self.events[-1]


def unexplained(
    history: Sequence[E], initial: State, step: Step[State, E]
) -> Unexplained[State, E] | None:
    """The shortest part that no order explains, or None for a linearizable history."""
    states = frozenset([initial])
    for part in between_pauses(history):
        ends = final_states(part, (), states, step)
        if not ends:
            return Unexplained(states, core(part, states, step))
        states = ends
    return None


def between_pauses(history: Sequence[E]) -> list[list[E]]:
    """The history cut at the moments when nothing was in flight."""
    parts: list[list[E]] = []
    latest = float("-inf")
    for event in sorted(history, key=lambda event: event.started):
        if event.started > latest:
            parts.append([])
        parts[-1].append(event)
        latest = max(latest, event.ended)
    return parts


def core(part: Sequence[E], states: frozenset[State], step: Step[State, E]) -> tuple[E, ...]:
    """The fewest calls that no order explains, whichever of the others took effect."""
    needed, optional = shortest_prefix(part, states, step)
    for event in needed[:-1]:
        fewer = [other for other in needed if other is not event]
        if not final_states(fewer, [*optional, event], states, step):
            needed, optional = fewer, [*optional, event]
    return tuple(needed)


def shortest_prefix(
    part: Sequence[E], states: frozenset[State], step: Step[State, E]
) -> tuple[list[E], list[E]]:
    """The calls up to the first answer that no order explains, in the order in which they ended.

    Beside them, those that were still in flight then: they may have taken effect or not.
    """
    ended = sorted(part, key=lambda event: event.ended)
    for count in range(1, len(ended)):
        moment = ended[count - 1].ended
        flying = [event for event in ended[count:] if event.started <= moment]
        if not final_states(ended[:count], flying, states, step):
            return ended[:count], flying
    return ended, []


def final_states(
    required: Sequence[E],
    optional: Sequence[E],
    states: frozenset[State],
    step: Step[State, E],
) -> frozenset[State]:
    """Every state in which some order of all required and some optional calls ends."""
    events = [*required, *optional]
    everything = (1 << len(required)) - 1
    found: set[State] = set()
    seen: set[tuple[int, State]] = set()
    todo = [(0, state) for state in states]
    while todo:
        done, state = todo.pop()
        if (done, state) in seen:
            continue
        seen.add((done, state))
        if done & everything == everything:
            found.add(state)
        for place in _next(required, optional, done):
            todo.extend((done | 1 << place, after) for after in step(state, events[place]))
    return frozenset(found)


def _next(required: Sequence[Event], optional: Sequence[Event], done: int) -> list[int]:
    """The calls that may come next, as places in `required` and then `optional`.

    They began before any required one that is left had ended, and ended after all that came
    before them had begun: an optional one may be left out, but not come too late.
    """
    events = [*required, *optional]
    left = [place for place in range(len(events)) if not done >> place & 1]
    first_end = min((required[at].ended for at in left if at < len(required)), default=math.inf)
    taken = [one.started for at, one in enumerate(events) if done >> at & 1]
    latest = max(taken, default=-math.inf)
    return [at for at in left if events[at].started <= first_end and events[at].ended >= latest]

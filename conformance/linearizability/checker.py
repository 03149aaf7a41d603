"""Decides whether a history is linearizable.

That is: whether some order of its calls, which respects real time, explains every answer. The
search is Wing and Gong's, with Lowe's memory of states that were tried. It suits small histories
only: the worst case is exponential in the number of simultaneous calls.
"""

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, Self, TypeVar

State = TypeVar("State", bound=Hashable)


@dataclass(frozen=True, kw_only=True)
class Event:
    """A call of a history. It took effect between `started` and `ended` (seconds, inclusive)."""

    started: float = 0.0
    ended: float = 0.0

    def at(self, started: float, ended: float) -> Self:
        """The same call with its times."""
        return replace(self, started=started, ended=ended)


E = TypeVar("E", bound=Event)
Step = Callable[[State, E], Iterable[State]]
"""The states that a call with its answer may lead to; none if the answer is impossible."""


@dataclass(frozen=True)
class Unexplained(Generic[State, E]):
    """The shortest part of a history that no order explains.

    All orders of the earlier calls end in one of `states`. `events` are in the order in which they
    ended; the answer of the last one is impossible. That holds whether or not the calls that are
    left out took effect.
    """

    states: frozenset[State]
    events: tuple[E, ...]

    @property
    def culprit(self) -> E:
        """The call with the impossible answer."""
        return self.events[-1]


def unexplained(
    history: Sequence[E], initial: State, step: Step[State, E]
) -> Unexplained[State, E] | None:
    """The shortest part that no order explains; None if the history is linearizable."""
    states = frozenset([initial])
    for part in between_pauses(history):
        ends = final_states(part, (), states, step)
        if not ends:
            return Unexplained(states, core(part, states, step))
        states = ends
    return None


def between_pauses(history: Sequence[E]) -> list[list[E]]:
    """The history, cut wherever no call was in flight."""
    parts: list[list[E]] = []
    latest = float("-inf")
    for event in sorted(history, key=lambda event: event.started):
        if event.started > latest:
            parts.append([])
        parts[-1].append(event)
        latest = max(latest, event.ended)
    return parts


def core(part: Sequence[E], states: frozenset[State], step: Step[State, E]) -> tuple[E, ...]:
    """The fewest calls that no order explains, whichever of the other calls took effect."""
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

    The second list holds the calls that were still in flight then. They may have taken effect.
    """
    ended = sorted(part, key=lambda event: event.ended)
    for count in range(1, len(ended)):
        moment = ended[count - 1].ended
        in_flight = [event for event in ended[count:] if event.started <= moment]
        if not final_states(ended[:count], in_flight, states, step):
            return ended[:count], in_flight
    return ended, []


def final_states(
    required: Sequence[E],
    optional: Sequence[E],
    states: frozenset[State],
    step: Step[State, E],
) -> frozenset[State]:
    """Every state that some order of all required and some optional calls ends in."""
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

    Such a call began before any remaining required call ended. It ended after all calls of `done`
    began: an optional call may be left out, but must not come too late.
    """
    events = [*required, *optional]
    left = [place for place in range(len(events)) if not done >> place & 1]
    first_end = min((required[at].ended for at in left if at < len(required)), default=math.inf)
    taken = [one.started for at, one in enumerate(events) if done >> at & 1]
    latest = max(taken, default=-math.inf)
    return [at for at in left if events[at].started <= first_end and events[at].ended >= latest]

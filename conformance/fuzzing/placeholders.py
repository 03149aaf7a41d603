"""Values in generated cases that stand for things on the server.

A case must stay the same when Hypothesis repeats it, and is generated before its players, grants
and lobbies exist. So it holds placeholders, which `binding` replaces just before the request.
"""

from hypothesis import strategies as st

KNOWN_PLAYER = "<known player>"
NEW_PLAYER = "<new player>"
SOURCE_PLAYER = "<source player>"
TARGET_PLAYER = "<target player>"
DOOMED_PLAYER = "<doomed player>"
KNOWN_GRANT = "<known grant>"
KNOWN_LOBBY = "<known lobby>"
OWN_GAME = "<own game>"
LOBBY_EVENT = "<lobby event>"
OTHER_MODE_EVENT = "<other mode event>"
ITEM = "<item>"
CURRENCY = "<currency>"
CRATE = "<crate>"
NEW_KEY = "<new key>"
USED_KEY = "<used key>"

KINDS: dict[str, tuple[str, ...]] = {
    "player": (*[KNOWN_PLAYER] * 7, NEW_PLAYER),
    "source": (SOURCE_PLAYER,),
    "target": (TARGET_PLAYER,),
    "doomed": (DOOMED_PLAYER, DOOMED_PLAYER, NEW_PLAYER),
    "grant": (KNOWN_GRANT,),
    "lobby": (KNOWN_LOBBY,),
    "game": (OWN_GAME,),
    "event": (*[LOBBY_EVENT] * 7, OTHER_MODE_EVENT),
    "item": (ITEM,),
    "currency": (CURRENCY,),
    "crate": (CRATE,),
    "key": (*[NEW_KEY] * 7, USED_KEY),
}
"""Placeholders by kind of value. One that is listed more often is drawn more often."""

NAMED = frozenset(["player", "source", "target", "doomed", "key"])
"""Kinds of names that the caller chooses: any text with the run's prefix is one too."""

LITERAL_ONE_IN = {True: 10, False: 40}
"""One value in so many is any text; more of the kinds in `NAMED`, where it can be valid."""


def format_name(kind: str) -> str:
    """The OpenAPI format of this kind in the copy of the spec that generates cases."""
    return f"kraty-{kind}"


def strategy(kind: str) -> st.SearchStrategy[str]:
    """Mostly a placeholder, sometimes any text; shrinks towards the first placeholder."""
    real = st.sampled_from(KINDS[kind])
    text = st.text(min_size=1, max_size=40)
    last = LITERAL_ONE_IN[kind in NAMED] - 1
    return st.integers(0, last).flatmap(lambda number: text if number == last else real)

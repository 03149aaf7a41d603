"""Values in generated cases that stand for things that exist on the server.

Cases are generated before it is known which players, grants and lobbies there are, and must be
the same when Hypothesis repeats one. So a case holds a stand-in, and `binding` puts the real
thing in its place just before the request is sent.
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
"""Stand-ins by kind of value; one that stands more often is drawn more often."""

NAMED = frozenset(["player", "source", "target", "doomed", "key"])
"""Kinds that the caller names: a generated text is a name too, once it has the run's prefix."""

LITERAL_ONE_IN = {True: 10, False: 40}
"""How often a value is any text: more often where that still names something (see `NAMED`)."""


def format_name(kind: str) -> str:
    """The OpenAPI format that marks a value of this kind in the generating copy of the spec."""
    return f"kraty-{kind}"


def strategy(kind: str) -> st.SearchStrategy[str]:
    """Mostly a stand-in, sometimes any text; shrinks towards the first stand-in."""
    real = st.sampled_from(KINDS[kind])
    text = st.text(min_size=1, max_size=40)
    last = LITERAL_ONE_IN[kind in NAMED] - 1
    return st.integers(0, last).flatmap(lambda number: text if number == last else real)

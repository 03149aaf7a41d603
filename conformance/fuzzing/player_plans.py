"""What is done with pairs of players whose ids look alike."""

from collections.abc import Callable, Sequence

from conformance.client.recorder import Recorder
from conformance.failures import Mismatch
from conformance.fuzzing.model import LEDGERS
from conformance.fuzzing.oracle import Oracle

Pairs = Sequence[tuple[str, str]]
Plan = Callable[[Oracle, Pairs], None]
"""Does something with each pair of player ids."""


def expect_two_players(
    plan: Plan, oracle: Callable[[], Oracle], pairs: Pairs, recorder: Recorder
) -> None:
    """Mismatch if the plan fails for these pairs, but not for two ids that nobody confuses.

    Where it fails for those as well, that failure is raised: the ids are not to blame.
    """
    try:
        plan(oracle(), pairs)
    except Mismatch as error:
        with recorder.aside():
            control = oracle()
            names = control.given.names
            plan(control, [(names.player(), names.player())])
        raise Mismatch(error.expected, error.received) from None


def imports(oracle: Oracle, pairs: Pairs) -> None:
    """Both players of each pair are imported, and so is what they hold."""
    players = [player for pair in pairs for player in pair]
    for kind in ("players", *LEDGERS):
        stem = oracle.given.names.key()
        oracle.migrate(kind, [(who, f"{stem}-{n}", 1 + n) for n, who in enumerate(players)])
    oracle.agree(*players)


def changes(oracle: Oracle, pairs: Pairs) -> None:
    """Both players of each pair get the same; each answer tells the holding of one."""
    for number, pair in enumerate(pairs):
        for player in pair:
            oracle.change(LEDGERS[number % 2], player, 10 + number)


def removals(oracle: Oracle, pairs: Pairs) -> None:
    """Both players of each pair are banned, then one is erased."""
    stem = oracle.given.names.key()
    players = [player for pair in pairs for player in pair]
    oracle.migrate("wallet", [(who, f"{stem}-{n}", 3 + n) for n, who in enumerate(players)])
    for one, other in pairs:
        oracle.ban(one, "conformance")
        oracle.ban(other, "conformance")
        oracle.erase(one)
        oracle.agree(other)


def merges(oracle: Oracle, pairs: Pairs) -> None:
    """One player of each pair is merged into the other."""
    stem = oracle.given.names.key()
    players = [player for pair in pairs for player in pair]
    oracle.migrate("wallet", [(who, f"{stem}-{n}", 3 + n) for n, who in enumerate(players)])
    for one, other in pairs:
        oracle.merge(one, other)
    oracle.agree(*players[:2], *players[-2:])


def reads(oracle: Oracle, pairs: Pairs) -> None:
    """One player of each pair is imported; the other one stays unknown to every read."""
    stem = oracle.given.names.key()
    oracle.migrate("players", [(one, f"{stem}-{n}", n) for n, (one, _) in enumerate(pairs)])
    for _, other in pairs:
        oracle.read_profile(other)
        oracle.agree(other)
        oracle.unban(other)


def rosters(oracle: Oracle, pairs: Pairs) -> None:
    """Both players of each pair sit in one lobby."""
    for pair in pairs:
        oracle.create_lobby(oracle.given.names.key(), pair, 4)


PLANS: dict[str, tuple[Plan, int]] = {
    "imports": (imports, 1),
    "changes": (changes, 1),
    "removals": (removals, 2),
    "merges": (merges, 1),
    "reads": (reads, 2),
    "rosters": (rosters, 1),
}
"""Each plan, and of how many parts of the pairs a run takes one."""

"""What is done with pairs of players whose ids look alike."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from conformance.client.recorder import Recorder
from conformance.failures import Mismatch
from conformance.fuzzing.model import LEDGERS
from conformance.fuzzing.oracle import Oracle

Pairs = Sequence[tuple[str, str]]
Plan = Callable[[Oracle, Pairs], None]
"""Does something with each pair of player ids."""


def expect_unknown_here(oracle: Callable[[], Oracle], stranger: str, grant: str) -> None:
    """Mismatch if the player of another game, who has the grant there, is not unknown here."""

    def plan(oracle: Oracle, stranger: str, grant: str) -> None:
        known = oracle.given.names.player()
        oracle.create_grant(known, oracle.given.grant_body())
        call_for_stranger(oracle, stranger, known, grant)
        oracle.create_grant(stranger, oracle.given.grant_body())
        oracle.ack(stranger, grant)
        oracle.agree(known, stranger)
        oracle.show(stranger)

    judge = oracle()
    nobody = judge.given.names.player()
    with _unless_also(
        lambda: plan(oracle(), nobody, "grant-of-nobody"), judge.api.channel.recorder
    ):
        plan(judge, stranger, grant)


def expect_two_players(
    plan: Plan, oracle: Callable[[], Oracle], pairs: Pairs, recorder: Recorder
) -> None:
    """Mismatch if the plan fails for these pairs, but not for two ids that nobody confuses.

    Where it fails for those as well, that failure is raised: the ids are not to blame.
    """
    control = oracle()
    names = control.given.names
    with _unless_also(lambda: plan(control, [(names.player(), names.player())]), recorder):
        plan(oracle(), pairs)


@contextmanager
def _unless_also(control: Callable[[], None], recorder: Recorder) -> Iterator[None]:
    """A mismatch here is the scenario's, unless the control fails too: then that one is raised."""
    try:
        yield
    except Mismatch as error:
        with recorder.aside():
            control()
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


def strangers(oracle: Oracle, pairs: Pairs) -> None:
    """One player of each pair has something; the other one is unknown to every operation."""
    for one, other in pairs:
        grant = oracle.create_grant(one, oracle.given.grant_body())
        for ledger in LEDGERS:
            oracle.change(ledger, one, 50)
        call_for_stranger(oracle, other, one, grant)
        oracle.agree(one)


def call_for_stranger(oracle: Oracle, stranger: str, known: str, grant: str) -> None:
    """Every operation that creates nobody, for an unknown player; `grant` is not theirs."""
    oracle.read_profile(stranger)
    oracle.ban(stranger, "conformance")
    oracle.unban(stranger)
    oracle.ack(stranger, grant)
    for ledger in LEDGERS:
        oracle.change(ledger, stranger, -1)
    oracle.merge(stranger, known)
    oracle.merge(known, stranger)
    oracle.erase(stranger)
    oracle.agree(stranger)


def rosters(oracle: Oracle, pairs: Pairs) -> None:
    """Both players of each pair sit in one lobby."""
    for pair in pairs:
        oracle.create_lobby(oracle.given.names.key(), pair, 4)


PLANS: dict[str, tuple[Plan, int]] = {
    "imports": (imports, 1),
    "changes": (changes, 1),
    "removals": (removals, 2),
    "merges": (merges, 1),
    "strangers": (strangers, 6),
    "rosters": (rosters, 1),
}
"""Each plan, and of how many parts of the pairs a run takes one."""

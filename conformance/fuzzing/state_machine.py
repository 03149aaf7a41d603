"""Random sequences of all 18 operations over a few players, judged by the oracle."""

from itertools import cycle

import hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    get_state_machine_test,
    initialize,
    invariant,
    precondition,
    rule,
)

from conformance.client.api import Api
from conformance.client.recorder import Recorder
from conformance.fuzzing.model import LEDGERS
from conformance.fuzzing.oracle import Oracle
from conformance.fuzzing.schema_cases import SETTINGS
from conformance.fuzzing.shrink_limit import ShrinkLimit
from conformance.testkit.expect import expect_status
from conformance.testkit.given import Given
from conformance.testkit.import_batches import ImportBatch

PLAYERS = ("a", "b", "c")
KEYS = ("k1", "k2", "k3")
SEATS = 4
players = st.sampled_from(PLAYERS)
keys = st.sampled_from(KEYS)
ledgers = st.sampled_from(LEDGERS)
amounts = st.sampled_from([5, 1, 3, 20])
refs = st.sampled_from(["r1", "r2"])


class Machine(RuleBasedStateMachine):
    """Drives the server that its subclass, made by `machine_for`, knows."""

    api: Api
    given: Given
    recorder: Recorder
    shrink_limit: ShrinkLimit

    def __init__(self) -> None:
        self.shrink_limit.check()
        super().__init__()
        self.oracle = Oracle(self.api, self.given, self.shrink_limit.record)
        self.stem = ""

    @initialize(known=st.integers(0, 3))
    def start(self, known: int) -> None:
        """Begin with some players who have something, and others who are unknown."""
        self.recorder.restart()
        self.stem = self.given.names.player()
        for player, key, ledger in zip(PLAYERS[:known], KEYS, cycle(LEDGERS), strict=False):
            self.create_grant(player, key, "r1")
            self.oracle.change(ledger, self.name(player), 40)

    def name(self, short: str) -> str:
        """The full name of a player or key of this sequence."""
        return f"{self.stem}-{short}"

    def create_grant(self, player: str, key: str, ref: str) -> None:
        """A create of a grant."""
        body = self.given.grant_body(idempotencyKey=self.name(key), sourceRefId=ref)
        self.oracle.create_grant(self.name(player), body)

    @rule(player=players, key=keys, ref=refs)
    def grant(self, player: str, key: str, ref: str) -> None:
        """A create with a new key, a replay, a conflict, or a key of another player."""
        self.create_grant(player, key, ref)

    @precondition(lambda self: self.oracle.model.grants)
    @rule(other=st.none() | players, number=st.integers(0, 5))
    def ack_grant(self, other: str | None, number: int) -> None:
        """An ack of any grant of the sequence, or of none, for its owner or another player."""
        model = self.oracle.model
        grants = ["grant-of-nobody", *model.grants]
        grant = grants[(number + 1) % len(grants)]
        owners = [name for name, person in model.people.items() if grant in person.grants]
        player = self.name(other) if other else next(iter(owners), self.name(PLAYERS[0]))
        self.oracle.ack(player, grant)

    @rule(player=players, ledger=ledgers, amount=amounts, key=st.none() | keys)
    def increase(self, player: str, ledger: str, amount: int, key: str | None) -> None:
        """A credit or a grant of an item."""
        self.oracle.change(ledger, self.name(player), amount, key and self.name(key))

    @rule(player=st.none() | players, ledger=ledgers, amount=amounts, key=st.none() | keys)
    def decrease(self, player: str | None, ledger: str, amount: int, key: str | None) -> None:
        """A debit or a revoke; without `player`, for one who holds something."""
        name = self.name(player or PLAYERS[0])
        if player is None:
            name, ledger = next(self.oracle.model.holders(), (name, ledger))
        self.oracle.change(ledger, name, -amount, key and self.name(key))

    @rule(player=players, kind=st.sampled_from(["players", *LEDGERS]), key=keys)
    def migrate(self, player: str, kind: str, key: str) -> None:
        """An import of one row. Its keys differ from other operations' keys: sharing is FREE."""
        row = (self.name(player), self.name(f"{kind}-{key}"), ImportBatch.amount)
        self.oracle.migrate(kind, [row])

    @rule(player=players, action=st.sampled_from(["ban", "unban", "erase"]))
    def moderate(self, player: str, action: str) -> None:
        """A ban, the end of one, or an erasure."""
        if action == "ban":
            self.oracle.ban(self.name(player), "stateful")
        elif action == "unban":
            self.oracle.unban(self.name(player))
        else:
            self.oracle.erase(self.name(player))

    @precondition(lambda self: len(self.oracle.model.people) > 1 or self.oracle.model.merged)
    @rule(pair=st.none() | st.tuples(players, players))
    def merge(self, pair: tuple[str, str] | None) -> None:
        """A merge, its replay, or a refused merge; without `pair`, of two known players."""
        everyone = [self.name(player) for player in pair or PLAYERS]
        known = () if pair else self.oracle.model.people
        source, into = [*dict.fromkeys([*known, *everyone]), everyone[-1]][:2]
        self.oracle.merge(source, into)

    @precondition(lambda self: self.given.world.lobby_event and self.api.game_id)
    @rule(roster=st.lists(players, min_size=1, max_size=3, unique=True), key=keys)
    def create_lobby(self, roster: list[str], key: str) -> None:
        """A new lobby, or the lobby that the key already has."""
        named = [self.name(player) for player in roster]
        self.oracle.create_lobby(self.name(key), named, SEATS)

    @rule(player=players, limit=st.sampled_from([None, 1, 2]), number=st.integers(0, 3))
    def look(self, player: str, limit: int | None, number: int) -> None:
        """Read a lobby and a profile, and ping."""
        with self.oracle.blaming("PING-1"):
            expect_status(self.api.ping(), 200, because="the key is valid")
        if self.api.game_id:
            lobbies = ["lobby-of-nobody", *self.oracle.model.lobbies.values()]
            self.oracle.read_lobby(lobbies[number % len(lobbies)])
        self.oracle.read_profile(self.name(player), limit)

    @invariant()
    def the_server_agrees_with_the_model(self) -> None:
        """Every export agrees with the model, and no exchange broke a rule."""
        self.oracle.agree(*(self.name(player) for player in PLAYERS if self.stem))


def machine_for(api: Api, given: Given, recorder: Recorder, shrink_seconds: float) -> type[Machine]:
    """The machine class that drives this server."""

    class Driven(Machine):
        pass

    Driven.api, Driven.given, Driven.recorder = api, given, recorder
    Driven.shrink_limit = ShrinkLimit(recorder, shrink_seconds)
    return Driven


def run_sequences(machine: type[Machine], *, sequences: int, steps: int, seed: int) -> None:
    """Run random sequences; Mismatch for the shortest that breaks the contract."""
    settings = hypothesis.settings(
        SETTINGS,
        max_examples=sequences,
        stateful_step_count=steps,
        verbosity=hypothesis.Verbosity.quiet,
    )
    machine.shrink_limit.run(
        hypothesis.seed(seed)(get_state_machine_test(machine, settings=settings))
    )

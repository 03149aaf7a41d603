"""Random sequences of all 18 operations over a few players, compared with a model.

Each rule calls the server, judges the answer by the contract, and updates `model.Model`. After
every step an invariant compares the server's state with the model's. Where the contract is FREE,
the model takes over what the server chose.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import cycle
from typing import Any

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

from conformance.client.api import Answer, Api
from conformance.client.recorder import Recorder
from conformance.failures import Mismatch
from conformance.fuzzing.model import LEDGERS, Model, Use
from conformance.fuzzing.schema_cases import SETTINGS
from conformance.fuzzing.shrink_limit import ShrinkLimit
from conformance.testkit.expect import expect_equal, expect_fields, expect_status, expect_that
from conformance.testkit.given import Given, state_of
from conformance.testkit.import_batches import ImportBatch
from conformance.testkit.ledgers import Ledger

State = Mapping[str, Any] | None
PLAYERS = ("a", "b", "c")
KEYS = ("k1", "k2", "k3")
SEATS = 4
players = st.sampled_from(PLAYERS)
keys = st.sampled_from(KEYS)
ledgers = st.sampled_from(LEDGERS)
amounts = st.sampled_from([5, 1, 3, 20])
refs = st.sampled_from(["r1", "r2"])

PRESENCE = "presence"
"""The part of a state that says whether the player is known."""


class Machine(RuleBasedStateMachine):
    """Drives the server that its subclass, made by `machine_for`, knows."""

    api: Api
    given: Given
    recorder: Recorder
    shrink_limit: ShrinkLimit

    def __init__(self) -> None:
        self.shrink_limit.check()
        super().__init__()
        self.model = Model()
        self.stem = ""
        self.accused = "EXP-1"
        self.blame: dict[str, str] = {}
        self.known: set[str] = set()
        self.grants = ["grant-of-nobody"]
        self.lobbies = ["lobby-of-nobody"]

    @initialize(known=st.integers(0, 3))
    def start(self, known: int) -> None:
        """Begin with some players who have something, and others who are unknown."""
        self.recorder.restart()
        self.stem = self.given.names.player()
        for player, key, ledger in zip(PLAYERS[:known], KEYS, cycle(LEDGERS), strict=False):
            self.create_grant(player, key, "r1")
            self.change_holding(player, ledger, 40, None)

    def name(self, short: str) -> str:
        """The full name of a player or key of this sequence."""
        return f"{self.stem}-{short}"

    @contextmanager
    def blaming(self, requirement: str, **blame: str) -> Iterator[None]:
        """Blame this requirement for a mismatch here, and for a wrong state after this step.

        `blame` names another requirement for some parts of that state: `wallet`, `inventory`,
        `grants`, `lobbies`, `presence`.
        """
        self.accused, self.blame = requirement, blame
        try:
            yield
        except Mismatch as error:
            error.requirement = error.requirement or requirement
            self.shrink_limit.record(error)
            raise

    def accept_new_player(self, player: str) -> None:
        """FREE: a refused or replayed call may have made the player known."""
        known = self.api.export_player(self.name(player)).status == 200
        if player not in self.model.people and known:
            self.model.ensure(player)

    @rule(player=players, key=keys, ref=refs)
    def create_grant(self, player: str, key: str, ref: str) -> None:
        """A create with a new key, a replay, a conflict, or a key of another player."""
        body = self.given.grant_body(idempotencyKey=self.name(key), sourceRefId=ref)
        answer = self.api.create_grant(self.name(player), body)
        first = self.model.use("grant", key)
        if first is None:
            with self.blaming("GRANT-1", grants="GRANT-8", presence="GRANT-6"):
                expect_status(answer, 201, because=f"the key {key} is new")
                expect_fields(answer.data, status="pending", sourceRefId=ref)
            person = self.model.ensure(player)
            person.grants[answer.data["id"]] = "pending"
            self.grants.append(answer.data["id"])
            self.model.remember("grant", key, person, ref, answer.data["id"])
        elif first.person is not self.model.people.get(player):
            with self.blaming("GRANT-5"):
                expect_status(answer, 200, 409, because=f"{key} was used for another player")
            self.accept_new_player(player)
        elif first.request != ref:
            with self.blaming("GRANT-3"):
                expect_status(answer, 409, because=f"the key {key} was used with another body")
        else:
            with self.blaming("GRANT-2"):
                expect_status(answer, 200, because=f"the key {key} was used with this body")
                expect_equal(answer.data["id"], first.answer, "the grant that the key names")

    @precondition(lambda self: len(self.grants) > 1)
    @rule(other=st.none() | players, number=st.integers(1, 6))
    def ack_grant(self, other: str | None, number: int) -> None:
        """An ack of any grant of the sequence, for its owner or for another player."""
        grant = self.grants[number % len(self.grants)]
        owners = [name for name, person in self.model.people.items() if grant in person.grants]
        player = other or next(iter(owners), PLAYERS[0])
        answer = self.api.ack_grant(self.name(player), grant)
        person = self.model.people.get(player)
        if person is None or grant not in person.grants:
            with self.blaming("ACK-3"):
                expect_status(answer, 404, because="the grant is not the player's")
            return
        with self.blaming("ACK-1", grants="ACK-4", wallet="ACK-6", inventory="ACK-6"):
            expect_status(answer, 200, because="the grant is the player's")
            expect_fields(answer.data, id=grant, status="claimed")
        person.grants[grant] = "claimed"

    @rule(player=players, ledger=ledgers, amount=amounts, key=st.none() | keys)
    def increase(self, player: str, ledger: str, amount: int, key: str | None) -> None:
        """A credit or a grant of an item."""
        self.change_holding(player, ledger, amount, key)

    @rule(player=st.none() | players, ledger=ledgers, amount=amounts, key=st.none() | keys)
    def decrease(self, player: str | None, ledger: str, amount: int, key: str | None) -> None:
        """A debit or a revoke; without `player`, for one who holds something."""
        if player is None:
            player, ledger = next(self.model.holders(), (PLAYERS[0], ledger))
        self.change_holding(player, ledger, -amount, key)

    def change_holding(self, player: str, ledger: str, amount: int, key: str | None) -> None:
        """An increment or decrement, with or without a key."""
        api_ledger = Ledger(ledger, self.given)
        body = {} if key is None else {"idempotencyKey": self.name(key)}
        direction = "increment" if amount > 0 else "decrement"
        answer = api_ledger.change(direction, self.name(player), abs(amount), **body)
        first = self.model.use(ledger, key) if key else None
        if first is not None:
            self.judge_second_use(api_ledger, answer, player, amount, first)
            return
        freed = self.freed_by(player)
        held = self.model.adjust(ledger, player, api_ledger.key, amount)
        if held is None:
            with self.blaming("LEDGER-2"):
                expect_status(answer, 409, because="the player holds too little")
            self.model.refused.add((ledger, key))
            return
        other = next(name for name in LEDGERS if name != ledger)
        changed = "LEDGER-1" if amount > 0 else "LEDGER-2"
        burnt = key is not None and (ledger, key) in self.model.refused
        with self.blaming("LEDGER-9" if burnt else changed):
            because = "only a refused call had the key" if burnt else "the change is valid"
            expect_status(answer, 200, because=because)
        with self.blaming(freed or changed, **{ledger: "LEDGER-11", other: "LEDGER-8"}):
            expect_equal(api_ledger.holding(answer), held, "the holding after the change")
        if key is not None:
            self.model.remember(ledger, key, self.model.people[player], amount, held)

    def judge_second_use(
        self, api_ledger: Ledger, answer: Answer, player: str, amount: int, first: Use
    ) -> None:
        """The key was used before: this is a replay, a conflict, or a use that is FREE."""
        same_player = first.person is self.model.people.get(player)
        if same_player and first.request == amount:
            with self.blaming("LEDGER-3"):
                expect_status(answer, 200, because="the key was used with this body")
                expect_equal(
                    api_ledger.holding(answer), first.answer, "the holding of the first call"
                )
        elif same_player and first.request * amount > 0:
            with self.blaming("LEDGER-4"):
                expect_status(answer, 409, because="the key was used with another body")
        else:
            self.judge_free_use(api_ledger, answer, player, amount)

    def judge_free_use(self, api_ledger: Ledger, answer: Answer, player: str, amount: int) -> None:
        """FREE: one key for two players, or up and down, or after a merge or an erasure.

        Nothing may change that the answer does not report.
        """
        with self.blaming("LEDGER-10"):
            expect_status(
                answer, 200, 409, because="a second use of a key is independent, or conflicts"
            )
        person = self.model.people.get(player)
        held = person.holdings(api_ledger.name).get(api_ledger.key, 0) if person else 0
        if answer.status == 200 and api_ledger.holding(answer) == held + amount:
            self.model.adjust(api_ledger.name, player, api_ledger.key, amount)
        else:
            self.accept_new_player(player)

    @rule(player=players, ledger=st.sampled_from(["players", *LEDGERS]), key=keys)
    def migrate(self, player: str, ledger: str, key: str) -> None:
        """An import of one row. Its keys differ from other operations' keys: sharing is FREE."""
        row: dict[str, Any] = {"externalPlayerId": self.name(player)}
        row["idempotencyKey"] = self.name(f"{ledger}-{key}")
        imported = ImportBatch(ledger, self.given)
        if ledger in LEDGERS:
            row = {**imported.row(), **row}
        answer = imported.send([row])
        first = self.model.use(f"migrate {ledger}", key)
        if first is None:
            with self.blaming("MIG-1"):
                expect_status(answer, 200, because="the batch is well-formed")
                counted = sum(answer.data[name] for name in ("applied", "skipped", "failed"))
                expect_equal(counted, 1, "the rows that were counted")
            adding = ledger in LEDGERS and player in self.model.people
            with self.blaming("MIG-7" if adding else "MIG-6", wallet="MIG-7", inventory="MIG-7"):
                expect_fields(answer.data, applied=1, skipped=0, failed=0)
            person = self.model.ensure(player)
            if ledger in LEDGERS:
                held = Ledger(ledger, self.given).key
                self.model.adjust(ledger, player, held, imported.amount)
            self.model.remember(f"migrate {ledger}", key, person, player, None)
            return
        with self.blaming("MIG-2"):
            expect_status(answer, 200, because="the batch is well-formed")
            expect_fields(answer.data, applied=0)
            if first.person is self.model.people.get(player):
                expect_fields(answer.data, skipped=1, failed=0)
        self.accept_new_player(player)

    @rule(player=players, action=st.sampled_from(["ban", "unban", "erase"]))
    def moderate(self, player: str, action: str) -> None:
        """A ban, the end of one, or an erasure."""
        if action == "erase":
            self.erase(player)
        else:
            self.ban_or_unban(player, action == "ban")

    def ban_or_unban(self, player: str, banned: bool) -> None:
        """A ban, or the end of one; `applied` reports whether that changed anything."""
        name = self.name(player)
        if banned:
            answer = self.api.ban_player(name, {"reason": "stateful"})
        else:
            answer = self.api.unban_player(name)
        person = self.model.people.get(player)
        if person is None:
            with self.blaming("BAN-4"):
                expect_status(answer, 404, because="the player is unknown")
            return
        first = "BAN-2" if person.banned else "BAN-7"
        kept = dict.fromkeys((*LEDGERS, "grants", "lobbies"), "BAN-6")
        with self.blaming(first if banned else "BAN-3", **kept):
            expect_status(answer, 200, because="the player is known")
            expect_fields(answer.data, applied=person.banned is not banned)
        person.banned = banned

    @precondition(lambda self: len(self.model.people) > 1 or self.model.merged)
    @rule(pair=st.none() | st.tuples(players, players))
    def merge(self, pair: tuple[str, str] | None) -> None:
        """A merge, its replay, or a refused merge; without `pair`, of two known players."""
        people = self.model.people
        source, into = pair or tuple(dict.fromkeys([*people, *PLAYERS]))[:2]
        answer = self.api.merge_player(self.name(source), self.name(into))
        if self.model.was_merged(source, into):
            with self.blaming("MERGE-6"):
                expect_status(answer, 200, because="the merge happened")
                expect_fields(answer.data, status="no_op_already_merged")
        elif source not in people and self.model.went_to(source, into):
            with self.blaming("MERGE-6"):
                # FREE: a replay whose target is gone.
                expect_status(answer, 200, 404, 422, because="the target of the merge is gone")
                status = answer.data["status"] if answer.status == 200 else "no_op_already_merged"
                expect_equal(status, "no_op_already_merged", "the status of the replay")
        elif source not in people or into not in people:
            # FREE: an erased target, and the order of checks for a merge with itself.
            odd = source == into or into in self.model.erased
            allowed = (404, 422) if odd else (404,)
            with self.blaming("MERGE-7"):
                expect_status(answer, *allowed, because="one of the two is unknown")
        elif source == into or people[into].banned:
            with self.blaming("MERGE-7"):
                expect_status(
                    answer, 422, because="the two are one player, or the target is banned"
                )
        else:
            moved = {"wallet": "MERGE-2", "inventory": "MERGE-2", "grants": "MERGE-3"}
            with self.blaming("MERGE-1", **moved, lobbies="MERGE-4", presence="MERGE-5"):
                expect_status(answer, 200, because="both players are known")
                expect_fields(answer.data, status="merged")
            self.model.merge(source, into)

    def erase(self, player: str) -> None:
        """An erasure, or one that finds nothing to erase."""
        answer = self.api.delete_player(self.name(player), {"reason": "test"})
        if player in self.model.people:
            self.expect_erasure(answer, "DEL-1", "erased")
            self.model.erase(player)
        elif self.model.ended.get(player) == "erased":
            self.expect_erasure(answer, "DEL-3", "no_op_already_erased")
        elif player in self.model.ended:
            # FREE: which no-op a merged-away id gets.
            self.expect_erasure(answer, "DEL-4", "no_op_already_erased", "no_op_never_existed")
        else:
            self.expect_erasure(answer, "DEL-4", "no_op_never_existed")

    def expect_erasure(self, answer: Answer, requirement: str, *statuses: str) -> None:
        """The erasure gets 200 and one of these statuses."""
        with self.blaming(requirement, presence="DEL-2"):
            expect_status(answer, 200, because="erasing always answers 200")
            reported = answer.data["status"]
            expect_that(reported in statuses, f"the status {' or '.join(statuses)}", reported)

    @precondition(lambda self: self.given.world.lobby_event and self.api.game_id)
    @rule(roster=st.lists(players, min_size=1, max_size=3, unique=True), key=keys)
    def create_lobby(self, roster: list[str], key: str) -> None:
        """A new lobby, or the lobby that the key already has."""
        body = {
            "key": self.name(key),
            "externalPlayerIds": [self.name(player) for player in roster],
            "capacity": SEATS,
        }
        answer = self.api.create_lobby(self.given.world.event("lobby_event"), body)
        known = self.model.lobbies.get(key)
        if known is None:
            with self.blaming("LOBBY-1", lobbies="LOBBY-6", presence="LOBBY-6"):
                expect_status(answer, 201, because=f"the key {key} is new")
                expect_fields(answer.data, participantCount=len(roster), capacity=SEATS)
            lobby = str(answer.data["id"])
            self.model.lobbies[key] = lobby
            self.lobbies.append(lobby)
            for player in roster:
                self.model.ensure(player).lobbies.add(lobby)
            return
        with self.blaming("LOBBY-3"):
            expect_status(answer, 201, 409, because=f"the key {key} has a lobby")
            reported = answer.data["id"] if answer.status == 201 else known
            expect_equal(reported, known, "the lobby that the key names")
        for player in roster:
            self.accept_new_player(player)

    @rule(player=players, limit=st.sampled_from([None, 1, 2]), number=st.integers(0, 3))
    def look(self, player: str, limit: int | None, number: int) -> None:
        """Read a lobby and a profile, and ping."""
        with self.blaming("PING-1"):
            expect_status(self.api.ping(), 200, because="the key is valid")
        if self.api.game_id:
            self.look_at_lobby(self.lobbies[number % len(self.lobbies)])
        answer = self.api.get_player(self.name(player), limit)
        known = player in self.model.people
        with self.blaming("PLAYER-1", presence="PLAYER-4"):
            because = f"the player is {'known' if known else 'unknown'}"
            expect_status(answer, 200 if known else 404, because=because)

    def look_at_lobby(self, lobby: str) -> None:
        """Read a lobby of the sequence, or one that does not exist."""
        answer = self.api.get_lobby(lobby)
        if lobby == self.lobbies[0]:
            with self.blaming("LOBBY-9"):
                expect_status(answer, 404, because="there is no such lobby")
            return
        with self.blaming("LOBBY-8"):
            expect_status(answer, 200, because="the lobby exists")
            expect_fields(answer.data, id=lobby, capacity=SEATS)

    @invariant()
    def the_server_agrees_with_the_model(self) -> None:
        """Every export agrees with the model, and no exchange broke a rule."""
        for player in PLAYERS if self.stem else ():
            reported, expected = self.reported_state(player), self.model.state(player)
            with self.blaming(
                self.blamed(player, differing_part(reported, expected)), **self.blame
            ):
                expect_equal(reported, expected, f"the state of player {player}")
        self.known = set(self.model.people)
        for breach in self.recorder.breaches:
            with self.blaming(breach.requirement):
                raise Mismatch(breach.expected, breach.received)

    def blamed(self, player: str, part: str) -> str:
        """The requirement to blame if this part of the player's state is wrong.

        A new player with a freed id begins with nothing, whichever operation created them.
        """
        new = player in self.model.people and player not in self.known
        return (new and self.freed_by(player)) or self.blame.get(part, self.accused)

    def freed_by(self, player: str) -> str | None:
        """The requirement by which the id of a new player became free; None for a fresh id."""
        ended = self.model.ended.get(player)
        if player in self.known or ended is None:
            return None
        return "MERGE-5" if ended == "merged" else "DEL-6"

    def reported_state(self, player: str) -> dict[str, Any] | None:
        """The player's export, in the form of `Model.state`."""
        answer = self.api.export_player(self.name(player))
        if answer.status == 404:
            return None
        if answer.status != 200:
            erased = self.model.ended.get(player) == "erased"
            expected = "an export with 200 or 404"
            raise Mismatch(expected, f"status {answer.status}", "DEL-2" if erased else "EXP-1")
        state = state_of(answer.data)
        return {
            "wallet": state["wallet"],
            "inventory": state["inventory"],
            "grants": {str(grant["id"]): grant.get("status") for grant in state["grants"]},
            "lobbies": set(state["lobbies"]),
        }


def differing_part(reported: State, expected: State) -> str:
    """The first part in which two states of a player differ; empty if they are equal."""
    if reported is None or expected is None:
        return "" if reported is expected else PRESENCE
    return next((name for name in expected if reported[name] != expected[name]), "")


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

"""Calls a server and judges every answer, and every state, by what the contract allows.

Whoever drives it chooses the calls: random sequences, or plans that were designed. `Model` knows
what was done. Where the contract is FREE, the model takes over what the server chose.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from conformance.client.api import Answer, Api
from conformance.failures import Mismatch
from conformance.fuzzing.blame import PRESENCE, Blame
from conformance.fuzzing.model import LEDGERS, Granted, Model, Person, Use
from conformance.fuzzing.views import Views
from conformance.http.last_byte_sync import SIMULTANEOUS
from conformance.testkit.expect import (
    expect_equal,
    expect_fields,
    expect_placeholder,
    expect_status,
    expect_that,
)
from conformance.testkit.given import Given
from conformance.testkit.import_batches import ImportBatch
from conformance.testkit.ledgers import Ledger, held_in

T = TypeVar("T")
UNTOUCHED = dict.fromkeys((*LEDGERS, "grants", "lobbies", PRESENCE), "BAN-6")
"""What a ban leaves as it is."""
USED_BY = {"erased": "DEL-9", "merged": "MERGE-9"}
"""What keeps a grant's key used once its player has ended."""
LASTING = ("id", "eventId", "eventWindowId", "mode", "capacity", "botSlots")
"""What a lobby without bots is from its beginning to its end (LOBBY-8)."""
LARGE = 2**16
"""Beyond it, LEDGER-12 says that a holding is exact."""


class Oracle:
    """Drives one server. Every method is one call, judged; `agree` compares the states after it.

    Players, keys and lobby keys are the full strings that the server sees. `on_mismatch` is told
    of each departure before it is raised.
    """

    def __init__(
        self, api: Api, given: Given, on_mismatch: Callable[[Mismatch], None] = lambda _: None
    ) -> None:
        self.api = api
        self.given = given
        self.model = Model()
        blame = Blame(self.model, on_mismatch)
        views = Views(api, self.model, blame)
        self._blame = blame
        self.blaming = blame.on
        self.agree, self.show, self.look = views.agree, views.show, views.look
        self.read_profile, self.expect_whole_export = views.read_profile, views.expect_whole_export

    def _accept_new_player(self, player: str) -> None:
        """FREE: a refused or replayed call may have made the player known."""
        if player not in self.model.people and self.api.export_player(player).status == 200:
            self.model.ensure(player)

    # Grants

    def create_grant(self, player: str, body: Mapping[str, Any]) -> str:
        """A create with a new key, a replay, a conflict, or a key of another player.

        The id of the grant that the key names.
        """
        key = str(body["idempotencyKey"])
        answer = self.api.create_grant(player, dict(body))
        first = self.model.use("grant", key)
        if first is None:
            return self._new_grant(answer, player, body)
        if first.person is not self.model.people.get(player):
            with self.blaming(USED_BY.get(first.person.end, "GRANT-5")):
                expect_status(answer, 200, 409, because=f"{key} was used for another player")
            self._accept_new_player(player)
        elif first.request != canonical(body):
            with self.blaming("GRANT-3"):
                expect_status(answer, 409, because=f"the key {key} was used with another body")
        else:
            granted = first.person.grants[first.answer["id"]]
            with self.blaming("GRANT-2" if granted.status == "pending" else "ACK-5"):
                expect_status(answer, 200, because=f"the key {key} was used with this body")
                expect_equal(answer.data["id"], first.answer["id"], "the grant that the key names")
            if granted.status == "pending" and not granted.moved:
                with self.blaming("GRANT-2"):
                    expect_equal(answer.data, first.answer, "the replay's data")
        return str(first.answer["id"])

    def create_grants(self, player: str, bodies: Sequence[Mapping[str, Any]]) -> list[str]:
        """Creates with new keys, many at a time; the ids of the grants."""
        path, made = {"externalId": player}, []
        for some in batched(bodies):
            requests = [self.api.request("createGrant", body, path=path) for body in some]
            answers = self.api.send_simultaneously(requests)
            made += [
                self._new_grant(answer, player, body)
                for answer, body in zip(answers, some, strict=True)
            ]
        return made

    def _new_grant(self, answer: Answer, player: str, body: Mapping[str, Any]) -> str:
        sent = {name: body[name] for name in ("kind", "sourceRefId") if name in body}
        with self.blaming(
            self._blame.freed_by(player) or "GRANT-1", grants="GRANT-8", presence="GRANT-6"
        ):
            expect_status(answer, 201, because=f"the key {body['idempotencyKey']} is new")
            id = str(answer.data["id"])
            expect_that(id not in self.model.grants, "a grant that is new", f"the old grant {id}")
            expect_fields(answer.data, **{"kind": "reward", "status": "pending", **sent})
        person = self.model.ensure(player)
        person.grants[id] = Granted(sent)
        self.model.grants.append(id)
        key, content = str(body["idempotencyKey"]), canonical(body)
        self.model.remember("grant", key, person, content, answer.data)
        return id

    def ack(self, player: str, grant: str) -> None:
        """An ack of any grant, for its owner or for another player."""
        answer = self.api.ack_grant(player, grant)
        person = self.model.people.get(player)
        granted = person.grants.get(grant) if person else None
        if granted is None:
            end = self.model.ended.get(player) if person is None else self.model.end_of(grant)
            with self.blaming({"erased": "DEL-2", "merged": "MERGE-5"}.get(end or "", "ACK-3")):
                expect_status(answer, 404, because="the grant is not the player's")
            return
        with self.blaming("ACK-1", grants="ACK-4", wallet="ACK-6", inventory="ACK-6"):
            expect_status(answer, 200, because="the grant is the player's")
            expect_fields(answer.data, id=grant, status="claimed")
        granted.status = "claimed"

    # Holdings

    def change(
        self,
        ledger: str,
        player: str,
        amount: int,
        key: str | None = None,
        item: str | None = None,
        **fields: Any,
    ) -> None:
        """An increment, or a decrement for a negative amount; `item` is the second declared key."""
        api_ledger = Ledger(ledger, self.given)
        item = item or api_ledger.key
        body = fields if key is None else {"idempotencyKey": key, **fields}
        direction = "increment" if amount > 0 else "decrement"
        answer = api_ledger.change(direction, player, abs(amount), item, **body)
        first = self.model.use(ledger, key) if key else None
        request = (item, amount > 0, abs(amount), fields)
        if first is not None:
            self._second_use(api_ledger, answer, player, request, first)
            return
        freed, suspect = self._blame.freed_by(player), self._blame.suspect(ledger)
        held = self.model.adjust(ledger, player, item, amount)
        if held is None:
            with self.blaming("LEDGER-2"):
                expect_status(answer, 409, because="the player holds too little")
            self.model.refused.add((ledger, key))
            return
        other = next(name for name in LEDGERS if name != ledger)
        changed = "LEDGER-1" if amount > 0 else "LEDGER-2"
        changed = "LEDGER-12" if max(abs(amount), held) > LARGE else changed
        burnt = key is not None and (ledger, key) in self.model.refused
        with self.blaming("LEDGER-9" if burnt else freed or changed):
            because = "only a refused call had the key" if burnt else "the change is valid"
            expect_status(answer, 200, because=because)
        blame = {ledger: "LEDGER-11", other: "LEDGER-8"}
        with self.blaming(suspect or freed or changed, **blame):
            expect_equal(api_ledger.holding(answer), held, "the holding after the change")
        if key is not None:
            self.model.remember(ledger, key, self.model.people[player], request, held)

    def change_often(self, ledger: str, player: str, keys: Sequence[str]) -> None:
        """Increments by one with new keys, many at a time."""
        api_ledger = Ledger(ledger, self.given)
        for some in batched(keys):
            answers = self.api.send_simultaneously(
                [api_ledger.request("increment", player, 1, idempotencyKey=key) for key in some]
            )
            with self.blaming("LEDGER-1"):
                for answer in answers:
                    expect_status(answer, 200, because="the key is new")
            self.model.adjust(ledger, player, api_ledger.key, len(some))

    def _second_use(
        self,
        api_ledger: Ledger,
        answer: Answer,
        player: str,
        request: tuple[str, bool, int, Mapping[str, Any]],
        first: Use,
    ) -> None:
        """The key was used before: this is a replay, a conflict, or a use that is FREE."""
        same_player = first.person is self.model.people.get(player) and not first.is_mixed()
        if same_player and first.request == request:
            with self.blaming("LEDGER-3"):
                expect_status(answer, 200, because="the key was used with this body")
                expect_equal(
                    api_ledger.holding(answer), first.answer, "the holding of the first call"
                )
        elif same_player and first.request[:2] == request[:2]:
            with self.blaming("LEDGER-4"):
                expect_status(answer, 409, because="the key was used with another body")
        else:
            self._free_use(api_ledger, answer, player, request)
            if answer.status == 200 and player in self.model.people:
                first.others.append(self.model.people[player])

    def _free_use(
        self,
        api_ledger: Ledger,
        answer: Answer,
        player: str,
        request: tuple[str, bool, int, Mapping[str, Any]],
    ) -> None:
        """FREE: one key for two players or items, or up and down, or after a merge or an erasure.

        Nothing may change that the answer does not report. An answer that reports a change may also
        be a replay of one, if the key counts for each player: then the export shows no change.
        """
        item, is_up, size, _ = request
        amount = size if is_up else -size
        with self.blaming("LEDGER-10"):
            expect_status(
                answer, 200, 409, because="a second use of a key is independent, or conflicts"
            )
        person = self.model.people.get(player)
        held = person.holdings(api_ledger.name).get(item, 0) if person else 0
        reports = answer.status == 200 and api_ledger.holding(answer) == held + amount
        if reports and not self._holds(api_ledger, player, item, held):
            self.model.adjust(api_ledger.name, player, item, amount)
        else:
            self._accept_new_player(player)

    def _holds(self, api_ledger: Ledger, player: str, item: str, amount: int) -> bool:
        """Whether the export shows this holding; an unknown player holds nothing."""
        answer = self.api.export_player(player)
        shown = held_in(answer.data, api_ledger.name, item) if answer.status == 200 else 0
        return shown == amount

    # Imports

    def migrate(
        self, kind: str, rows: Sequence[tuple[str, str, int]], items: Sequence[str] = ()
    ) -> None:
        """An import of (player, key, amount); `kind` is `players`, `wallet` or `inventory`.

        The keys must be used by no other operation: sharing them is FREE. In the players import
        the amount is part of the snapshot. `items` are the declared keys that rows take in turn,
        the first if there is none.
        """
        batch = ImportBatch(kind, self.given)
        items = items or ([Ledger(kind, self.given).key] if kind in LEDGERS else [""])
        named = [items[number % len(items)] for number in range(len(rows))]
        sent = [self._row(batch, *row, item) for row, item in zip(rows, named, strict=True)]
        news = [key for _, key, _ in rows if self.model.use(f"migrate {kind}", key) is None]
        fresh = len(dict.fromkeys(news))
        answer = batch.send(sent)
        adding = kind in LEDGERS and all(player in self.model.people for player, _, _ in rows)
        created = "MIG-7" if adding else "MIG-6"
        with self.blaming("MIG-1"):
            expect_status(answer, 200, because="the batch is well-formed")
        with self.blaming("MIG-2" if fresh < len(rows) else created):
            expect_fields(answer.data, applied=fresh)
        with self.blaming("MIG-2" if not fresh else created, wallet="MIG-7", inventory="MIG-7"):
            if all(self._is_replay(kind, player, key) for player, key, _ in rows):
                expect_fields(answer.data, failed=0)
        for (player, key, amount), item in zip(rows, named, strict=True):
            if self.model.use(f"migrate {kind}", key) is None:
                person = self.model.ensure(player)
                if kind in LEDGERS:
                    self.model.adjust(kind, player, item, amount)
                else:
                    person.has_snapshot = True
                self.model.remember(f"migrate {kind}", key, person, amount, None)
            else:
                self._accept_new_player(player)

    def _row(
        self, batch: ImportBatch, player: str, key: str, amount: int, item: str
    ) -> dict[str, Any]:
        row: dict[str, Any] = {"externalPlayerId": player, "idempotencyKey": key}
        if batch.name in LEDGERS:
            row |= {batch.words.key_field: item, batch.words.amount_field: amount}
            row |= {"parameters": {"level": 1}} if batch.name == "inventory" else {}
        else:
            row["contextSnapshot"] = {"level": amount}
        return row

    def _is_replay(self, kind: str, player: str, key: str) -> bool:
        """Whether the row is new, or the same player's: a key of another may fail (FREE)."""
        first = self.model.use(f"migrate {kind}", key)
        return first is None or first.person is self.model.people.get(player)

    # Players

    def ban(self, player: str, reason: str) -> None:
        """A ban; `applied` reports whether that changed anything."""
        answer = self.api.ban_player(player, {"reason": reason})
        person = self._expect_known(answer, player)
        if person is not None:
            first = "BAN-2" if person.banned else "BAN-7" if person.was_banned else "BAN-1"
            with self.blaming(first, **UNTOUCHED):
                expect_fields(answer.data, reason=reason)
                if person.banned is not None:
                    expect_fields(answer.data, applied=not person.banned)
            person.banned = person.was_banned = True

    def unban(self, player: str) -> None:
        """The end of a ban."""
        answer = self.api.unban_player(player)
        person = self._expect_known(answer, player)
        if person is not None:
            if person.banned is not None:
                with self.blaming("BAN-3", **UNTOUCHED):
                    expect_fields(answer.data, applied=person.banned)
            person.banned = False

    def _expect_known(self, answer: Answer, player: str) -> Person | None:
        """The player, for whom a ban or its end gets 200; None for an unknown one, who gets 404."""
        person = self.model.people.get(player)
        with self.blaming("BAN-4" if person is None else "BAN-1"):
            because = "the player is unknown" if person is None else "the player is known"
            expect_status(answer, 404 if person is None else 200, because=because)
        return person

    def merge(self, source: str, into: str) -> None:
        """A merge, its replay, or a refused merge."""
        people = self.model.people
        answer = self.api.merge_player(source, into)
        if self.model.was_merged(source, into):
            # FREE: whether a target that was banned since refuses the replay (MERGE-7) as well.
            may_be_banned = people[into].banned is not False
            self._expect_replay(answer, 200, *([422] if may_be_banned else []))
        elif source not in people and self.model.went_to(source, into):
            # FREE: a replay whose target is gone.
            self._expect_replay(answer, 200, 404, 422)
        elif source not in people or into not in people:
            # FREE: an erased target, and the order of checks where two refusals apply.
            banned = into in people and people[into].banned is not False
            odd = source == into or into in self.model.erased or banned
            allowed = (404, 422) if odd else (404,)
            with self.blaming("MERGE-7"):
                expect_status(answer, *allowed, because="one of the two is unknown")
        elif source == into or people[into].banned or self._has_moved_ban(answer, into):
            with self.blaming("MERGE-7"):
                expect_status(
                    answer, 422, because="the two are one player, or the target is banned"
                )
        else:
            self._merged(answer, source, into)

    def _has_moved_ban(self, answer: Answer, into: str) -> bool:
        """Whether a merge shows that an earlier one banned its target, which is FREE."""
        person = self.model.people[into]
        if person.banned is None:
            person.banned = answer.status == 422
        return person.banned

    def _expect_replay(self, answer: Answer, *statuses: int) -> None:
        with self.blaming("MERGE-6"):
            expect_status(answer, *statuses, because="the merge happened before")
            if answer.status == 200:
                expect_fields(answer.data, status="no_op_already_merged")

    def _merged(self, answer: Answer, source: str, into: str) -> None:
        moved = {"wallet": "MERGE-2", "inventory": "MERGE-2", "grants": "MERGE-3"}
        grants = len(self.model.people[source].grants)
        with self.blaming("MERGE-3"):
            if answer.status == 200:
                expect_fields(answer.data["counts"], grantsReassigned=grants)
        with self.blaming("MERGE-1", **moved, lobbies="MERGE-4", presence="MERGE-5"):
            expect_status(answer, 200, because="both players are known")
            expect_fields(
                answer.data,
                status="merged",
                fromExternalPlayerId=source,
                toExternalPlayerId=into,
            )
            expect_placeholder(answer.data["anonymizedExternalPlayerId"], "merged")
        self.model.merge(source, into)
        self._blame.forget(source)

    def erase(self, player: str) -> None:
        """An erasure, or one that finds nothing to erase."""
        answer = self.api.delete_player(player, {"reason": "test"})
        if player in self.model.people:
            first = "DEL-6" if player in self.model.erased else "DEL-1"
            self._expect_erasure(answer, player, first, "erased")
            with self.blaming("DEL-1", presence="DEL-2"):
                expect_placeholder(answer.data["anonymizedExternalId"], "deleted")
            self.model.erase(player)
            self._blame.forget(player)
        elif self.model.ended.get(player) == "erased":
            self._expect_erasure(answer, player, "DEL-3", "no_op_already_erased")
        elif player in self.model.ended:
            # FREE: which no-op a merged-away id gets.
            noops = ("no_op_already_erased", "no_op_never_existed")
            self._expect_erasure(answer, player, "DEL-4", *noops)
        else:
            self._expect_erasure(answer, player, "DEL-4", "no_op_never_existed")
            with self.blaming("DEL-4", presence="DEL-2"):
                expect_fields(answer.data, playerId=None, anonymizedExternalId=None)

    def _expect_erasure(
        self, answer: Answer, player: str, requirement: str, *statuses: str
    ) -> None:
        with self.blaming(requirement, presence="DEL-2"):
            expect_status(answer, 200, because="erasing always answers 200")
            reported = answer.data["status"]
            expect_that(reported in statuses, f"the status {' or '.join(statuses)}", reported)
            expect_fields(answer.data, externalPlayerId=player)

    # Lobbies

    def create_lobby(self, key: str, roster: Sequence[str], capacity: int) -> str:
        """A new lobby, or the lobby that the key already has; its id."""
        body = {
            "key": key,
            "externalPlayerIds": list(roster),
            "capacity": capacity,
            "fillBots": False,
        }
        answer = self.api.create_lobby(self.given.world.event("lobby_event"), body)
        return self._judge_lobby(answer, key, roster, capacity)

    def create_lobbies(self, keys: Sequence[str], roster: Sequence[str], capacity: int) -> None:
        """Lobbies of the same players, many at a time."""
        path = {"gameId": self.given.game(), "eventKey": self.given.world.event("lobby_event")}
        body = self.given.lobby_body(roster, capacity=capacity, fillBots=False)
        for some in batched(keys):
            bodies = [{**body, "key": key} for key in some]
            requests = [self.api.request("createLobby", each, path=path) for each in bodies]
            answers = self.api.send_simultaneously(requests)
            for answer, key in zip(answers, some, strict=True):
                self._judge_lobby(answer, key, roster, capacity)

    def _judge_lobby(self, answer: Answer, key: str, roster: Sequence[str], capacity: int) -> str:
        known = self.model.lobbies.get(key)
        if known is None and answer.status != 201 and self._is_any_banned(roster):
            for player in roster:  # FREE: whether a banned player is seated
                self._accept_new_player(player)
            return ""
        if known is None:
            freed = next(filter(None, map(self._blame.freed_by, roster)), None)
            with self.blaming(freed or "LOBBY-1", lobbies="LOBBY-6", presence="LOBBY-6"):
                expect_status(answer, 201, because=f"the key {key} is new")
                lobby = str(answer.data["id"])
                old = lobby in self.model.lobbies.values()
                expect_that(not old, "a lobby that is new", f"the old lobby {lobby}")
                distinct = len(set(roster))
                expect_fields(answer.data, participantCount=distinct, capacity=capacity)
            self.model.lobbies[key] = lobby
            self.model.created_lobbies[lobby] = answer.data
            for player in roster:
                self.model.ensure(player).lobbies.add(lobby)
            return lobby
        with self.blaming("LOBBY-3"):
            expect_status(answer, 201, 409, because=f"the key {key} has a lobby")
            reported = answer.data["id"] if answer.status == 201 else known
            expect_equal(reported, known, "the lobby that the key names")
        for player in roster:
            self._accept_new_player(player)
        return known

    def _is_any_banned(self, players: Sequence[str]) -> bool:
        people = (self.model.people.get(player) for player in players)
        return any(person is not None and person.banned is not False for person in people)

    def read_lobby(self, lobby: str) -> None:
        """Read a lobby, whose seats no bot takes, or one that does not exist."""
        answer = self.api.get_lobby(lobby)
        created = self.model.created_lobbies.get(lobby)
        if created is None:
            with self.blaming("LOBBY-9"):
                expect_status(answer, 404, because="there is no such lobby")
            return
        with self.blaming("LOBBY-8"):
            expect_status(answer, 200, because="the lobby exists")
            expect_fields(answer.data, **{n: v for n, v in created.items() if n in LASTING})


def batched(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """As many at a time as one sends simultaneously."""
    for start in range(0, len(items), SIMULTANEOUS):
        yield items[start : start + SIMULTANEOUS]


def canonical(body: Mapping[str, Any]) -> str:
    """A body as a text that is equal only for equal JSON values; the order of keys is none."""
    return json.dumps(body, sort_keys=True)

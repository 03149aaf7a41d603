"""A valid call of each operation, for rules that hold for all operations."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from conformance.client.api import Answer, Api, Body
from conformance.contract.openapi import Schemas
from conformance.failures import Blocked, Mismatch, NotExercised
from conformance.http.exchange import Request
from conformance.testkit.expect import expect_fields, expect_status
from conformance.testkit.given import Given
from conformance.testkit.import_batches import OPERATIONS, ImportBatch
from conformance.testkit.ledgers import Ledger

HELD, CHANGED = 10, 3
"""What a player holds before a sample changes it, and by how much."""


@dataclass(frozen=True)
class Sample:
    """A call of `operation` about `players`, who exist."""

    operation: str
    path: Mapping[str, str] = field(default_factory=dict)
    body: Body | None = None
    players: tuple[str, ...] = ()

    def judge_first(self, answer: Answer, because: str) -> None:
        """Mismatch if the answer is not that of a call which nothing like it has preceded."""
        status, fields = FIRST.get(self.operation, (200, {}))
        expect_status(answer, status, because=because)
        if fields:
            expect_fields(answer.data, **fields)

    def request(self, api: Api, body: Body | bytes | None = None) -> Request:
        """The request; `body` replaces the sample's body."""
        sent = self.body if body is None else body
        return api.request(self.operation, sent, path=self.path)

    def call(self, api: Api, body: Body | bytes | None = None) -> Answer:
        """Send `request`."""
        return Answer(api.send(self.request(api, body)))


class Samples:
    """Makes samples. `of` needs the world that the target declares; `minimal` does not."""

    def __init__(self, given: Given) -> None:
        self.given = given

    def of(self, operation: str) -> Sample:
        """A call that succeeds, about players, grants and lobbies that exist.

        NotExercised for an operation that a newer spec adds: the suite cannot know what that needs
        to succeed. Fuzzing still checks it.
        """
        if operation not in MAKERS:
            raise NotExercised(f"the suite does not know what {operation} needs to succeed")
        return MAKERS[operation](self)

    def expect_first(self, sample: Sample, because: str) -> None:
        """The call is answered as the first of its kind. Blocked if no first call is."""
        self.judge_first(sample, sample.call(self.given.api), because)

    def judge_first(self, sample: Sample, answer: Answer, because: str) -> None:
        """The answer is that of a first call of its kind. Blocked if no usual first call is."""
        try:
            sample.judge_first(answer, because)
        except Mismatch:
            self.called(sample.operation)
            raise

    def called(self, operation: str) -> Sample:
        """A sample that was called. Blocked if it is not answered as the first of its kind."""
        sample = self.of(operation)
        try:
            sample.judge_first(sample.call(self.given.api), "nothing was called before")
        except Mismatch as error:
            raise Blocked("HTTP-1", error.expected, error.received) from None
        return sample

    def full(self, operation: str) -> Sample:
        """A call that succeeds, with every optional field of its body; NotExercised as in `of`."""
        sample = self.of(operation)
        body = dict(sample.body) if sample.body is not None else None
        if body is None:
            return sample
        if "rows" in body:
            body["rows"] = [{**row, **OPTIONAL.get(operation, {})} for row in body["rows"]]
        else:
            body |= OPTIONAL.get(operation, {})
        return replace(sample, body=body)

    def minimal(self, operation: str) -> Sample:
        """A valid call that names nothing that exists, for calls that the server refuses anyway.

        NotExercised if no body is valid by the spec.
        """
        known = self.given.api.channel.spec.operation(operation)
        names = [part[1:-1] for part in known.path.split("/") if part.startswith("{")]
        path = {name: self.given.names.player() for name in names}
        if "gameId" in path and self.given.api.game_id:
            path["gameId"] = self.given.api.game_id
        if known.body_schema is None:
            return Sample(operation, path)
        try:
            return Sample(operation, path, self._smallest(known.body_schema, known.schemas))
        except RecursionError:
            raise NotExercised(f"by the spec, a body of {operation} never ends") from None

    def _smallest(self, schema: Mapping[str, Any], schemas: Schemas) -> Any:
        """The smallest value that is valid for a schema; texts are names of this run."""
        schema = schemas.resolve(schema)
        if "const" in schema:
            return schema["const"]
        if "oneOf" in schema:
            return self._smallest(schema["oneOf"][0], schemas)
        if schema.get("type") == "object":
            required = schema.get("required", [])
            properties = schema.get("properties", {})
            return {name: self._smallest(properties[name], schemas) for name in required}
        if schema.get("type") == "array":
            return [self._smallest(schema["items"], schemas)]
        plain = {"string": self.given.names.key(), "integer": 1, "number": 1, "boolean": False}
        if "enum" in schema:
            return schema["enum"][0]
        if not isinstance(schema.get("type"), str) or schema["type"] not in plain:
            raise NotExercised(
                f"the suite cannot generate a value for a schema of {', '.join(sorted(schema))}"
            )
        return plain[schema["type"]]

    def about_player(self, operation: str, body: Body | None = None) -> Sample:
        """An operation on one known player."""
        player = self.given.player()
        return Sample(operation, {"externalId": player}, body, (player,))

    def ack(self) -> Sample:
        """The ack of a pending grant."""
        player = self.given.player()
        grant = self.given.grant(player)
        return Sample("ackGrant", {"externalId": player, "grantId": grant["id"]}, None, (player,))

    def unban(self) -> Sample:
        """The end of a ban."""
        sample = self.about_player("unbanPlayer")
        self.given.banned(sample.players[0])
        return sample

    def lobby(self) -> Sample:
        """A new lobby with one known player."""
        player = self.given.player()
        event = self.given.world.event("lobby_event")
        path = {"gameId": self.given.game(), "eventKey": event}
        return Sample("createLobby", path, self.given.lobby_body([player]), (player,))

    def lobby_read(self) -> Sample:
        """Reading a lobby that exists."""
        player = self.given.player()
        lobby = self.given.lobby([player])
        path = {"gameId": self.given.game(), "lobbyId": lobby["id"]}
        return Sample("getLobby", path, None, (player,))

    def merge(self) -> Sample:
        """A merge of two known players."""
        source, target = self.given.player(), self.given.player()
        path = {"fromExternalId": source, "toExternalId": target}
        return Sample("mergePlayer", path, None, (source, target))

    def change(self, operation: str, name: str) -> Sample:
        """A change of a holding that is large enough."""
        player, ledger = self.given.player(), Ledger(name, self.given)
        ledger.fill(player, HELD)
        body = {ledger.words.amount_field: CHANGED, "idempotencyKey": self.given.names.key()}
        path = {"externalId": player, ledger.words.path_field: ledger.key}
        return Sample(operation, path, body, (player,))

    def batch(self, name: str) -> Sample:
        """An import of one row about a known player."""
        player, batch = self.given.player(), ImportBatch(name, self.given)
        return Sample(batch.operation, {}, {"rows": [batch.row(player)]}, (player,))


FIRST: dict[str, tuple[int, Mapping[str, Any]]] = {
    "createGrant": (201, {"status": "pending"}),
    "createLobby": (201, {"participantCount": 1}),
    "ackGrant": (200, {"status": "claimed"}),
    "banPlayer": (200, {"applied": True}),
    "unbanPlayer": (200, {"applied": True}),
    "mergePlayer": (200, {"status": "merged"}),
    "grantItem": (200, {"quantity": HELD + CHANGED}),
    "revokeItem": (200, {"quantity": HELD - CHANGED}),
    "creditWallet": (200, {"balance": HELD + CHANGED}),
    "debitWallet": (200, {"balance": HELD - CHANGED}),
    **dict.fromkeys(OPERATIONS.values(), (200, {"applied": 1})),
    "deletePlayer": (200, {"status": "erased"}),
}
"""What the first call of a sample is answered with; 200 where nothing is said."""
CHANGE = {"reason": "quest 7", "sourceRefId": "receipt 7"}
OPTIONAL: dict[str, Mapping[str, Any]] = {
    "createGrant": {
        "kind": "reward",
        "sourceKind": "api",
        "sourceRefId": "receipt 7",
        "expiresAt": "2051-02-28T23:59:59Z",
        "metadata": {"quest": "seven", "tags": ["a", "b"]},
    },
    "createLobby": {"capacity": 4, "fillBots": False, "metadata": {"map": "north"}},
    **dict.fromkeys(("grantItem", "revokeItem", "creditWallet", "debitWallet"), CHANGE),
    "migratePlayers": {"contextSnapshot": {"level": 7, "name": "ada"}},
    "migrateWallet": {"reason": "moved"},
    "migrateInventory": {"reason": "moved", "parameters": {"colour": "red"}},
}
"""The optional fields of each body, or of each row of an import."""

MAKERS: dict[str, Callable[[Samples], Sample]] = {
    "ping": lambda _: Sample("ping"),
    "createGrant": lambda make: make.about_player("createGrant", make.given.grant_body()),
    "ackGrant": Samples.ack,
    "createLobby": Samples.lobby,
    "getLobby": Samples.lobby_read,
    "getPlayer": lambda make: make.about_player("getPlayer"),
    "banPlayer": lambda make: make.about_player("banPlayer", {"reason": "conformance"}),
    "unbanPlayer": Samples.unban,
    "mergePlayer": Samples.merge,
    "grantItem": lambda make: make.change("grantItem", "inventory"),
    "revokeItem": lambda make: make.change("revokeItem", "inventory"),
    "creditWallet": lambda make: make.change("creditWallet", "wallet"),
    "debitWallet": lambda make: make.change("debitWallet", "wallet"),
    "migratePlayers": lambda make: make.batch("players"),
    "migrateWallet": lambda make: make.batch("wallet"),
    "migrateInventory": lambda make: make.batch("inventory"),
    "deletePlayer": lambda make: make.about_player("deletePlayer", {"reason": "test"}),
    "exportPlayer": lambda make: make.about_player("exportPlayer"),
}

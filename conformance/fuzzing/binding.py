"""Turns a generated case into a request: stand-ins become real things of the run."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlencode

from schemathesis.core import NotSet
from schemathesis.generation.case import Case

from conformance.client.api import Api, JsonObject
from conformance.contract.openapi import JSON, Operation
from conformance.failures import NotExercised
from conformance.fuzzing import placeholders as stand_ins
from conformance.fuzzing.schema_cases import PARAMETER_KINDS, PROPERTY_KINDS
from conformance.http.exchange import Headers, Request
from conformance.testkit.given import Given

PORTION = 2**31 - 1
PORTIONS = 8


class Binder:
    """Binds the cases of one test. What exists for all cases is made once, when first needed."""

    def __init__(self, api: Api, given: Given) -> None:
        self.api = api
        self.given = given
        self._shared: dict[str, Any] = {}

    def request(self, operation: Operation, case: Case[Any]) -> Request:
        """The request of a case; it may arrange things on the server first."""
        fresh: dict[str, str] = {}
        path = {
            name: self._named(
                PARAMETER_KINDS.get(name, "player"), self._text(unquote(str(value)), fresh)
            )
            for name, value in case.path_parameters.items()
        }
        body = b"" if isinstance(case.body, NotSet) else encode(self._bound(case.body, fresh))
        target = operation.target(path, urlencode(case.query or {}, doseq=True))
        return Request(operation.id, operation.method, target, self._headers(case, body), body)

    def _headers(self, case: Case[Any], body: bytes) -> Headers:
        headers = [("Accept", JSON), ("Authorization", self.api.authorization or "")]
        sent = case.headers.get("Content-Type") if case.headers else None
        if body:
            headers.append(("Content-Type", str(sent or JSON)))
        return tuple(headers)

    def _bound(self, value: Any, fresh: dict[str, str], kind: str | None = None) -> Any:
        """The value with every stand-in replaced and every name of the run prefixed."""
        if isinstance(value, dict):
            return {
                key: self._bound(item, fresh, PROPERTY_KINDS.get(key, None))
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [self._bound(item, fresh, kind) for item in value]
        return self._named(kind, self._text(value, fresh)) if isinstance(value, str) else value

    def _named(self, kind: str | None, text: str) -> str:
        """A generated name becomes one of the run's own."""
        if kind in stand_ins.NAMED and not text.startswith(self.given.names.prefix):
            return f"{self.given.names.prefix}-{text}"
        return text

    def _text(self, text: str, fresh: dict[str, str]) -> str:
        """What a stand-in stands for; any other text is itself."""
        if text in FRESH:
            if text not in fresh:
                fresh[text] = FRESH[text](self)
            return fresh[text]
        return SHARED[text](self) if text in SHARED else text

    def new_player(self) -> str:
        """An id that the server has never seen."""
        return self.given.names.player()

    def player(self) -> str:
        """A player of this case's own."""
        return self.given.player()

    def new_key(self) -> str:
        """A key that was never used."""
        return self.given.names.key()

    def known_player(self) -> str:
        """One player who has something of everything that the target declares."""
        return str(self._once("player", self._rich_player))

    def _rich_player(self) -> str:
        player, world = self.given.player(), self.given.world
        for _ in range(PORTIONS):
            for currency in world.currencies[:1]:
                self.api.credit_wallet(player, currency, {"amount": PORTION})
            for item in world.items[:1]:
                self.api.grant_item(player, item, {"quantity": PORTION})
        return player

    def grant(self) -> str:
        """A grant of the known player."""
        return str(self._created_grant()["id"])

    def used_key(self) -> str:
        """The idempotency key of that grant, and of nothing else."""
        self._created_grant()
        return str(self._shared["grant body"]["idempotencyKey"])

    def _created_grant(self) -> JsonObject:
        body = self._once("grant body", self.given.grant_body)
        created: JsonObject = self._once(
            "grant", lambda: self.given.grant(self.known_player(), body)
        )
        return created

    def lobby(self) -> str:
        """A lobby with the known player in it."""
        return str(self._once("lobby", self._created_lobby)["id"])

    def _created_lobby(self) -> JsonObject:
        event = self.given.world.event("lobby_event")
        body = {"key": self.given.names.key(), "externalPlayerIds": [self.known_player()]}
        return self.api.create_lobby(event, body).data

    def declared(self, name: str) -> str:
        """A key of the target's world; without one, a name that nothing has."""
        try:
            if name.endswith("_event"):
                return self.given.world.event(name)
            return self.given.world.some(name)[0]
        except NotExercised:
            return "undeclared"

    def _once(self, name: str, make: Callable[[], Any]) -> Any:
        if name not in self._shared:
            self._shared[name] = make()
        return self._shared[name]


FRESH: dict[str, Callable[[Binder], str]] = {
    stand_ins.NEW_PLAYER: Binder.new_player,
    stand_ins.SOURCE_PLAYER: Binder.player,
    stand_ins.TARGET_PLAYER: Binder.player,
    stand_ins.DOOMED_PLAYER: Binder.player,
    stand_ins.NEW_KEY: Binder.new_key,
}
"""Made anew for each case."""

SHARED: dict[str, Callable[[Binder], str]] = {
    stand_ins.KNOWN_PLAYER: Binder.known_player,
    stand_ins.KNOWN_GRANT: Binder.grant,
    stand_ins.USED_KEY: Binder.used_key,
    stand_ins.KNOWN_LOBBY: Binder.lobby,
    stand_ins.OWN_GAME: lambda binder: binder.api.game_id,
    stand_ins.LOBBY_EVENT: lambda binder: binder.declared("lobby_event"),
    stand_ins.OTHER_MODE_EVENT: lambda binder: binder.declared("other_mode_event"),
    stand_ins.ITEM: lambda binder: binder.declared("items"),
    stand_ins.CURRENCY: lambda binder: binder.declared("currencies"),
    stand_ins.CRATE: lambda binder: binder.declared("crates"),
}
"""The same for all cases of a test."""


def encode(body: Any) -> bytes:
    """The body as JSON text; bytes stay what they are, lone surrogates become escapes."""
    if isinstance(body, bytes):
        return body
    return json.dumps(body, default=str).encode()

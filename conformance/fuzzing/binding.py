"""Turns a generated case into a request: placeholders become real things of the run."""

import json
from collections.abc import Callable
from functools import cached_property
from typing import Any
from urllib.parse import unquote, urlencode

from schemathesis.core import NotSet
from schemathesis.generation.case import Case

from conformance.client.api import Api
from conformance.contract.openapi import JSON, Operation
from conformance.failures import NotExercised
from conformance.fuzzing import placeholders
from conformance.fuzzing.schema_cases import PARAMETER_KINDS, PROPERTY_KINDS
from conformance.http.exchange import Headers, Request
from conformance.testkit.given import Given

LARGEST_AMOUNT = 2**31 - 1
CREDITS = 8
"""How often the known player gets the largest amount, so that generated debits can succeed."""


class Binder:
    """Binds the cases of one test. What all cases share is created once, when first needed."""

    def __init__(self, api: Api, given: Given) -> None:
        self.api = api
        self.given = given

    def request(self, operation: Operation, case: Case[Any]) -> Request:
        """The request of a case; this may create things on the server first."""
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
        """The value with placeholders replaced, and with the run's prefix before each name."""
        if isinstance(value, dict):
            return {
                key: self._bound(item, fresh, PROPERTY_KINDS.get(key, None))
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [self._bound(item, fresh, kind) for item in value]
        return self._named(kind, self._text(value, fresh)) if isinstance(value, str) else value

    def _named(self, kind: str | None, text: str) -> str:
        """The text, with the run's prefix if it is a name that the caller chooses."""
        if kind in placeholders.NAMED and not text.startswith(self.given.names.prefix):
            return f"{self.given.names.prefix}-{text}"
        return text

    def _text(self, text: str, fresh: dict[str, str]) -> str:
        """What a placeholder stands for; any other text stays as it is."""
        if text in FRESH:
            if text not in fresh:
                fresh[text] = FRESH[text](self)
            return fresh[text]
        return SHARED[text](self) if text in SHARED else text

    @cached_property
    def known_player(self) -> str:
        """A player who has plenty of the first currency and item that the target declares."""
        with self.api.channel.recorder.arranging() as arrangement:
            player, world = self.given.player(), self.given.world
            arrangement.names.append(player)
            for _ in range(CREDITS):
                for currency in world.currencies[:1]:
                    self.api.credit_wallet(player, currency, {"amount": LARGEST_AMOUNT})
                for item in world.items[:1]:
                    self.api.grant_item(player, item, {"quantity": LARGEST_AMOUNT})
        return player

    @cached_property
    def grant(self) -> tuple[str, str]:
        """The id of a grant of the known player, and its idempotency key."""
        player, body = self.known_player, self.given.grant_body()
        with self.api.channel.recorder.arranging() as arrangement:
            created = self.given.grant(player, body)
            made = str(created["id"]), str(body["idempotencyKey"])
            arrangement.names += made
        return made

    @cached_property
    def lobby(self) -> str:
        """The id of a lobby with the known player in it."""
        event = self.given.world.event("lobby_event")
        body = self.given.lobby_body([self.known_player])
        with self.api.channel.recorder.arranging() as arrangement:
            made = str(self.api.create_lobby(event, body).data["id"])
            arrangement.names.append(made)
        return made

    def declared(self, name: str) -> str:
        """A key of the target's world; if it declares none, a key that does not exist."""
        try:
            if name.endswith("_event"):
                return self.given.world.event(name)
            return self.given.world.some(name)[0]
        except NotExercised:
            return "undeclared"


FRESH: dict[str, Callable[[Binder], str]] = {
    placeholders.NEW_PLAYER: lambda binder: binder.given.names.player(),
    placeholders.SOURCE_PLAYER: lambda binder: binder.given.player(),
    placeholders.TARGET_PLAYER: lambda binder: binder.given.player(),
    placeholders.DOOMED_PLAYER: lambda binder: binder.given.player(),
    placeholders.NEW_KEY: lambda binder: binder.given.names.key(),
}
"""Each case gets its own."""

SHARED: dict[str, Callable[[Binder], str]] = {
    placeholders.KNOWN_PLAYER: lambda binder: binder.known_player,
    placeholders.KNOWN_GRANT: lambda binder: binder.grant[0],
    placeholders.USED_KEY: lambda binder: binder.grant[1],
    placeholders.KNOWN_LOBBY: lambda binder: binder.lobby,
    placeholders.OWN_GAME: lambda binder: binder.api.game_id,
    placeholders.LOBBY_EVENT: lambda binder: binder.declared("lobby_event"),
    placeholders.OTHER_MODE_EVENT: lambda binder: binder.declared("other_mode_event"),
    placeholders.ITEM: lambda binder: binder.declared("items"),
    placeholders.CURRENCY: lambda binder: binder.declared("currencies"),
    placeholders.CRATE: lambda binder: binder.declared("crates"),
}
"""All cases of a test share one."""


def encode(body: Any) -> bytes:
    """The body as JSON text in ASCII; bytes stay as they are."""
    if isinstance(body, bytes):
        return body
    return json.dumps(body, default=str).encode()

"""The typed client of the scenarios, over one `Channel`."""

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from conformance.client.channel import Channel
from conformance.client.repetition import Repetition, retry_after
from conformance.contract.openapi import JSON
from conformance.failures import Blocked, Inconclusive
from conformance.http.exchange import Exchange, Headers, Request, header

Body = Mapping[str, Any]
Path = Mapping[str, str]
_ENCODER = json.JSONEncoder(ensure_ascii=False)


STAMP = "idempotencyKey"


class JsonObject(dict[str, Any]):
    """A JSON object of a response. Reading a missing member blocks the scenario (HTTP-2)."""

    def __missing__(self, name: str) -> Any:
        raise Blocked(
            "HTTP-2",
            f"a member `{name}` in the response",
            f"only {', '.join(sorted(self)) or 'an empty object'}",
        )


class Answer:
    """A response as a scenario reads it."""

    def __init__(self, exchange: Exchange) -> None:
        if exchange.response is None:
            raise Inconclusive(f"{exchange.describe()} (tried once)")
        self.exchange = exchange
        self.retried = exchange.retried
        self.response = exchange.response
        self.status = exchange.response.status

    def header(self, name: str) -> str | None:
        """The header of this name, or None."""
        return header(self.response.headers, name)

    @property
    def body(self) -> Any:
        """The JSON body, with `JsonObject` for its objects; None if it is not JSON."""
        try:
            return _objects(self.response.json)
        except ValueError:
            return None

    @property
    def data(self) -> JsonObject:
        """The member `data` of a success; blocks the scenario if there is none."""
        body = self.body
        data = body.get("data") if isinstance(body, JsonObject) else None
        if not isinstance(data, JsonObject):
            raise Blocked("HTTP-2", "an object `data` in the response", self.exchange.describe())
        return data

    @property
    def code(self) -> str | None:
        """The error code, or None."""
        error = self.body.get("error") if isinstance(self.body, JsonObject) else None
        return error.get("code") if isinstance(error, JsonObject) else None


def _objects(value: Any) -> Any:
    if isinstance(value, dict):
        return JsonObject({key: _objects(item) for key, item in value.items()})
    if isinstance(value, list):
        return [_objects(item) for item in value]
    return value


class Api:
    """Calls operations with one key.

    With `waits_on_429`, it waits after a 429 and sends again. With `retries_writes`, it also
    repeats writes that failed in transit: right for arrangements with an idempotency key, wrong
    for a call that a scenario judges.
    """

    def __init__(
        self,
        channel: Channel,
        token: str | None,
        game_id: str,
        waits_on_429: bool = True,
        retries_writes: bool = False,
    ) -> None:
        self.channel = channel
        self.game_id = game_id
        self.waits_on_429 = waits_on_429
        self.retries_writes = retries_writes
        self.authorization = None if token is None else f"Bearer {token}"
        self.stamp: str | None = None

    def stamping(self, key: str) -> "Api":
        """The same client, which stamps an idempotency key onto each body that has no such field.

        The published clients stamp every body (HTTP-5): to an operation without the field it means
        nothing.
        """
        client = copy.copy(self)
        client.stamp = key
        return client

    def waiting(self) -> "Api":
        """The same client with `waits_on_429`."""
        client = copy.copy(self)
        client.waits_on_429 = True
        return client

    def with_retries(self) -> "Api":
        """The same client with `retries_writes`."""
        client = copy.copy(self)
        client.retries_writes = True
        return client

    def with_token(self, token: str | None) -> "Api":
        """The same client with another token, or with none."""
        return Api(self.channel, token, self.game_id, self.waits_on_429, self.retries_writes)

    def wait_out(self, refused: Answer) -> None:
        """Wait as long as a 429 says."""
        self.channel.transport.waiting.sleep(retry_after(refused.exchange), "the rate window")

    def call(
        self,
        operation: str,
        body: Body | bytes | None = None,
        *,
        path: Path | None = None,
        query: Mapping[str, Any] | None = None,
        headers: Headers | None = None,
    ) -> Answer:
        """Call an operation by its id. Bytes go out unchanged; `headers` replace the usual ones."""
        return Answer(
            self.send(self.request(operation, body, path=path, query=query, headers=headers))
        )

    def request(
        self,
        operation: str,
        body: Body | bytes | None = None,
        *,
        path: Path | None = None,
        query: Mapping[str, Any] | None = None,
        headers: Headers | None = None,
    ) -> Request:
        """The request that `call` would send."""
        known = self.channel.spec.operation(operation)
        if self.stamp is not None and known.ignores(STAMP) and not isinstance(body, bytes):
            body = {**(body or {}), STAMP: self.stamp}
        raw = body if isinstance(body, bytes) else encode(body)
        usual: list[tuple[str, str]] = [("Accept", JSON)]
        if self.authorization:
            usual.append(("Authorization", self.authorization))
        if raw:
            usual.append(("Content-Type", JSON))
        target = known.target(path or {}, urlencode(query or {}))
        return Request(operation, known.method, target, headers or tuple(usual), raw)

    def send(self, request: Request) -> Exchange:
        """Send a request. A read may be repeated, and so may a write with `retries_writes`.

        Raises what `Repetition.send` raises.
        """
        repeatable = self.retries_writes or request.method == "GET"
        return self._repetition().send(request, repeatable=repeatable)

    def send_repeatable(self, request: Request) -> Exchange:
        """Send a request that may be repeated, because only its answer matters."""
        return self._repetition().send(request, repeatable=True)

    def _repetition(self) -> Repetition:
        return Repetition(self.channel, self.request("ping"), self.waits_on_429)

    def send_simultaneously(self, requests: Sequence[Request]) -> list[Answer]:
        """Send requests at the same moment; answers come in the order of the requests."""
        for operation in {request.operation for request in requests}:
            self.channel.transport.health.check(operation)
        answers = [Answer(exchange) for exchange in self.channel.send_simultaneously(requests)]
        refused = [answer for answer in answers if answer.status == 429]
        if refused:
            limit = refused[0].header("RateLimit-Limit") or ""
            fits = limit.isascii() and limit.isdigit() and int(limit) >= len(requests)
            self.channel.transport.health.refused_together += fits
            raise Inconclusive("the rate budget does not allow the simultaneous requests")
        return answers

    def ping(self) -> Answer:
        """GET /ping."""
        return self.call("ping")

    def create_grant(self, player: str, body: Body) -> Answer:
        """POST /players/{externalId}/grants."""
        return self.call("createGrant", body, path={"externalId": player})

    def ack_grant(self, player: str, grant: str) -> Answer:
        """POST /players/{externalId}/grants/{grantId}/ack."""
        return self.call("ackGrant", path={"externalId": player, "grantId": grant})

    def create_lobby(self, event: str, body: Body, game: str | None = None) -> Answer:
        """POST /games/{gameId}/events/{eventKey}/lobbies."""
        return self.call(
            "createLobby", body, path={"gameId": game or self.game_id, "eventKey": event}
        )

    def get_lobby(self, lobby: str, game: str | None = None) -> Answer:
        """GET /games/{gameId}/lobbies/{lobbyId}."""
        return self.call("getLobby", path={"gameId": game or self.game_id, "lobbyId": lobby})

    def get_player(self, player: str, limit: object = None) -> Answer:
        """GET /players/{externalId}."""
        query = None if limit is None else {"limit": limit}
        return self.call("getPlayer", query=query, path={"externalId": player})

    def ban_player(self, player: str, body: Body) -> Answer:
        """POST /players/{externalId}/ban."""
        return self.call("banPlayer", body, path={"externalId": player})

    def unban_player(self, player: str) -> Answer:
        """POST /players/{externalId}/unban."""
        return self.call("unbanPlayer", path={"externalId": player})

    def merge_player(self, source: str, target: str) -> Answer:
        """POST /players/{fromExternalId}/merge-into/{toExternalId}."""
        return self.call("mergePlayer", path={"fromExternalId": source, "toExternalId": target})

    def grant_item(self, player: str, item: str, body: Body) -> Answer:
        """POST /players/{externalId}/inventory/{itemKey}/grant."""
        return self.call("grantItem", body, path={"externalId": player, "itemKey": item})

    def credit_wallet(self, player: str, currency: str, body: Body) -> Answer:
        """POST /players/{externalId}/wallet/{economyKey}/credit."""
        return self.call("creditWallet", body, path={"externalId": player, "economyKey": currency})

    def migrate_players(self, body: Body) -> Answer:
        """POST /migrate/players."""
        return self.call("migratePlayers", body)

    def delete_player(self, player: str, body: Body | None = None) -> Answer:
        """POST /players/{externalId}/delete; without a body, `{}` is sent."""
        return self.call("deletePlayer", {} if body is None else body, path={"externalId": player})

    def export_player(self, player: str) -> Answer:
        """GET /players/{externalId}/export."""
        return self.call("exportPlayer", path={"externalId": player})


def encode(body: Body | None) -> bytes:
    """JSON text of a body; nothing for None."""
    return b"" if body is None else _ENCODER.encode(body).encode()

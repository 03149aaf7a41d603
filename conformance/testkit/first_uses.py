"""Calls whose idempotency keys are used at the beginning of a run and replayed at its end.

A server that forgets a key after some seconds, or after a thousand others, applies its replay.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

from conformance.client.api import Answer, Api
from conformance.contract.instants import instant
from conformance.failures import Blocked, Inconclusive, NotExercised
from conformance.http.exchange import Request
from conformance.testkit.given import Given, State
from conformance.testkit.import_batches import ImportBatch
from conformance.testkit.ledgers import Ledger

BRIEF = 2.0
"""After so many seconds the time of the brief grant is over."""


@dataclass(frozen=True)
class Use:
    """A call with a key that had not been used: its request, and what came back."""

    request: Request
    data: Mapping[str, Any]
    made: float

    @property
    def player(self) -> str:
        """The player in the path."""
        return unquote(self.request.target.split("/players/")[1].split("/")[0])

    def wait(self, seconds: float) -> None:
        """Wait until the call is so many seconds old."""
        time.sleep(max(self.made + seconds - time.monotonic(), 0.0))

    def replay(self, api: Api) -> Answer:
        """The answer to the same request now."""
        return Answer(api.send(self.request))


@dataclass(frozen=True)
class Settled:
    """A player about whom everything was done at the beginning, and what their export showed."""

    player: str
    state: State
    made: float

    def wait(self, seconds: float) -> None:
        """Wait until that is so many seconds ago."""
        time.sleep(max(self.made + seconds - time.monotonic(), 0.0))


class FirstUses:
    """The first uses of keys by one process, by what was called, and players who are left alone.

    Where something fails, it is left out: other scenarios say what is wrong with it.
    """

    def __init__(self) -> None:
        self._uses: dict[str, Use | None] = {}
        self._settled: dict[str, Settled | None] = {}
        self._given: Given | None = None

    def made_with(self, given: Given) -> "FirstUses":
        """The same, which makes what is not made yet with these arrangements."""
        self._given = given
        return self

    def make_all(self) -> None:
        """Make whatever a scenario may ask for."""
        for name in REQUESTS:
            self._use(name)
        for name in SETTLED:
            self._settle(name)

    def of(self, name: str) -> Use:
        """The first use. NotExercised if it failed."""
        use = self._use(name)
        if use is None:
            raise NotExercised(f"the {name} at the beginning of the run did not succeed")
        return use

    def settled(self, name: str) -> Settled:
        """The player with this past. NotExercised if that could not be arranged."""
        settled = self._settle(name)
        if settled is None:
            raise NotExercised(f"a player who is {name} could not be arranged")
        return settled

    def _use(self, name: str) -> Use | None:
        if name not in self._uses and self._given is not None:
            self._uses[name] = None
            with suppress(Blocked, Inconclusive, NotExercised):
                sent = REQUESTS[name](self._given)
                answer = Answer(self._given.api.send(sent))
                if answer.status < 300:
                    self._uses[name] = Use(sent, answer.data, time.monotonic())
        return self._uses.get(name)

    def _settle(self, name: str) -> Settled | None:
        if name not in self._settled and self._given is not None:
            self._settled[name] = None
            with suppress(Blocked, Inconclusive, NotExercised):
                player = SETTLED[name](self._given)
                state = self._given.state(player)
                self._settled[name] = Settled(player, state, time.monotonic())
        return self._settled.get(name)


def _grant(given: Given) -> Request:
    path = {"externalId": given.names.player()}
    return given.api.request("createGrant", given.grant_body(), path=path)


def _brief_grant(given: Given) -> Request:
    player = given.names.player()
    created = instant(given.grant(player)["createdAt"])
    expires = (created + timedelta(seconds=BRIEF)).isoformat().replace("+00:00", "Z")
    body = given.grant_body(expiresAt=expires)
    return given.api.request("createGrant", body, path={"externalId": player})


def _change(name: str, direction: str) -> Callable[[Given], Request]:
    def request(given: Given) -> Request:
        ledger = Ledger(name, given)
        return ledger.request(direction, ledger.filled(9), 7, idempotencyKey=given.names.key())

    return request


def _import(name: str) -> Callable[[Given], Request]:
    def request(given: Given) -> Request:
        batch = ImportBatch(name, given)
        return given.api.request(batch.operation, {"rows": [batch.row(given.names.player())]})

    return request


def _lobby(given: Given) -> Request:
    path = {"gameId": given.game(), "eventKey": given.world.event("lobby_event")}
    body = given.lobby_body([given.names.player()], capacity=4)
    return given.api.request("createLobby", body, path=path)


def _merge(given: Given) -> Request:
    path = {"fromExternalId": given.player(), "toExternalId": given.player()}
    return given.api.request("mergePlayer", path=path)


def _erasure(given: Given) -> Request:
    return given.api.request(
        "deletePlayer", {"reason": "test"}, path={"externalId": given.player()}
    )


def _rich(given: Given, player: str) -> str:
    """The player, with a holding, an item, a claimed grant and a pending one."""
    for name in ("wallet", "inventory"):
        Ledger(name, given).fill(player, 9)
    given.acked(player, str(given.grant(player)["id"]))
    given.grant(player)
    return player


def _after_erasure(given: Given) -> str:
    player = _rich(given, given.player())
    given.erased(player)
    return _rich(given, player)


def _after_merge(given: Given) -> str:
    player = _rich(given, given.player())
    given.merged(player, given.player())
    return _rich(given, player)


def _merge_target(given: Given) -> str:
    player = _rich(given, given.player())
    given.merged(_rich(given, given.player()), player)
    return player


def _unbanned(given: Given) -> str:
    player = _rich(given, given.player())
    given.banned(player)
    given.api.unban_player(player)
    return player


SETTLED: dict[str, Callable[[Given], str]] = {
    "known": lambda given: _rich(given, given.player()),
    "banned and unbanned": _unbanned,
    "created after an erasure": _after_erasure,
    "created after a merge": _after_merge,
    "merged with another": _merge_target,
}
"""Pasts of players, by what they are since."""

REQUESTS: dict[str, Callable[[Given], Request]] = {
    "grant": _grant,
    "brief grant": _brief_grant,
    "grant to be merged": _brief_grant,
    "credit": _change("wallet", "increment"),
    "debit": _change("wallet", "decrement"),
    "item grant": _change("inventory", "increment"),
    "item revoke": _change("inventory", "decrement"),
    "players import": _import("players"),
    "wallet import": _import("wallet"),
    "inventory import": _import("inventory"),
    "lobby": _lobby,
    "merge": _merge,
    "erasure": _erasure,
}
"""A request for each operation that must know what was done before."""

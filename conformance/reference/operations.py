"""The 18 operations: method, path, and the method of a family that answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from .bodies import (
    BanBody,
    DeleteBody,
    GrantBody,
    ImportBody,
    ItemBody,
    LobbyBody,
    WalletBody,
    read,
)
from .replies import Reply
from .services import Services
from .world import Game, Key

T = TypeVar("T")


@dataclass(frozen=True)
class Call:
    """One authenticated request: decoded path parameters, query, raw body."""

    game: Game
    key: Key
    path: Mapping[str, str]
    query: Mapping[str, str]
    raw: bytes

    def body(self, shape: type[T]) -> T:
        """The body as this shape; ApiError 400 for any other body."""
        return read(self.raw, shape)


def optional_reason(call: Call) -> DeleteBody:
    """The body of an erasure: every field is optional, so the body is too."""
    return call.body(DeleteBody) if call.raw else DeleteBody()


def ping(call: Call) -> Reply:
    """The key's own description, without its secret (PING-1, PING-2)."""
    described = {
        "id": f"key_{call.key.role}",
        "prefix": call.key.prefix,
        "permissionSet": call.key.permission_set,
        "environment": call.game.environment,
        "studioId": call.game.studio,
        "gameId": call.game.id,
    }
    return Reply(200, {"ok": True, "apiKey": described}, enveloped=False)


@dataclass(frozen=True)
class Operation:
    """One operation of the API.

    `method_of` finds the method that answers. It takes the path parameters in their order, then
    `last`: a body of this type, or whatever this function reads from the call. The rate budget
    cannot refuse an operation that is not `limited`.
    """

    method: str
    id: str
    path: str
    method_of: Callable[[Services], Callable[..., Reply]]
    last: type | Callable[[Call], Any] | None = None
    limited: bool = True

    def answer(self, services: Services, call: Call) -> Reply:
        """Run the operation."""
        arguments: list[Any] = list(call.path.values())
        if isinstance(self.last, type):
            arguments.append(call.body(self.last))
        elif self.last is not None:
            arguments.append(self.last(call))
        return self.method_of(services)(*arguments)


get, post = partial(Operation, "GET"), partial(Operation, "POST")
GAME = "/games/{gameId}"
PLAYER = "/players/{externalId}"
MERGE = "/players/{fromExternalId}/merge-into/{toExternalId}"
LOBBIES = f"{GAME}/events/{{eventKey}}/lobbies"
ITEM = f"{PLAYER}/inventory/{{itemKey}}"
CURRENCY = f"{PLAYER}/wallet/{{economyKey}}"

OPERATIONS = (
    get("ping", "/ping", lambda _: ping, lambda call: call, limited=False),
    post("createGrant", f"{PLAYER}/grants", lambda on: on.grants.create, GrantBody),
    post("ackGrant", f"{PLAYER}/grants/{{grantId}}/ack", lambda on: on.grants.ack),
    post("createLobby", LOBBIES, lambda on: on.lobbies.create, LobbyBody),
    get("getLobby", f"{GAME}/lobbies/{{lobbyId}}", lambda on: on.lobbies.read),
    get("getPlayer", PLAYER, lambda on: on.players.profile, lambda call: call.query.get("limit")),
    post("banPlayer", f"{PLAYER}/ban", lambda on: on.players.ban, BanBody),
    post("unbanPlayer", f"{PLAYER}/unban", lambda on: on.players.unban),
    post("mergePlayer", MERGE, lambda on: on.merging.merge),
    post("grantItem", f"{ITEM}/grant", lambda on: on.inventory.increment, ItemBody),
    post("revokeItem", f"{ITEM}/revoke", lambda on: on.inventory.decrement, ItemBody),
    post("creditWallet", f"{CURRENCY}/credit", lambda on: on.wallet.increment, WalletBody),
    post("debitWallet", f"{CURRENCY}/debit", lambda on: on.wallet.decrement, WalletBody),
    post("migratePlayers", "/migrate/players", lambda on: on.imports.players, ImportBody),
    post("migrateWallet", "/migrate/wallet", lambda on: on.imports.wallet, ImportBody),
    post("migrateInventory", "/migrate/inventory", lambda on: on.imports.inventory, ImportBody),
    post("deletePlayer", f"{PLAYER}/delete", lambda on: on.gdpr.delete, optional_reason),
    get("exportPlayer", f"{PLAYER}/export", lambda on: on.gdpr.export),
)

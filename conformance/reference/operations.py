"""The 18 operations: method, path, and what each hands to its family."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

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
        """The body as this shape; ApiError 400 where it is none."""
        return read(self.raw, shape)


Handler = Callable[[Services, Call], Reply]


@dataclass(frozen=True)
class Operation:
    """A row of the API's surface. `limited` tells whether the rate budget can refuse it."""

    method: str
    path: str
    handler: Handler
    limited: bool = True


def ping(_: Services, call: Call) -> Reply:
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


def create_grant(services: Services, call: Call) -> Reply:
    """Hands over to `Grants.create`."""
    return services.grants.create(call.path["externalId"], call.body(GrantBody))


def ack_grant(services: Services, call: Call) -> Reply:
    """Hands over to `Grants.ack`."""
    return services.grants.ack(call.path["externalId"], call.path["grantId"])


def create_lobby(services: Services, call: Call) -> Reply:
    """Hands over to `Lobbies.create`."""
    path = call.path
    return services.lobbies.create(path["gameId"], path["eventKey"], call.body(LobbyBody))


def get_lobby(services: Services, call: Call) -> Reply:
    """Hands over to `Lobbies.read`."""
    return services.lobbies.read(call.path["gameId"], call.path["lobbyId"])


def get_player(services: Services, call: Call) -> Reply:
    """Hands over to `Players.profile`."""
    return services.players.profile(call.path["externalId"], call.query.get("limit"))


def ban_player(services: Services, call: Call) -> Reply:
    """Hands over to `Players.ban`."""
    return services.players.ban(call.path["externalId"], call.body(BanBody))


def unban_player(services: Services, call: Call) -> Reply:
    """Hands over to `Players.unban`."""
    return services.players.unban(call.path["externalId"])


def merge_player(services: Services, call: Call) -> Reply:
    """Hands over to `Merging.merge`."""
    return services.merging.merge(call.path["fromExternalId"], call.path["toExternalId"])


def grant_item(services: Services, call: Call) -> Reply:
    """Hands over to `Inventory.grant`."""
    path = call.path
    return services.inventory.grant(path["externalId"], path["itemKey"], call.body(ItemBody))


def revoke_item(services: Services, call: Call) -> Reply:
    """Hands over to `Inventory.revoke`."""
    path = call.path
    return services.inventory.revoke(path["externalId"], path["itemKey"], call.body(ItemBody))


def credit_wallet(services: Services, call: Call) -> Reply:
    """Hands over to `Wallet.credit`."""
    path = call.path
    return services.wallet.credit(path["externalId"], path["economyKey"], call.body(WalletBody))


def debit_wallet(services: Services, call: Call) -> Reply:
    """Hands over to `Wallet.debit`."""
    path = call.path
    return services.wallet.debit(path["externalId"], path["economyKey"], call.body(WalletBody))


def migrate_players(services: Services, call: Call) -> Reply:
    """Hands over to `Imports.players`."""
    return services.imports.players(call.body(ImportBody))


def migrate_wallet(services: Services, call: Call) -> Reply:
    """Hands over to `Imports.wallet`."""
    return services.imports.wallet(call.body(ImportBody))


def migrate_inventory(services: Services, call: Call) -> Reply:
    """Hands over to `Imports.inventory`."""
    return services.imports.inventory(call.body(ImportBody))


def delete_player(services: Services, call: Call) -> Reply:
    """Hands over to `Gdpr.delete`; every field is optional, so is the body."""
    body = call.body(DeleteBody) if call.raw else DeleteBody()
    return services.gdpr.delete(call.path["externalId"], body)


def export_player(services: Services, call: Call) -> Reply:
    """Hands over to `Gdpr.export`."""
    return services.gdpr.export(call.path["externalId"])


OPERATIONS = (
    Operation("GET", "/ping", ping, limited=False),
    Operation("POST", "/players/{externalId}/grants", create_grant),
    Operation("POST", "/players/{externalId}/grants/{grantId}/ack", ack_grant),
    Operation("POST", "/games/{gameId}/events/{eventKey}/lobbies", create_lobby),
    Operation("GET", "/games/{gameId}/lobbies/{lobbyId}", get_lobby),
    Operation("GET", "/players/{externalId}", get_player),
    Operation("POST", "/players/{externalId}/ban", ban_player),
    Operation("POST", "/players/{externalId}/unban", unban_player),
    Operation("POST", "/players/{fromExternalId}/merge-into/{toExternalId}", merge_player),
    Operation("POST", "/players/{externalId}/inventory/{itemKey}/grant", grant_item),
    Operation("POST", "/players/{externalId}/inventory/{itemKey}/revoke", revoke_item),
    Operation("POST", "/players/{externalId}/wallet/{economyKey}/credit", credit_wallet),
    Operation("POST", "/players/{externalId}/wallet/{economyKey}/debit", debit_wallet),
    Operation("POST", "/migrate/players", migrate_players),
    Operation("POST", "/migrate/wallet", migrate_wallet),
    Operation("POST", "/migrate/inventory", migrate_inventory),
    Operation("POST", "/players/{externalId}/delete", delete_player),
    Operation("GET", "/players/{externalId}/export", export_player),
)

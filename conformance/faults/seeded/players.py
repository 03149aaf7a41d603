"""Faults of profiles and bans."""

from typing import Any

from conformance.faults.building_blocks import (
    Data,
    change_body,
    change_data,
    medium,
    obvious,
    player_of,
    scratch,
    subtle,
)
from conformance.reference.bodies import BanBody
from conformance.reference.errors import ApiError
from conformance.reference.operations import Call
from conformance.reference.players import Players, newest
from conformance.reference.replies import Reply
from conformance.reference.services import Services
from conformance.reference.state import Holdings


@obvious("player-unknown-empty", "PLAYER-1", "PLAYER-4", "MERGE-5", "DEL-2", "AUTH-7")
class UnknownEmpty(Players):
    """The profile of an unknown player is 200 and empty."""

    def profile(self, external_id: str, limit: str | None) -> Reply:
        if external_id in self.state.players:
            return super().profile(external_id, limit)
        return Reply(200, {"player": {"id": "", "externalPlayerId": external_id}})


@subtle("player-made-by-404", "PLAYER-4")
class MadeBy404(Players):
    """A profile that is not found is made for the next time."""

    def profile(self, external_id: str, limit: str | None) -> Reply:
        try:
            return super().profile(external_id, limit)
        except ApiError:
            self.state.ensure(external_id)
            raise


@subtle("player-misses-newest", "PLAYER-2", "GRANT-8", "LOBBY-6", "ACK-4")
@change_data("getPlayer")
def misses_newest(data: Data, *_: Any) -> Data:
    """The lists of a profile begin with the second newest."""
    return {"grants": data["grants"][1:], "lobbies": data["lobbies"][1:]}


@medium("player-oldest-first", "PLAYER-2.order")
@change_data("getPlayer")
def oldest_first(data: Data, *_: Any) -> Data:
    """The grants of a profile are oldest first."""
    return {"grants": data["grants"][::-1]}


@subtle("player-limit-one-more", "PLAYER-3")
class LimitOneMore(Players):
    """The lists have one row more than the limit, the one that tells whether there are more."""

    def limit(self, asked: str | None) -> int:
        return super().limit(asked) + 1


@subtle("player-limit-grants-only", "PLAYER-3")
@change_data("getPlayer")
def limit_grants_only(_: Data, call: Call, services: Services) -> Data:
    """The limit bounds the grants and not the lobbies."""
    lobbies = newest(player_of(call, services).lobbies, 100)
    return {"lobbies": [lobby.summary() for lobby in lobbies]}


@subtle("player-counts-shown", "PLAYER-5")
@change_data("getPlayer")
def counts_shown(data: Data, *_: Any) -> Data:
    """The summary counts only the rows that the limit shows."""
    shown = {"grants": len(data["grants"]), "lobbies": len(data["lobbies"])}
    return {"summary": {**data["summary"], **shown}}


@medium("ban-other-player-id", "BAN-1")
@change_data("banPlayer")
def other_player_id(data: Data, *_: Any) -> Data:
    """The answer to a ban has the external id as `playerId`."""
    return {"playerId": data["externalPlayerId"]}


@subtle("ban-keeps-reason", "BAN-2")
class KeepsReason(Players):
    """A second ban keeps the first reason."""

    def ban(self, external_id: str, body: BanBody) -> Reply:
        body.reason = self.state.known(external_id).ban_reason or body.reason
        return super().ban(external_id, body)


@medium("ban-unban-always-applied", "BAN-3")
@change_data("unbanPlayer")
def unban_always_applied(*_: Any) -> Data:
    """Every unban reports `applied`."""
    return {"applied": True}


@medium("ban-makes-player", "BAN-4", "AUTH-7")
class MakesPlayer(Players):
    """A ban of an unknown player makes the player and bans it."""

    def ban(self, external_id: str, body: BanBody) -> Reply:
        self.state.ensure(external_id)
        return super().ban(external_id, body)


@medium("ban-without-reason", "BAN-5", "ERR-4")
@change_body("banPlayer")
def without_reason(body: Data) -> Data:
    """A ban needs no reason."""
    return {"reason": "", **body}


@subtle("ban-empties-wallet", "BAN-6")
@change_data("banPlayer")
def empties_wallet(_: Data, call: Call, services: Services) -> Data:
    """A ban takes the player's balances away."""
    player_of(call, services).wallet = Holdings()
    return {}


@subtle("ban-only-once", "BAN-7", "BAN-2")
@change_data("banPlayer")
def only_once(data: Data, _: Call, services: Services) -> Data:
    """A ban after an unban reports that it is not applied, because of the earlier ban."""
    banned = scratch(services.state, "banned")
    known = data["playerId"] in banned
    banned[data["playerId"]] = True
    return {"applied": not known}

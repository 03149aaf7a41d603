"""Faults of profiles and bans."""

from typing import Any

from conformance.faults import building_blocks as kit
from conformance.reference.bodies import BanBody
from conformance.reference.errors import ApiError
from conformance.reference.operations import Call
from conformance.reference.players import Players, newest
from conformance.reference.replies import Reply
from conformance.reference.services import Services
from conformance.reference.state import Holdings


@kit.obvious("player-unknown-empty", "PLAYER-1 PLAYER-4 MERGE-5 DEL-2 AUTH-7")
class UnknownEmpty(Players):
    """The profile of an unknown player is 200 and empty."""

    def profile(self, external_id: str, limit: str | None) -> Reply:
        if external_id in self.state.players:
            return super().profile(external_id, limit)
        return Reply(200, {"player": {"id": "", "externalPlayerId": external_id}})


@kit.subtle("player-made-by-404", "PLAYER-4")
class MadeBy404(Players):
    """The read of an unknown profile creates the player."""

    def profile(self, external_id: str, limit: str | None) -> Reply:
        try:
            return super().profile(external_id, limit)
        except ApiError:
            self.state.ensure(external_id)
            raise


@kit.subtle("player-misses-newest", "PLAYER-2 GRANT-8 LOBBY-6 ACK-4")
@kit.change_data("getPlayer")
def misses_newest(data: kit.Data, *_: Any) -> kit.Data:
    """The lists of a profile begin with the second newest."""
    return {"grants": data["grants"][1:], "lobbies": data["lobbies"][1:]}


@kit.medium("player-oldest-first", "PLAYER-2.order")
@kit.change_data("getPlayer")
def oldest_first(data: kit.Data, *_: Any) -> kit.Data:
    """The grants of a profile are oldest first."""
    return {"grants": data["grants"][::-1]}


@kit.subtle("player-limit-one-more", "PLAYER-3")
class LimitOneMore(Players):
    """The lists have one row more than the limit, the row that shows whether there are more."""

    def limit(self, asked: str | None) -> int:
        return super().limit(asked) + 1


@kit.subtle("player-limit-grants-only", "PLAYER-3")
@kit.change_data("getPlayer")
def limit_grants_only(_: kit.Data, call: Call, services: Services) -> kit.Data:
    """The limit applies to the grants and not to the lobbies."""
    lobbies = newest(kit.player_of(call, services).lobbies, 100)
    return {"lobbies": [lobby.summary() for lobby in lobbies]}


@kit.subtle("player-counts-shown", "PLAYER-5")
@kit.change_data("getPlayer")
def counts_shown(data: kit.Data, *_: Any) -> kit.Data:
    """The summary counts only the rows that the limit shows."""
    shown = {"grants": len(data["grants"]), "lobbies": len(data["lobbies"])}
    return {"summary": {**data["summary"], **shown}}


@kit.medium("ban-other-player-id", "BAN-1")
@kit.change_data("banPlayer")
def other_player_id(data: kit.Data, *_: Any) -> kit.Data:
    """The answer to a ban has the external id as `playerId`."""
    return {"playerId": data["externalPlayerId"]}


@kit.subtle("ban-keeps-reason", "BAN-2")
class KeepsReason(Players):
    """A second ban keeps the first reason."""

    def ban(self, external_id: str, body: BanBody) -> Reply:
        body.reason = self.state.known(external_id).ban_reason or body.reason
        return super().ban(external_id, body)


@kit.medium("ban-unban-always-applied", "BAN-3")
@kit.change_data("unbanPlayer")
def unban_always_applied(*_: Any) -> kit.Data:
    """Every unban reports `applied`."""
    return {"applied": True}


@kit.medium("ban-makes-player", "BAN-4 AUTH-7")
class MakesPlayer(Players):
    """A ban of an unknown player creates the player."""

    def ban(self, external_id: str, body: BanBody) -> Reply:
        self.state.ensure(external_id)
        return super().ban(external_id, body)


@kit.medium("ban-without-reason", "BAN-5 ERR-4")
@kit.change_body("banPlayer")
def without_reason(body: kit.Data) -> kit.Data:
    """A ban needs no reason."""
    return {"reason": "", **body}


@kit.subtle("ban-empties-wallet", "BAN-6")
@kit.change_data("banPlayer")
def empties_wallet(_: kit.Data, call: Call, services: Services) -> kit.Data:
    """A ban takes the player's balances away."""
    kit.player_of(call, services).wallet = Holdings()
    return {}


@kit.subtle("ban-only-once", "BAN-7 BAN-2")
@kit.change_data("banPlayer")
def only_once(data: kit.Data, _: Call, services: Services) -> kit.Data:
    """A ban after an unban reports that it is not applied, because of the earlier ban."""
    banned = kit.scratch(services.state, "banned")
    known = data["playerId"] in banned
    banned[data["playerId"]] = True
    return {"applied": not known}

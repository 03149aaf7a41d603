"""Faults of profiles and bans."""

from dataclasses import replace
from typing import Any

from conformance.faults.building_blocks import MEDIUM, OBVIOUS, SUBTLE, Rewriting, fault, scratch
from conformance.reference.bodies import BanBody
from conformance.reference.errors import ApiError
from conformance.reference.operations import Operation
from conformance.reference.players import Players, newest
from conformance.reference.replies import Reply
from conformance.reference.state import Holdings, Player


@fault(
    "player-unknown-empty", "PLAYER-1", "PLAYER-4", "MERGE-5", "DEL-2", "AUTH-7", difficulty=OBVIOUS
)
class UnknownEmpty(Players):
    """The profile of an unknown player is 200 and empty."""

    def profile(self, external_id: str, limit: str | None) -> Reply:
        if external_id in self.state.players:
            return super().profile(external_id, limit)
        return Reply(200, {"player": {"id": "", "externalPlayerId": external_id}})


@fault("player-made-by-404", "PLAYER-4", difficulty=SUBTLE)
class MadeBy404(Players):
    """A profile that is not found is made for the next time."""

    def profile(self, external_id: str, limit: str | None) -> Reply:
        try:
            return super().profile(external_id, limit)
        except ApiError:
            self.state.ensure(external_id)
            raise


@fault("player-misses-newest", "PLAYER-2", "GRANT-8", "LOBBY-6", "ACK-4", difficulty=SUBTLE)
class MissesNewest(Players):
    """The lists of a profile begin with the second newest."""

    def profile(self, external_id: str, limit: str | None) -> Reply:
        data = super().profile(external_id, limit).data
        return Reply(200, {**data, "grants": data["grants"][1:], "lobbies": data["lobbies"][1:]})


@fault("player-oldest-first", "PLAYER-2.order", difficulty=MEDIUM)
class OldestFirst(Players):
    """The lists of a profile are oldest first."""

    def profile(self, external_id: str, limit: str | None) -> Reply:
        data = super().profile(external_id, limit).data
        return Reply(200, {**data, "grants": data["grants"][::-1]})


@fault("player-limit-one-more", "PLAYER-3", difficulty=SUBTLE)
class LimitOneMore(Players):
    """The lists have one row more than the limit, the one that tells whether there are more."""

    def limit(self, asked: str | None) -> int:
        return super().limit(asked) + 1


@fault("player-limit-grants-only", "PLAYER-3", difficulty=SUBTLE)
class LimitGrantsOnly(Players):
    """The limit bounds the grants and not the lobbies."""

    def profile(self, external_id: str, limit: str | None) -> Reply:
        data = super().profile(external_id, limit).data
        lobbies = [lobby.summary() for lobby in newest(self.state.known(external_id).lobbies, 100)]
        return Reply(200, {**data, "lobbies": lobbies})


@fault("player-counts-shown", "PLAYER-5", difficulty=SUBTLE)
class CountsShown(Players):
    """The summary counts what the limit shows."""

    def profile(self, external_id: str, limit: str | None) -> Reply:
        data = super().profile(external_id, limit).data
        shown = {"grants": len(data["grants"]), "lobbies": len(data["lobbies"])}
        return Reply(200, {**data, "summary": {**data["summary"], **shown}})


class Banning(Players):
    """Answers a ban otherwise."""

    def ban(self, external_id: str, body: BanBody) -> Reply:
        player = self.state.players.get(external_id)
        before = (player.banned_at, player.ban_reason) if player else (None, None)
        reply = super().ban(external_id, body)
        assert player is not None
        return replace(reply, data={**reply.data, **self.changed(player, before)})

    def changed(self, player: Player, before: Any) -> dict[str, Any]:
        """The members of the answer that differ; `before` are moment and reason until now."""
        raise NotImplementedError


@fault("ban-other-player-id", "BAN-1", difficulty=MEDIUM)
class OtherPlayerId(Banning):
    """The answer to a ban has the external id as `playerId`."""

    def changed(self, player: Player, before: Any) -> dict[str, Any]:
        return {"playerId": player.external_id}


@fault("ban-keeps-reason", "BAN-2", difficulty=SUBTLE)
class KeepsReason(Banning):
    """A second ban keeps the first reason."""

    def changed(self, player: Player, before: Any) -> dict[str, Any]:
        player.ban_reason = before[1] or player.ban_reason
        return {"reason": player.ban_reason}


@fault("ban-unban-always-applied", "BAN-3", difficulty=MEDIUM)
class UnbanAlwaysApplied(Players):
    """Every unban says that it is applied."""

    def unban(self, external_id: str) -> Reply:
        return Reply(200, {**super().unban(external_id).data, "applied": True})


@fault("ban-makes-player", "BAN-4", "AUTH-7", difficulty=MEDIUM)
class MakesPlayer(Players):
    """A ban of an unknown player makes the player and bans it."""

    def ban(self, external_id: str, body: BanBody) -> Reply:
        self.state.ensure(external_id)
        return super().ban(external_id, body)


@fault("ban-without-reason", "BAN-5", "ERR-4", difficulty=MEDIUM)
class WithoutReason(Rewriting):
    """A ban needs no reason."""

    def rewrite(self, operation: Operation, body: dict[str, Any]) -> dict[str, Any]:
        return {"reason": "", **body} if operation.path.endswith("/ban") else body


@fault("ban-empties-wallet", "BAN-6", difficulty=SUBTLE)
class EmptiesWallet(Banning):
    """A ban takes the player's balances away."""

    def changed(self, player: Player, before: Any) -> dict[str, Any]:
        player.wallet = Holdings()
        return {}


@fault("ban-only-once", "BAN-7", "BAN-2", difficulty=SUBTLE)
class OnlyOnce(Banning):
    """A ban after an unban says that it is not applied, since there was one before."""

    def changed(self, player: Player, before: Any) -> dict[str, Any]:
        known = player.id in scratch(self.state, "banned")
        scratch(self.state, "banned")[player.id] = True
        return {"applied": not known}

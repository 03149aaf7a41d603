"""Faults of profiles and bans."""

from dataclasses import replace
from typing import Any

from conformance.faults.tools import MEDIUM, OBVIOUS, SUBTLE, Rewriting, fault, notes
from conformance.reference.app import Server
from conformance.reference.bodies import BanBody
from conformance.reference.errors import ApiError, conflict
from conformance.reference.operations import Call, Operation
from conformance.reference.players import Players, newest
from conformance.reference.replies import Reply
from conformance.reference.services import Services
from conformance.reference.state import Holdings, Player


@fault("player-unknown-empty", "PLAYER-1", "PLAYER-4", "MERGE-5", "DEL-2", difficulty=OBVIOUS)
class UnknownEmpty(Players):
    """The profile of an unknown player is 200 and empty."""

    def profile(self, external_id: str, limit: str | None) -> Reply:
        if external_id in self.state.players:
            return super().profile(external_id, limit)
        return Reply(200, {"player": {"id": "", "externalPlayerId": external_id}})


@fault("player-made-by-reading", "PLAYER-4", "PLAYER-1", difficulty=MEDIUM)
class MadeByReading(Players):
    """Reading a profile makes the player."""

    def profile(self, external_id: str, limit: str | None) -> Reply:
        self.state.ensure(external_id)
        return super().profile(external_id, limit)


@fault("player-made-by-404", "PLAYER-4", difficulty=SUBTLE)
class MadeBy404(Players):
    """A profile that is not found is made for the next time."""

    def profile(self, external_id: str, limit: str | None) -> Reply:
        try:
            return super().profile(external_id, limit)
        except ApiError:
            self.state.ensure(external_id)
            raise


@fault("player-all-grants", "PLAYER-2", "PLAYER-3", difficulty=SUBTLE)
class AllGrants(Players):
    """The profile shows the newest grants of the game, whosever they are."""

    def profile(self, external_id: str, limit: str | None) -> Reply:
        data = super().profile(external_id, limit).data
        grants = newest(list(self.state.grants.values()), self.limit(limit))
        return Reply(200, {**data, "grants": [grant.view() for grant in grants]})


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


@fault("player-limit-ignored", "PLAYER-3", difficulty=OBVIOUS)
class LimitIgnored(Players):
    """The limit is not looked at."""

    def limit(self, asked: str | None) -> int:
        return super().limit(None)


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


@fault("player-limit-500", "PLAYER-3", "ERR-3", difficulty=MEDIUM)
class Limit500(Players):
    """A limit that is no number is a 500."""

    def limit(self, asked: str | None) -> int:
        int(asked or "1")
        return super().limit(asked)


@fault("player-limit-negative-500", "PLAYER-3", "ERR-3", difficulty=SUBTLE)
class LimitNegative500(Players):
    """A negative limit reaches the database, which refuses it: 500."""

    def limit(self, asked: str | None) -> int:
        if asked and asked.startswith("-"):
            raise ValueError(asked)
        return super().limit(asked)


@fault("player-counts-shown", "PLAYER-5", difficulty=SUBTLE)
class CountsShown(Players):
    """The summary counts what the limit shows."""

    def profile(self, external_id: str, limit: str | None) -> Reply:
        data = super().profile(external_id, limit).data
        shown = {"grants": len(data["grants"]), "lobbies": len(data["lobbies"])}
        return Reply(200, {**data, "summary": {**data["summary"], **shown}})


@fault("player-counts-nothing", "PLAYER-5", difficulty=MEDIUM)
class CountsNothing(Players):
    """The counters of the summary are all zero."""

    def summary(self, player: Player) -> dict[str, int]:
        return dict.fromkeys(super().summary(player), 0)


@fault("player-state-cached", "GRANT-8", "PLAYER-2", "PLAYER-5", difficulty=SUBTLE)
class CachedProfile(Players):
    """A profile that was read once is cached until the player is banned."""

    def profile(self, external_id: str, limit: str | None) -> Reply:
        player = self.state.known(external_id)
        cached = notes(self.state, "profiles")
        if player.id not in cached:
            cached[player.id] = super().profile(external_id, limit)
        reply: Reply = cached[player.id]
        return reply


class Banning(Players):
    """Answers a ban otherwise."""

    def ban(self, external_id: str, body: BanBody) -> Reply:
        player = self.state.players.get(external_id)
        before = (player.banned_at, player.ban_reason) if player else (None, None)
        reply = super().ban(external_id, body)
        assert player is not None
        return replace(reply, data={**reply.data, **self.told(player, before)})

    def told(self, player: Player, before: Any) -> dict[str, Any]:
        """The members of the answer that differ; `before` are moment and reason until now."""
        raise NotImplementedError


@fault(
    "ban-not-applied", "BAN-1", "BAN-7", "AUTH-4", "BAN-5", "AUTH-7", "ERR-4", difficulty=OBVIOUS
)
class NeverApplied(Banning):
    """A ban never says that it is applied."""

    def told(self, player: Player, before: Any) -> dict[str, Any]:
        return {"applied": False}


@fault("ban-other-player-id", "BAN-1", difficulty=MEDIUM)
class OtherPlayerId(Banning):
    """The answer to a ban has the external id as `playerId`."""

    def told(self, player: Player, before: Any) -> dict[str, Any]:
        return {"playerId": player.external_id}


@fault("ban-always-applied", "BAN-2", difficulty=MEDIUM)
class AlwaysApplied(Banning):
    """Every ban says that it is applied."""

    def told(self, player: Player, before: Any) -> dict[str, Any]:
        return {"applied": True}


@fault("ban-keeps-reason", "BAN-2", difficulty=SUBTLE)
class KeepsReason(Banning):
    """A second ban keeps the first reason."""

    def told(self, player: Player, before: Any) -> dict[str, Any]:
        player.ban_reason = before[1] or player.ban_reason
        return {"reason": player.ban_reason}


@fault("ban-again-409", "BAN-2", "HTTP-1", difficulty=OBVIOUS)
class Again409(Players):
    """A second ban gets 409."""

    def ban(self, external_id: str, body: BanBody) -> Reply:
        if self.state.known(external_id).banned_at is not None:
            raise conflict("already banned")
        return super().ban(external_id, body)


@fault("ban-unban-always-applied", "BAN-3", difficulty=MEDIUM)
class UnbanAlwaysApplied(Players):
    """Every unban says that it is applied."""

    def unban(self, external_id: str) -> Reply:
        return Reply(200, {**super().unban(external_id).data, "applied": True})


@fault("ban-unban-keeps", "BAN-3", "BAN-7", difficulty=MEDIUM)
class UnbanKeeps(Players):
    """An unban is answered and the ban stays."""

    def unban(self, external_id: str) -> Reply:
        player = self.state.known(external_id)
        banned = player.banned_at
        reply = super().unban(external_id)
        player.banned_at = banned
        return reply


@fault("ban-makes-player", "BAN-4", difficulty=MEDIUM)
class MakesPlayer(Players):
    """A ban of an unknown player makes the player and bans it."""

    def ban(self, external_id: str, body: BanBody) -> Reply:
        self.state.ensure(external_id)
        return super().ban(external_id, body)


@fault("ban-unban-makes-player", "BAN-4", difficulty=SUBTLE)
class UnbanMakesPlayer(Players):
    """An unban of an unknown player is refused with 404 and makes the player."""

    def unban(self, external_id: str) -> Reply:
        try:
            return super().unban(external_id)
        except ApiError:
            self.state.ensure(external_id)
            raise


@fault("ban-without-reason", "BAN-5", "ERR-4", difficulty=MEDIUM)
class WithoutReason(Rewriting):
    """A ban needs no reason."""

    def rewrite(self, operation: Operation, body: dict[str, Any]) -> dict[str, Any]:
        return {"reason": "", **body} if operation.path.endswith("/ban") else body


@fault("ban-any-reason", "BAN-5", "ERR-4", difficulty=SUBTLE)
class AnyReason(Rewriting):
    """A reason that is a number is turned into text."""

    def rewrite(self, operation: Operation, body: dict[str, Any]) -> dict[str, Any]:
        number = operation.path.endswith("/ban") and type(body.get("reason")) in (int, float)
        return {**body, "reason": str(body["reason"])} if number else body


@fault("ban-empties-wallet", "BAN-6", difficulty=SUBTLE)
class EmptiesWallet(Banning):
    """A ban takes the player's balances away."""

    def told(self, player: Player, before: Any) -> dict[str, Any]:
        player.wallet = Holdings()
        return {}


@fault("ban-leaves-lobbies", "BAN-6", difficulty=SUBTLE)
class LeavesLobbies(Banning):
    """A ban takes the player out of all lobbies."""

    def told(self, player: Player, before: Any) -> dict[str, Any]:
        player.lobbies = []
        return {}


class Blocking(Server):
    """Refuses writes for a banned player, as the client API does."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        player = services.state.players.get(call.path.get("externalId", ""))
        if player is not None and player.banned_at is not None and self.blocks(operation):
            raise ApiError(403, "forbidden", "The player is banned")
        return super().alone(operation, services, call)

    def blocks(self, operation: Operation) -> bool:
        """Whether the operation is refused."""
        raise NotImplementedError


@fault("ban-blocks-holdings", "BAN-6", difficulty=MEDIUM)
class BlocksHoldings(Blocking):
    """A credit, debit, grant or revoke for a banned player gets 403."""

    def blocks(self, operation: Operation) -> bool:
        return "wallet" in operation.path or "inventory" in operation.path


@fault("ban-blocks-acks", "BAN-6", "ACK-1", difficulty=SUBTLE)
class BlocksAcks(Blocking):
    """An ack for a banned player gets 403."""

    def blocks(self, operation: Operation) -> bool:
        return operation.path.endswith("/ack")


@fault("ban-only-once", "BAN-7", "BAN-2", difficulty=SUBTLE)
class OnlyOnce(Banning):
    """A ban after an unban says that it is not applied, since there was one before."""

    def told(self, player: Player, before: Any) -> dict[str, Any]:
        known = player.id in notes(self.state, "banned")
        notes(self.state, "banned")[player.id] = True
        return {"applied": not known}

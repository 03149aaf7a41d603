"""Servers whose bans, merges, erasures and lobbies do more than the contract says."""

from copy import copy
from dataclasses import replace
from typing import Any

from conformance.faults.variants.registration import variant
from conformance.reference.app import Server
from conformance.reference.bodies import BanBody, LobbyBody, PlayerRow
from conformance.reference.erasure import Gdpr
from conformance.reference.errors import ApiError
from conformance.reference.imports import Imports
from conformance.reference.lobbies import Lobbies
from conformance.reference.merging import Merging
from conformance.reference.operations import Call, Operation
from conformance.reference.players import Players
from conformance.reference.replies import Reply
from conformance.reference.services import Services
from conformance.reference.state import Lobby, Player, now, stamp
from conformance.reference.world import Event


@variant("bans-move")
class BansMove(Merging):
    """Whether a merge of a banned source bans the target: does, lest the fraud goes on."""

    def move(self, source: Player, target: Player) -> dict[str, int]:
        if source.banned_at is not None:
            target.banned_at, target.ban_reason = source.banned_at, source.ban_reason
        return super().move(source, target)


@variant("bans-anew")
class BansAnew(Players):
    """The `bannedAt` of a second ban: is that of the second."""

    def ban(self, external_id: str, body: BanBody) -> Reply:
        reply = super().ban(external_id, body)
        player = self.state.known(external_id)
        player.banned_at = now()
        return replace(reply, data={**reply.data, "bannedAt": stamp(player.banned_at)})


@variant("no-op-nulls")
class NoOpNulls(Server):
    """The placeholder, and the counts, of an erasure or a merge that is a no-op: are null and 0."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        reply = super().alone(operation, services, call)
        data = reply.data
        if data.get("status") == "no_op_already_merged":
            counts = dict.fromkeys(data["counts"], 0)
            data = {**data, "anonymizedExternalPlayerId": None, "counts": counts}
        elif data.get("status") == "no_op_already_erased":
            data = {**data, "anonymizedExternalId": None, "playerId": None, "lobbiesAnonymized": 0}
        return replace(reply, data=data)


@variant("conflicts-introduce")
class ConflictsIntroduce(Server):
    """Whether a stranger with a used key becomes known: does, before the 409."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        try:
            return super().alone(operation, services, call)
        except ApiError as error:
            if error.code == "idempotency_conflict":
                services.state.ensure(call.path["externalId"])
            raise


@variant("counts-otherwise")
class CountsOtherwise(Merging):
    """The counts of a merge but for its grants: count what both players had, and rows by key."""

    def move(self, source: Player, target: Player) -> dict[str, int]:
        shared = {
            "itemsMerged": len(source.inventory.amounts.keys() & target.inventory.amounts.keys()),
            "walletsMerged": len(source.wallet.amounts.keys() & target.wallet.amounts.keys()),
            "itemLedgerRowsMoved": len(source.inventory.amounts),
            "walletLedgerRowsMoved": len(source.wallet.amounts),
        }
        return {**super().move(source, target), **shared, "leaderboardsScrubbed": 0}


@variant("source-snapshot")
class SourceSnapshot(Merging):
    """Whose snapshot and registration a merged player has: are the source's."""

    def move(self, source: Player, target: Player) -> dict[str, int]:
        kept = source.context_snapshot, source.registered_at
        counts = super().move(source, target)
        target.context_snapshot, target.registered_at = kept
        target.first_seen = now()
        return counts


@variant("first-snapshot")
class FirstSnapshot(Imports):
    """Whether a later import replaces a snapshot: does not, and registers nobody."""

    def player(self, row: PlayerRow) -> None:
        player = self.state.ensure(row.externalPlayerId)
        player.context_snapshot = player.context_snapshot or row.contextSnapshot


@variant("progressing-lobbies")
class ProgressingLobbies(Lobbies):
    """When a lobby starts and gets its leaderboard: is after its creation, at the first read."""

    def create(self, game_id: str, event_key: str, body: LobbyBody) -> Reply:
        reply = super().create(game_id, event_key, body)
        started = self.state.lobbies[reply.data["id"]].started_at is not None
        shown = {"leaderboardId": None, "startedAt": None, "status": "forming"}
        return reply if started else Reply(reply.status, {**reply.data, **shown})

    def read(self, game_id: str, lobby_id: str) -> Reply:
        self.check_game(game_id)
        lobby = self.state.lobbies.get(lobby_id)
        if lobby is not None and lobby.started_at is None:
            lobby.started_at = now()
        return super().read(game_id, lobby_id)


class QuietLobby(Lobby):
    """A lobby that speaks of bots only if it has some."""

    def view(self) -> dict[str, Any]:
        """Leave out what is zero."""
        view = super().view()
        if not self.bots:
            del view["botSlots"]
        return view


@variant("bots-on-demand")
class BotsOnDemand(Lobbies):
    """Whether bots take seats where `fillBots` is left out: do not, and none are mentioned."""

    def open(self, event: Event, body: LobbyBody) -> Lobby:
        asked = copy(body)
        asked.fillBots = bool(body.fillBots)
        lobby = super().open(event, asked)
        lobby.__class__ = QuietLobby
        return lobby


@variant("erased-leave")
class ErasedLeave(Gdpr):
    """Whether an erased player keeps the seat in a lobby: does not."""

    def erase(self, player: Player, external_id: str) -> dict[str, Any]:
        for lobby in player.lobbies:
            lobby.members.remove(player)
        return super().erase(player, external_id)

"""Faults of erasure and export."""

from typing import Any

from conformance.faults import building_blocks as kit
from conformance.reference.app import Server
from conformance.reference.bodies import DeleteBody
from conformance.reference.erasure import Gdpr
from conformance.reference.errors import conflict
from conformance.reference.grants import SCOPE, Grants
from conformance.reference.lobbies import Lobbies
from conformance.reference.operations import Call, Operation
from conformance.reference.replies import Reply
from conformance.reference.services import Services
from conformance.reference.state import GameState, Lobby, Player, now


@kit.medium("erasure-names-placeholder", "DEL-1 HTTP-4 DEL-3")
@kit.change_data("deletePlayer")
def names_placeholder(data: kit.Data, *_: Any) -> kit.Data:
    """The answer has the placeholder as the external id."""
    return {"externalPlayerId": data["anonymizedExternalId"] or data["externalPlayerId"]}


@kit.subtle("erasure-acks-stay", "DEL-2")
class AcksStay(Grants):
    """A grant of an erased player can still be acked under the old id."""

    def ack(self, external_id: str, grant_id: str) -> Reply:
        grant = self.state.grants.get(grant_id)
        if grant is not None and grant.player.deleted_at and external_id in self.state.erasures:
            self.claim(grant)
            return Reply(200, grant.view())
        return super().ack(external_id, grant_id)


@kit.medium("erasure-again-erased", "DEL-3 DEL-8")
@kit.change_data("deletePlayer")
def again_erased(data: kit.Data, *_: Any) -> kit.Data:
    """A second erasure reports `erased`."""
    return {"status": "erased"} if data["status"] == "no_op_already_erased" else {}


@kit.medium("erasure-stranger-is-erased", "DEL-4 AUTH-7 PLAYER-4")
@kit.change_data("deletePlayer")
def stranger_is_erased(data: kit.Data, *_: Any) -> kit.Data:
    """The erasure of an unknown player reports that it was erased before."""
    return {"status": "no_op_already_erased"} if data["status"] == "no_op_never_existed" else {}


@kit.subtle("erasure-reason-folded", "DEL-5 ERR-4")
@kit.change_body("deletePlayer")
def reason_folded(body: kit.Data) -> kit.Data:
    """The reason may be written in capitals."""
    text = isinstance(body.get("reason"), str)
    return {**body, "reason": body["reason"].lower()} if text else body


@kit.subtle("erasure-checks-late", "DEL-5 ERR-4")
class ChecksLate(Server):
    """The server validates the reason after the erasure."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        body = kit.document(call)
        if operation.path.endswith("/delete") and isinstance(body, dict):
            erased = Call(call.game, call.key, call.path, call.query, b"{}")
            reply = super().alone(operation, services, erased)
            call.body(DeleteBody)
            return reply
        return super().alone(operation, services, call)


@kit.medium("erasure-locks-id", "DEL-6 DEL-9 MERGE-7 LOBBY-1 MIG-6")
class LocksId(GameState):
    """An erased id can never return."""

    def ensure(self, external_id: str) -> Player:
        if external_id in self.erasures and external_id not in self.players:
            raise conflict("the player was erased")
        return super().ensure(external_id)


@kit.subtle("erasure-wallet-returns", "DEL-6")
class WalletReturns(GameState):
    """A new player under an erased id has the old balances."""

    def ensure(self, external_id: str) -> Player:
        new = external_id not in self.players
        player = super().ensure(external_id)
        kept = kit.scratch(self, "wallets")
        if new and external_id in kept and external_id in self.erasures:
            player.wallet = kept[external_id]
        kept[external_id] = player.wallet
        return player


@kit.subtle("erasure-second-no-op", "DEL-6")
class SecondNoOp(Gdpr):
    """A new player under an erased id cannot be erased: the server has listed the id."""

    def delete(self, external_id: str, body: DeleteBody) -> Reply:
        done = self.state.erasures.get(external_id)
        if done is not None:
            return Reply(200, {**done, "status": "no_op_already_erased"})
        return super().delete(external_id, body)


@kit.subtle("erasure-roster-stays", "DEL-7")
class RosterStays(Lobbies):
    """A lobby still shows the original roster after the erasure of a player."""

    def open(self, event: Any, body: Any) -> Lobby:
        lobby = super().open(event, body)
        kit.scratch(self.state, "rosters")[lobby.id] = list(body.externalPlayerIds)
        return lobby

    def read(self, game_id: str, lobby_id: str) -> Reply:
        data = super().read(game_id, lobby_id).data
        return Reply(200, {**data, "roster": kit.scratch(self.state, "rosters")[lobby_id]})


@kit.subtle("erasure-race", "DEL-8", racing=("deletePlayer",))
class Race(Gdpr):
    """The server looks up, then erases: two simultaneous erasures both report `erased`."""

    def erase(self, player: Player, external_id: str) -> dict[str, Any]:
        kit.gap()
        with self.state.lock:
            self.state.players.setdefault(external_id, player)
            return super().erase(player, external_id)


@kit.subtle("erasure-frees-grant-keys", "DEL-9 GRANT-5")
class FreesGrantKeys(Gdpr):
    """The idempotency keys of the erased player's grants are free again."""

    def erase(self, player: Player, external_id: str) -> dict[str, Any]:
        used = self.state.remembered(SCOPE)
        for key in [key for key, first in used.items() if first.player is player]:
            del used[key]
        return super().erase(player, external_id)


@kit.subtle("export-first-page", "EXP-1")
@kit.change_data("exportPlayer")
def first_page(data: kit.Data, *_: Any) -> kit.Data:
    """The export lists the newest hundred grants."""
    return {"grants": data["grants"][-100:]}


@kit.medium("export-unknown-empty", "EXP-2 DEL-2 MERGE-5 AUTH-7")
class UnknownEmpty(Gdpr):
    """The export of an unknown player is empty."""

    def export(self, external_id: str) -> Reply:
        if external_id in self.state.players:
            return super().export(external_id)
        self.state.players[external_id] = Player(external_id)
        try:
            return super().export(external_id)
        finally:
            del self.state.players[external_id]


@kit.subtle("export-1001-rows", "EXP-3 HTTP-2")
@kit.change_data("exportPlayer")
def rows_1001(_: kit.Data, call: Call, services: Services) -> kit.Data:
    """A list may have 1001 rows: the bound is off by one."""
    return {"grants": [grant.view() for grant in kit.player_of(call, services).grants[-1001:]]}


@kit.subtle("export-claims", "EXP-4 EXP-1")
@kit.change_data("exportPlayer")
def claims(_: kit.Data, call: Call, services: Services) -> kit.Data:
    """An export marks the grants that it lists as claimed."""
    for grant in kit.player_of(call, services).grants:
        grant.claimed_at = grant.claimed_at or now()
    return {}


@kit.subtle("export-shows-companions", "EXP-4")
@kit.change_data("exportPlayer")
def shows_companions(data: kit.Data, call: Call, services: Services) -> kit.Data:
    """The lobbies of an export list all of their players."""
    lobbies = kit.player_of(call, services).lobbies
    names = {lobby.id: [member.external_id for member in lobby.members] for lobby in lobbies}
    return {"lobbies": [{**row, "members": names[row["id"]]} for row in data["lobbies"]]}


@kit.subtle("export-same-reference", "EXP-4 EXP-1")
@kit.change_data("exportPlayer")
def same_reference(_: kit.Data, call: Call, services: Services) -> kit.Data:
    """The export joins grants by their sourceRefId, and so shows those of other players."""
    refs = {grant.source_ref_id for grant in kit.player_of(call, services).grants}
    joined = [g for g in services.state.grants.values() if g.source_ref_id in refs]
    return {"grants": [grant.view() for grant in joined[-1000:]]}

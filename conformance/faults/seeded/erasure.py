"""Faults of erasure and export."""

from dataclasses import replace
from typing import Any

from conformance.faults.building_blocks import (
    MEDIUM,
    SUBTLE,
    Rewriting,
    document,
    fault,
    gap,
    scratch,
)
from conformance.reference import operations
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


class CorruptedResponse(Gdpr):
    """Answers an erasure otherwise."""

    def delete(self, external_id: str, body: DeleteBody) -> Reply:
        reply = super().delete(external_id, body)
        return replace(reply, data={**reply.data, **self.changed(reply.data)})

    def changed(self, data: dict[str, Any]) -> dict[str, Any]:
        """The members of the answer that differ."""
        raise NotImplementedError


@fault("erasure-names-placeholder", "DEL-1", "HTTP-4", "DEL-3", difficulty=MEDIUM)
class NamesPlaceholder(CorruptedResponse):
    """The answer has the placeholder as the external id."""

    def changed(self, data: dict[str, Any]) -> dict[str, Any]:
        return {"externalPlayerId": data["anonymizedExternalId"] or data["externalPlayerId"]}


@fault("erasure-acks-stay", "DEL-2", difficulty=SUBTLE)
class AcksStay(Grants):
    """A grant of an erased player can still be acked under the old id."""

    def ack(self, external_id: str, grant_id: str) -> Reply:
        grant = self.state.grants.get(grant_id)
        if grant is not None and grant.player.deleted_at and external_id in self.state.erasures:
            self.claim(grant)
            return Reply(200, grant.view())
        return super().ack(external_id, grant_id)


@fault("erasure-again-erased", "DEL-3", "DEL-8", difficulty=MEDIUM)
class AgainErased(CorruptedResponse):
    """Erasing again says `erased`."""

    def changed(self, data: dict[str, Any]) -> dict[str, Any]:
        done = data["status"] == "no_op_already_erased"
        return {"status": "erased" if done else data["status"]}


@fault("erasure-stranger-is-erased", "DEL-4", "AUTH-7", "PLAYER-4", difficulty=MEDIUM)
class StrangerIsErased(CorruptedResponse):
    """A stranger is reported as already erased."""

    def changed(self, data: dict[str, Any]) -> dict[str, Any]:
        stranger = data["status"] == "no_op_never_existed"
        return {"status": "no_op_already_erased" if stranger else data["status"]}


@fault("erasure-reason-folded", "DEL-5", "ERR-4", difficulty=SUBTLE)
class ReasonFolded(Rewriting):
    """The reason may be written in capitals."""

    def rewrite(self, operation: Operation, body: dict[str, Any]) -> dict[str, Any]:
        text = operation.path.endswith("/delete") and isinstance(body.get("reason"), str)
        return {**body, "reason": body["reason"].lower()} if text else body


@fault("erasure-checks-late", "DEL-5", "ERR-4", difficulty=SUBTLE)
class ChecksLate(Server):
    """The reason is judged when the player is already erased."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        body = document(call)
        if operation.path.endswith("/delete") and isinstance(body, dict):
            erased = Call(call.game, call.key, call.path, call.query, b"{}")
            reply = super().alone(operation, services, erased)
            call.body(DeleteBody)
            return reply
        return super().alone(operation, services, call)


@fault("erasure-locks-id", "DEL-6", "DEL-9", "MERGE-7", "LOBBY-1", difficulty=MEDIUM)
class LocksId(GameState):
    """An erased id can never be used again."""

    def ensure(self, external_id: str) -> Player:
        if external_id in self.erasures and external_id not in self.players:
            raise conflict("the player was erased")
        return super().ensure(external_id)


@fault("erasure-wallet-returns", "DEL-6", difficulty=SUBTLE)
class WalletReturns(GameState):
    """Whoever uses an erased id gets the old balances back."""

    def ensure(self, external_id: str) -> Player:
        new = external_id not in self.players
        player = super().ensure(external_id)
        kept = scratch(self, "wallets")
        if new and external_id in kept and external_id in self.erasures:
            player.wallet = kept[external_id]
        kept[external_id] = player.wallet
        return player


@fault("erasure-second-no-op", "DEL-6", difficulty=SUBTLE)
class SecondNoOp(Gdpr):
    """A new player under an erased id cannot be erased: the id is on the list."""

    def delete(self, external_id: str, body: DeleteBody) -> Reply:
        done = self.state.erasures.get(external_id)
        if done is not None:
            return Reply(200, {**done, "status": "no_op_already_erased"})
        return super().delete(external_id, body)


@fault("erasure-roster-stays", "DEL-7", difficulty=SUBTLE)
class RosterStays(Lobbies):
    """A lobby shows the roster as it was sent, also when a player of it is erased."""

    def open(self, event: Any, body: Any) -> Lobby:
        lobby = super().open(event, body)
        scratch(self.state, "rosters")[lobby.id] = list(body.externalPlayerIds)
        return lobby

    def read(self, game_id: str, lobby_id: str) -> Reply:
        data = super().read(game_id, lobby_id).data
        return Reply(200, {**data, "roster": scratch(self.state, "rosters")[lobby_id]})


@fault("erasure-race", "DEL-8", difficulty=SUBTLE, racing=(operations.delete_player,))
class Race(Gdpr):
    """The player is looked up, then erased: of two erasures at once both say `erased`."""

    def erase(self, player: Player, external_id: str) -> dict[str, Any]:
        gap()
        with self.state.lock:
            self.state.players.setdefault(external_id, player)
            return super().erase(player, external_id)


@fault("erasure-frees-grant-keys", "DEL-9", "GRANT-5", difficulty=SUBTLE)
class FreesGrantKeys(Gdpr):
    """The idempotency keys of the erased player's grants are free again."""

    def erase(self, player: Player, external_id: str) -> dict[str, Any]:
        used = self.state.remembered(SCOPE)
        for key in [key for key, first in used.items() if first.player is player]:
            del used[key]
        return super().erase(player, external_id)


class Exporting(Gdpr):
    """Exports something else."""

    def export(self, external_id: str) -> Reply:
        data = super().export(external_id).data
        return Reply(200, {**data, **self.changed(self.state.known(external_id), data)})

    def changed(self, player: Player, data: dict[str, Any]) -> dict[str, Any]:
        """The members of the export that differ."""
        raise NotImplementedError


@fault("export-first-page", "EXP-1", difficulty=SUBTLE)
class FirstPage(Exporting):
    """The export lists the newest hundred grants."""

    def changed(self, player: Player, data: dict[str, Any]) -> dict[str, Any]:
        return {"grants": data["grants"][-100:]}


@fault("export-unknown-empty", "EXP-2", "DEL-2", "MERGE-5", "AUTH-7", difficulty=MEDIUM)
class UnknownEmpty(Gdpr):
    """The export of an unknown player is an empty one."""

    def export(self, external_id: str) -> Reply:
        if external_id in self.state.players:
            return super().export(external_id)
        self.state.players[external_id] = Player(external_id)
        try:
            return super().export(external_id)
        finally:
            del self.state.players[external_id]


@fault("export-1001-rows", "EXP-3", "HTTP-2", difficulty=SUBTLE)
class Rows1001(Exporting):
    """A list may have 1001 rows: the bound is off by one."""

    def changed(self, player: Player, data: dict[str, Any]) -> dict[str, Any]:
        return {"grants": [grant.view() for grant in player.grants[-1001:]]}


@fault("export-claims", "EXP-4", "EXP-1", difficulty=SUBTLE)
class Claims(Exporting):
    """An export marks the grants that it lists as claimed."""

    def changed(self, player: Player, data: dict[str, Any]) -> dict[str, Any]:
        for grant in player.grants:
            grant.claimed_at = grant.claimed_at or now()
        return {}


@fault("export-shows-companions", "EXP-4", difficulty=SUBTLE)
class ShowsCompanions(Exporting):
    """The lobbies of an export name everybody who was in them."""

    def changed(self, player: Player, data: dict[str, Any]) -> dict[str, Any]:
        names = {lobby.id: [m.external_id for m in lobby.members] for lobby in player.lobbies}
        return {"lobbies": [{**row, "members": names[row["id"]]} for row in data["lobbies"]]}


@fault("export-same-reference", "EXP-4", "EXP-1", difficulty=SUBTLE)
class SameReference(Exporting):
    """The export joins grants by their sourceRefId, and so shows those of others."""

    def changed(self, player: Player, data: dict[str, Any]) -> dict[str, Any]:
        refs = {grant.source_ref_id for grant in player.grants}
        joined = [g for g in self.state.grants.values() if g.source_ref_id in refs]
        return {"grants": [grant.view() for grant in joined[-1000:]]}

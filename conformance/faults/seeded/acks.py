"""Faults of acks."""

from conformance.faults import building_blocks as kit
from conformance.reference.bodies import GrantBody
from conformance.reference.grants import SCOPE, Grants
from conformance.reference.replies import Reply
from conformance.reference.state import Grant, Player, now


@kit.medium("ack-by-player", "ACK-1")
class AckedByPlayer(Grants):
    """The server reports an ack of the backend as an ack of the player."""

    def claim(self, grant: Grant) -> None:
        super().claim(grant)
        grant.acked_by = "player"


@kit.subtle("ack-again-new-time", "ACK-2")
class AgainNewTime(Grants):
    """A second ack moves `claimedAt`."""

    def claim(self, grant: Grant) -> None:
        kit.gap(2)
        grant.claimed_at = now()
        grant.acked_by = "server_api"


@kit.subtle("ack-of-others", "ACK-3 DEL-2 MERGE-5")
class OfOthers(Grants):
    """A grant is found by its id alone: any known player can claim it."""

    def find(self, player: Player, grant_id: str) -> Grant:
        grant = self.state.grants.get(grant_id)
        return grant if grant is not None else super().find(player, grant_id)


@kit.medium("ack-not-written", "ACK-4 ACK-2 MERGE-3 EXP-1")
class NotWritten(Grants):
    """The server answers an ack and does not store it."""

    def ack(self, external_id: str, grant_id: str) -> Reply:
        reply = super().ack(external_id, grant_id)
        grant = self.state.grants[grant_id]
        grant.claimed_at = grant.acked_by = None
        return reply


@kit.subtle("ack-claims-all", "ACK-4 EXP-1")
class ClaimsAll(Grants):
    """An ack claims every pending grant of the player."""

    def claim(self, grant: Grant) -> None:
        for each in grant.player.grants:
            super().claim(each)


@kit.subtle("ack-frees-key", "ACK-5 GRANT-2 GRANT-5 DEL-9")
class FreesKey(Grants):
    """Only pending grants hold their key: a replay after the ack makes a second grant."""

    def create(self, external_id: str, body: GrantBody) -> Reply:
        used = self.state.remembered(SCOPE)
        first = used.get(body.idempotencyKey)
        if first is not None and self.state.grants[first.answer["id"]].claimed_at:
            del used[body.idempotencyKey]
        return super().create(external_id, body)


@kit.subtle("ack-again-gives-items", "ACK-6")
class AgainGivesItems(Grants):
    """A second ack puts the items of the grant into the inventory."""

    def claim(self, grant: Grant) -> None:
        if grant.claimed_at is not None:
            for entry in grant.entries:
                if entry["type"] == "item":
                    grant.player.inventory.add(entry["itemKey"], entry["quantity"])
        super().claim(grant)

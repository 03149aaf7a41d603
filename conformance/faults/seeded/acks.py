"""Faults of acks."""

from conformance.faults.tools import MEDIUM, OBVIOUS, SUBTLE, fault, gap
from conformance.reference.bodies import GrantBody
from conformance.reference.errors import conflict
from conformance.reference.grants import SCOPE, Grants
from conformance.reference.replies import Reply
from conformance.reference.state import Grant, Player, now


@fault("ack-stays-pending", "ACK-1", "ACK-2", "ACK-4", "MERGE-3", difficulty=OBVIOUS)
class StaysPending(Grants):
    """An ack answers 200 and the grant is pending."""

    def claim(self, grant: Grant) -> None:
        """Nothing is claimed."""


@fault("ack-by-player", "ACK-1", difficulty=MEDIUM)
class AckedByPlayer(Grants):
    """An ack of the backend is told as one of the player."""

    def claim(self, grant: Grant) -> None:
        super().claim(grant)
        grant.acked_by = "player"


@fault("ack-no-moment", "ACK-1", difficulty=MEDIUM)
class NoMoment(Grants):
    """The answer to an ack has no `claimedAt`; a later look has."""

    def ack(self, external_id: str, grant_id: str) -> Reply:
        return Reply(200, {**super().ack(external_id, grant_id).data, "claimedAt": None})


@fault("ack-again-409", "ACK-2", "HTTP-1", "ACK-6", difficulty=MEDIUM)
class Again409(Grants):
    """A second ack gets 409."""

    def claim(self, grant: Grant) -> None:
        if grant.claimed_at is not None:
            raise conflict("already claimed")
        super().claim(grant)


@fault("ack-again-new-time", "ACK-2", difficulty=SUBTLE)
class AgainNewTime(Grants):
    """A second ack moves `claimedAt`."""

    def claim(self, grant: Grant) -> None:
        gap()
        gap()
        grant.claimed_at = now()
        grant.acked_by = "server_api"


@fault("ack-of-others", "ACK-3", difficulty=SUBTLE)
class OfOthers(Grants):
    """A grant is found by its id alone: any known player can claim it."""

    def find(self, player: Player, grant_id: str) -> Grant:
        grant = self.state.grants.get(grant_id)
        return grant if grant is not None else super().find(player, grant_id)


@fault("ack-makes-player", "ACK-3", difficulty=SUBTLE)
class MakesPlayer(Grants):
    """An ack for an unknown player makes the player."""

    def ack(self, external_id: str, grant_id: str) -> Reply:
        self.state.ensure(external_id)
        return super().ack(external_id, grant_id)


@fault("ack-unknown-200", "ACK-3", "HTTP-2", difficulty=MEDIUM)
class UnknownAck(Grants):
    """The ack of an unknown grant is a silent success."""

    def ack(self, external_id: str, grant_id: str) -> Reply:
        if grant_id not in self.state.grants:
            self.state.known(external_id)
            return Reply(200, {"id": grant_id, "status": "claimed"})
        return super().ack(external_id, grant_id)


@fault("ack-nearest-grant", "ACK-3", difficulty=SUBTLE)
class NearestGrant(Grants):
    """Grants are found by the first 32 characters of their id."""

    def find(self, player: Player, grant_id: str) -> Grant:
        same = (known for known in self.state.grants if known[:32] == grant_id[:32])
        return super().find(player, next(same, grant_id))


@fault("ack-not-written", "ACK-4", "ACK-2", "MERGE-3", "EXP-1", difficulty=MEDIUM)
class NotWritten(Grants):
    """The ack is answered and never written."""

    def ack(self, external_id: str, grant_id: str) -> Reply:
        reply = super().ack(external_id, grant_id)
        grant = self.state.grants[grant_id]
        grant.claimed_at = grant.acked_by = None
        return reply


@fault("ack-claims-all", "ACK-4", "EXP-1", difficulty=SUBTLE)
class ClaimsAll(Grants):
    """An ack claims every pending grant of the player."""

    def claim(self, grant: Grant) -> None:
        for each in grant.player.grants:
            super().claim(each)


@fault("ack-frees-key", "ACK-5", "GRANT-2", difficulty=SUBTLE)
class FreesKey(Grants):
    """Only pending grants hold their key: a replay after the ack makes a second grant."""

    def create(self, external_id: str, body: GrantBody) -> Reply:
        used = self.state.remembered(SCOPE)
        first = used.get(body.idempotencyKey)
        if first is not None and self.state.grants[first.answer["id"]].claimed_at:
            del used[body.idempotencyKey]
        return super().create(external_id, body)


@fault("ack-credits", "ACK-6", difficulty=MEDIUM)
class Credits(Grants):
    """An ack pays the currencies of the grant out."""

    def claim(self, grant: Grant) -> None:
        if grant.claimed_at is None:
            for entry in grant.entries:
                if entry["type"] == "currency":
                    grant.player.wallet.add(entry["currencyKey"], entry["amount"])
        super().claim(grant)


@fault("ack-again-gives-items", "ACK-6", difficulty=SUBTLE)
class AgainGivesItems(Grants):
    """A second ack puts the items of the grant into the inventory."""

    def claim(self, grant: Grant) -> None:
        if grant.claimed_at is not None:
            for entry in grant.entries:
                if entry["type"] == "item":
                    grant.player.inventory.add(entry["itemKey"], entry["quantity"])
        super().claim(grant)

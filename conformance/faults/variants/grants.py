"""Servers whose grants look otherwise, or that ask more of them."""

from typing import Any

from conformance.faults.variants.registration import variant
from conformance.reference.app import Server
from conformance.reference.bodies import CrateEntry, GrantBody
from conformance.reference.errors import invalid
from conformance.reference.grants import Grants
from conformance.reference.operations import Call, Operation
from conformance.reference.replies import Reply
from conformance.reference.services import Services
from conformance.reference.state import stamp

GRANTS = ("createGrant", "ackGrant")


@variant("crates-alone")
class CratesAlone(Grants):
    """Entries of another type in a grant of the kind crate: get 400."""

    def create(self, external_id: str, body: GrantBody) -> Reply:
        alone = all(isinstance(entry, CrateEntry) for entry in body.entries)
        if body.kind == "crate" and not alone:
            raise invalid("$.entries", "a crate holds crates")
        return super().create(external_id, body)


@variant("other-contents")
class OtherContents(Server):
    """The members of a grant's `contents`: are a list for each type, and the number of entries."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        reply = super().alone(operation, services, call)
        if operation.id in GRANTS:
            return Reply(reply.status, self.sorted_out(reply.data))
        if "grants" in reply.data:
            rows = [self.sorted_out(row) for row in reply.data["grants"]]
            return Reply(reply.status, {**reply.data, "grants": rows})
        return reply

    @staticmethod
    def sorted_out(grant: dict[str, Any]) -> dict[str, Any]:
        """The grant with its entries by type."""
        if "entries" not in grant["contents"]:
            return grant
        by_type: dict[str, Any] = {}
        for entry in grant["contents"]["entries"]:
            kind = entry["type"]
            by_type.setdefault(kind, []).append({n: v for n, v in entry.items() if n != "type"})
        return {**grant, "contents": {**by_type, "count": sum(map(len, by_type.values()))}}


@variant("crates-roll")
class CratesRoll(Grants):
    """What an ack does to a grant of the kind crate: is to roll it."""

    def ack(self, external_id: str, grant_id: str) -> Reply:
        super().ack(external_id, grant_id)
        grant = self.state.grants[grant_id]
        view = grant.view()
        if grant.kind != "crate":
            return Reply(200, view)
        rolled = {"rolledAt": stamp(grant.claimed_at), "contents": {"rolled": [{"luck": 7}]}}
        return Reply(200, {**view, **rolled})

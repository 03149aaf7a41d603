"""Servers that check a request in other orders where it is wrong in two ways."""

from conformance.faults.building_blocks import document
from conformance.faults.variants.registration import variant
from conformance.reference.app import Server
from conformance.reference.errors import ApiError, reused_key, unprocessable
from conformance.reference.merging import Merging
from conformance.reference.operations import Call, Operation
from conformance.reference.replies import Reply
from conformance.reference.services import Services

SCOPES = {
    "createGrant": "grants",
    "creditWallet": "wallet",
    "debitWallet": "wallet",
    "grantItem": "inventory",
    "revokeItem": "inventory",
}


@variant("key-first")
class KeyFirst(Server):
    """A used key with a body that is not valid: gets 409."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        try:
            return super().alone(operation, services, call)
        except ApiError as error:
            body, scope = document(call), SCOPES.get(operation.id)
            key = body.get("idempotencyKey") if isinstance(body, dict) else None
            used = services.state.remembered(scope) if scope else {}
            if error.status == 400 and isinstance(key, str) and key in used:
                raise reused_key() from None
            raise


@variant("sense-first")
class SenseFirst(Merging):
    """A merge of strangers with themselves, or into a target that is banned (since): gets 422."""

    def merge(self, source_id: str, target_id: str) -> Reply:
        target = self.state.players.get(target_id)
        if source_id == target_id:
            raise unprocessable("a player cannot be merged into itself")
        if target is not None and target.banned_at is not None:
            raise unprocessable("the target is banned")
        return super().merge(source_id, target_id)

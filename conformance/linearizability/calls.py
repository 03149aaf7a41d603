"""Makes calls of the API and returns each as a `Call`, which the models understand."""

from conformance.client.api import Answer, Api, Body
from conformance.contract.breach import shown
from conformance.failures import Blocked
from conformance.linearizability.models import Call, Kind
from conformance.testkit.documents import row_of
from conformance.testkit.expect import describe
from conformance.testkit.given import needed
from conformance.testkit.import_batches import ImportBatch
from conformance.testkit.ledgers import Ledger, held_in


class Holdings:
    """Calls about one holding of a source, which may be merged into a target."""

    def __init__(self, ledger: Ledger, source: str, target: str = "") -> None:
        self.ledger = ledger
        self.names = {"source": source, "target": target}

    def change(self, kind: Kind, amount: int, key: str | None = None, who: str = "source") -> Call:
        """An increment or decrement; `key` is the end of an idempotency key of this source."""
        player = self.names[who]
        named = {} if key is None else {"idempotencyKey": f"{self.names['source']}-{key}"}
        answer = self.ledger.change(kind, player, amount, **named)
        require_status(answer, "LEDGER-1", 200, 409)
        reported = self.ledger.holding(answer) if answer.status == 200 else None
        return Call(
            kind=kind, player=who, status=answer.status, reported=reported, amount=amount, key=key
        )

    def imported(self) -> Call:
        """An import of one row."""
        batch = ImportBatch(self.ledger.name, self.ledger.given)
        answer = batch.send([batch.row(self.names["source"])])
        needed(answer, "MIG-1", "an import of one row")
        if answer.data["applied"] != 1:
            raise Blocked("MIG-1", "the row to be applied", shown(answer.data))
        return Call(kind=Kind.IMPORT, player="source", status=200, amount=batch.amount)

    def read(self, who: str = "source") -> Call:
        """The holding in the export; an unknown player holds nothing."""
        answer = self.ledger.given.api.export_player(self.names[who])
        known = answer.status != 404 and needed(answer, "EXP-1", "an export of the player")
        held = held_in(answer.data, self.ledger.name, self.ledger.key) if known else 0
        return Call(kind=Kind.READ, player=who, status=answer.status, reported=held)

    def merge(self) -> Call:
        """The merge of the source into the target."""
        return merge_call(self.ledger.given.api, self.names)


class GrantCalls:
    """Calls about a grant of a source, which may be merged into a target; `body` created it."""

    def __init__(self, api: Api, source: str, target: str, grant: str, body: Body) -> None:
        self.api = api
        self.names = {"source": source, "target": target}
        self.grant = grant
        self.body = body

    def create(self) -> Call:
        """A replay of the create."""
        answer = self.api.create_grant(self.names["source"], self.body)
        require_status(answer, "GRANT-2", 200, 201, 409)
        return Call(kind=Kind.CREATE, player="source", status=answer.status)

    def ack(self, who: str) -> Call:
        """An ack of the grant."""
        answer = self.api.ack_grant(self.names[who], self.grant)
        require_status(answer, "ACK-1", 200, 404)
        return Call(kind=Kind.ACK, player=who, status=answer.status, reported=status_of(answer))

    def read(self, who: str) -> Call:
        """The grant's status in the player's export; None if it is not listed."""
        answer = self.api.export_player(self.names[who])
        found = row_of(answer.data["grants"], self.grant) if answer.status == 200 else None
        status = str(found["status"]) if found else None
        return Call(kind=Kind.READ, player=who, status=answer.status, reported=status)

    def merge(self) -> Call:
        """The merge of the source into the target."""
        return merge_call(self.api, self.names)


def require_status(answer: Answer, requirement: str, *statuses: int) -> None:
    """Blocked by the requirement if the answer has none of the statuses."""
    if answer.status not in statuses:
        raise Blocked(requirement, f"status {' or '.join(map(str, statuses))}", describe(answer))


def merge_call(api: Api, names: dict[str, str]) -> Call:
    """The merge of the source into the target."""
    answer = api.merge_player(names["source"], names["target"])
    require_status(answer, "MERGE-1", 200)
    return Call(kind=Kind.MERGE, player="source", status=answer.status, reported=status_of(answer))


def status_of(answer: Answer) -> str | None:
    """The member `status` of a success; None for a refusal."""
    return str(answer.data["status"]) if answer.status == 200 else None

"""Faults of errors, statuses, shapes, paths and unknown fields."""

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response

from conformance.faults.building_blocks import (
    MEDIUM,
    OBVIOUS,
    SUBTLE,
    Rewriting,
    document,
    fault,
    leaves,
)
from conformance.reference.app import Server, as_json
from conformance.reference.bodies import (
    BanBody,
    Body,
    DeleteBody,
    GrantBody,
    ImportBody,
    ItemBody,
    LobbyBody,
    WalletBody,
)
from conformance.reference.erasure import Gdpr
from conformance.reference.errors import ApiError, invalid
from conformance.reference.imports import Imports
from conformance.reference.ledger import Ledger
from conformance.reference.operations import Call, Operation
from conformance.reference.players import Players
from conformance.reference.replies import Reply
from conformance.reference.services import Services
from conformance.reference.state import GameState, Player

SHAPES: tuple[type[Body], ...] = (
    *(GrantBody, LobbyBody, BanBody, DeleteBody, ItemBody, WalletBody, ImportBody),
)


CODES = (
    *("AUTH-1.code", "AUTH-2.code", "AUTH-3.code", "ERR-2", "RATE-2.code"),
    *("GRANT-3.code", "GRANT-7.code", "LEDGER-4.code"),
)
"""The requirements that ask for an error code."""


@fault("err-bare-message", "ERR-1", "AUTH-1", *CODES, difficulty=OBVIOUS)
class BareMessage(Server):
    """A failure is {"error": "text"}."""

    def refuse(self, error: ApiError, headers: Mapping[str, str]) -> Response:
        return as_json(error.status, {"error": error.message}, {**headers, **error.headers})


@fault("err-empty-429", "ERR-1", "HTTP-2", "RATE-2.code", difficulty=SUBTLE)
class Empty429(Server):
    """The 429 comes from a gateway and has no body."""

    def refuse(self, error: ApiError, headers: Mapping[str, str]) -> Response:
        if error.status != 429:
            return super().refuse(error, headers)
        return Response(b"", 429, {**headers, **error.headers})


@fault("err-codes-swapped", "ERR-2", difficulty=MEDIUM)
class CodesSwapped(Server):
    """What is not found has the code of a conflict."""

    def refuse(self, error: ApiError, headers: Mapping[str, str]) -> Response:
        if error.status == 404:
            error.code = "conflict"
        return super().refuse(error, headers)


class Crash(Exception):  # noqa: N818 - a crash is what it stands for
    """What an unguarded line of code raises."""


class Fragile(Server):
    """Crashes for some requests with a good key."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        if self.breaks(operation, call):
            raise Crash
        return super().alone(operation, services, call)

    def breaks(self, operation: Operation, call: Call) -> bool:
        """Whether the request is too much for the server."""
        raise NotImplementedError


@fault("err-nul-500", "ERR-3", difficulty=SUBTLE)
class NulCrash(Fragile):
    """A NUL in a text is a 500, since the database takes none."""

    def breaks(self, operation: Operation, call: Call) -> bool:
        return any(isinstance(text, str) and "\0" in text for text in leaves(document(call)))


@fault("err-surrogate-500", "ERR-3", difficulty=SUBTLE)
class SurrogateCrash(Fragile):
    """A lone surrogate in a text is a 500, since it has no UTF-8."""

    def breaks(self, operation: Operation, call: Call) -> bool:
        texts = [text for text in leaves(document(call)) if isinstance(text, str)]
        return any(0xD800 <= ord(char) < 0xE000 for text in texts for char in text)


@fault("err-huge-number-500", "ERR-3", "LEDGER-12", difficulty=SUBTLE)
class HugeNumberCrash(Fragile):
    """An integer beyond 64 bits is a 500."""

    def breaks(self, operation: Operation, call: Call) -> bool:
        body = document(call)
        return any(isinstance(value, int) and abs(value) >= 2**63 for value in leaves(body))


@fault("err-utf8-path-500", "ERR-3", difficulty=SUBTLE)
class PathCrash(Server):
    """A path that is no UTF-8 is a 500."""

    def decode(self, segment: str) -> str:
        return unquote(segment, errors="strict")


@fault("err-null-row-500", "ERR-3", "MIG-3", difficulty=SUBTLE)
class NullRowCrash(Fragile):
    """An imported row that is null is a 500."""

    def breaks(self, operation: Operation, call: Call) -> bool:
        body = document(call)
        rows = body.get("rows") if isinstance(body, dict) else None
        return "migrate" in operation.path and isinstance(rows, list) and None in rows


@fault(
    *("err-422-for-bodies", "ERR-4", "HTTP-1", "ERR-2", "GRANT-7", "LOBBY-10", "BAN-5"),
    *("LEDGER-7", "MIG-4", "MIG-8", "DEL-5"),
    difficulty=OBVIOUS,
)
class Unprocessable(Server):
    """A body that is not valid gets 422, as the framework has it."""

    def refuse(self, error: ApiError, headers: Mapping[str, str]) -> Response:
        if error.code == "validation_failed" and error.status == 400:
            error.status = 422
        return super().refuse(error, headers)


@fault("err-reason-unchecked", "ERR-4", difficulty=SUBTLE)
class ReasonUnchecked(Rewriting):
    """The reason of a change of a holding may be anything."""

    def rewrite(self, operation: Operation, body: dict[str, Any]) -> dict[str, Any]:
        if "reason" in body and ("wallet" in operation.path or "inventory" in operation.path):
            return {**body, "reason": json.dumps(body["reason"])}
        return body


@fault("err-lobby-metadata-unchecked", "ERR-4", difficulty=SUBTLE)
class LobbyMetadataUnchecked(Rewriting):
    """The metadata of a lobby may be anything."""

    def rewrite(self, operation: Operation, body: dict[str, Any]) -> dict[str, Any]:
        if "lobbies" in operation.path and "metadata" in body:
            return {**body, "metadata": {"value": body["metadata"]}}
        return body


@fault("http-201-for-credit", "HTTP-1", "LEDGER-1", difficulty=OBVIOUS)
class CreatedForCredit(Ledger):
    """An increment answers 201."""

    def once(self, change: str, *rest: Any) -> Reply:
        reply = super().once(change, *rest)
        return replace(reply, status=201) if change == "increment" else reply


@fault("http-410-for-erased", "DEL-2", "HTTP-1", "MERGE-7", difficulty=MEDIUM)
class GoneForErased(GameState):
    """An erased player is gone, 410."""

    def known(self, external_id: str) -> Player:
        if external_id in self.erasures and external_id not in self.players:
            raise ApiError(410, "not_found", "The player was erased")
        return super().known(external_id)


@fault("http-sql-timestamps", "HTTP-2", difficulty=MEDIUM)
class SqlTimestamps(Players):
    """`bannedAt` is written as the database has it, with a blank."""

    def ban(self, *arguments: Any) -> Reply:
        reply = super().ban(*arguments)
        moment = reply.data["bannedAt"].replace("T", " ").rstrip("Z")
        return Reply(200, {**reply.data, "bannedAt": moment})


@fault("http-null-for-empty", "HTTP-2", "EXP-1", difficulty=SUBTLE)
class NullForEmpty(Gdpr):
    """A list of an export that is empty is null."""

    def export(self, external_id: str) -> Reply:
        data = super().export(external_id).data
        return Reply(200, {k: None if v == [] else v for k, v in data.items()})


@fault("http-large-as-text", "HTTP-2", "LEDGER-12", difficulty=SUBTLE)
class LargeAsText(Ledger):
    """A holding beyond 2^31-1 is a text, as some drivers give 64-bit columns."""

    def once(self, *arguments: Any) -> Reply:
        data = super().once(*arguments).data
        held = data[self.holding_field]
        return Reply(200, {**data, self.holding_field: str(held) if held > 2**31 - 1 else held})


@fault("http-405-without-allow", "HTTP-3", difficulty=MEDIUM)
class NoAllow(Server):
    """The 405 does not say what is allowed."""

    async def lost(self, request: Request, error: Exception) -> Response:
        response = await super().lost(request, error)
        if "allow" in response.headers:
            del response.headers["allow"]
        return response


@fault("http-decoded-twice", "HTTP-4", difficulty=SUBTLE)
class DecodedTwice(Server):
    """Path parameters are percent-decoded by the framework and once more by hand."""

    def decode(self, segment: str) -> str:
        return unquote(super().decode(segment))


@fault("http-slash-splits", "HTTP-4", difficulty=SUBTLE)
class SlashSplits(Server):
    """Of an id with an encoded slash only what is before it counts."""

    def decode(self, segment: str) -> str:
        return super().decode(segment).partition("/")[0]


class Folding(GameState):
    """Players whose ids are equal after some folding are one row."""

    def fold(self, external_id: str) -> str:
        """What the index of the table holds."""
        raise NotImplementedError

    def stored(self, external_id: str) -> str:
        """The id under which the row is found."""
        wanted = self.fold(external_id)
        found = (known for known in self.players if self.fold(known) == wanted)
        return external_id if external_id in self.players else next(found, external_id)

    def known(self, external_id: str) -> Player:
        return super().known(self.stored(external_id))

    def ensure(self, external_id: str) -> Player:
        return super().ensure(self.stored(external_id))


@fault("http-ids-casefolded", "HTTP-4", difficulty=SUBTLE)
class CaseFolded(Folding):
    """The index of external ids ignores case."""

    def fold(self, external_id: str) -> str:
        return external_id.lower()


@fault("http-ids-normalised", "HTTP-4", difficulty=SUBTLE)
class Normalised(Folding):
    """The index of external ids normalises Unicode, so that two spellings are one player."""

    def fold(self, external_id: str) -> str:
        return unicodedata.normalize("NFC", external_id)


@fault("http-ids-cut", "HTTP-4", difficulty=SUBTLE)
class Cut(Folding):
    """The index of external ids holds 128 characters."""

    def fold(self, external_id: str) -> str:
        return external_id[:128]


KNOWN = {field for shape in SHAPES for field in shape.__struct_fields__}
"""The fields that some body of the API has."""


@fault("http-ack-takes-no-body", "HTTP-5", difficulty=MEDIUM)
class NoBodyOnAck(Server):
    """An ack with a body gets 400, although clients stamp a key onto every POST."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        if operation.path.endswith("/ack") and call.raw:
            raise invalid("$", "no body expected")
        return super().alone(operation, services, call)


@fault("http-row-fields-fail", "HTTP-5", difficulty=SUBTLE)
class StrictRows(Imports):
    """An imported row with a field that the server does not know fails."""

    def batch(self, scope: str, body: Any, shape: Any, apply: Any) -> Reply:
        known = set(shape.__struct_fields__)
        rows = [json.loads(bytes(raw)) for raw in body.rows]
        odd = [isinstance(row, dict) and bool(set(row) - known) for row in rows]
        if not any(odd):
            return super().batch(scope, body, shape, apply)
        error = {"code": "validation_failed", "message": "unknown field"}
        failures = [{"rowIndex": n, "error": error} for n, bad in enumerate(odd) if bad]
        body.rows = [raw for raw, bad in zip(body.rows, odd, strict=True) if not bad]
        data = super().batch(scope, body, shape, apply).data
        failed = {"failed": data["failed"] + len(failures)}
        return Reply(200, {**data, **failed, "failures": [*data["failures"], *failures]})

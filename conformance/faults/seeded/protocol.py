"""Faults of errors, statuses, shapes, paths and unknown fields."""

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from conformance.faults.tools import MEDIUM, OBVIOUS, SUBTLE, Rewriting, document, fault, leaves
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
from conformance.reference.errors import ApiError, invalid, not_found
from conformance.reference.gdpr import Gdpr
from conformance.reference.imports import Imports
from conformance.reference.ledger import Ledger
from conformance.reference.lobbies import Lobbies
from conformance.reference.merging import Merging
from conformance.reference.operations import Call, Operation
from conformance.reference.players import Players
from conformance.reference.replies import Reply
from conformance.reference.services import Services
from conformance.reference.state import GameState, Player

SHAPES: tuple[type[Body], ...] = (
    *(GrantBody, LobbyBody, BanBody, DeleteBody, ItemBody, WalletBody, ImportBody),
)


@fault("err-bare-message", "ERR-1", "AUTH-1", difficulty=OBVIOUS)
class BareMessage(Server):
    """A failure is {"error": "text"}."""

    def refuse(self, error: ApiError, headers: Mapping[str, str]) -> Response:
        return as_json(error.status, {"error": error.message}, {**headers, **error.headers})


@fault("err-text-for-lobby", "ERR-1", "HTTP-2", difficulty=MEDIUM)
class TextForLobby(Server):
    """The 404 of an unknown lobby is the framework's plain text."""

    async def answer(self, operation: Operation, request: Request) -> Response:
        response = await super().answer(operation, request)
        if response.status_code == 404 and "lobbyId" in request.path_params:
            return PlainTextResponse("Not Found", 404)
        return response


@fault("err-422-without-code", "ERR-1", "HTTP-2", difficulty=SUBTLE)
class NoCodeOn422(Server):
    """The 422 of a merge has a message and no code."""

    def refuse(self, error: ApiError, headers: Mapping[str, str]) -> Response:
        if error.status != 422:
            return super().refuse(error, headers)
        return as_json(422, {"error": {"message": error.message}}, headers)


@fault("err-empty-429", "ERR-1", "HTTP-2", difficulty=SUBTLE)
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


@fault("err-disabled-code", "ERR-2", difficulty=SUBTLE)
class DisabledCode(Server):
    """A disabled event is a plain conflict."""

    def refuse(self, error: ApiError, headers: Mapping[str, str]) -> Response:
        error.code = "conflict" if error.code == "event_disabled" else error.code
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


@fault("err-nul-path-500", "ERR-3", difficulty=SUBTLE)
class NulPathCrash(Fragile):
    """A NUL in a path parameter is a 500."""

    def breaks(self, operation: Operation, call: Call) -> bool:
        return any("\0" in text for text in call.path.values())


@fault("err-surrogate-500", "ERR-3", difficulty=SUBTLE)
class SurrogateCrash(Fragile):
    """A lone surrogate in a text is a 500, since it has no UTF-8."""

    def breaks(self, operation: Operation, call: Call) -> bool:
        texts = [text for text in leaves(document(call)) if isinstance(text, str)]
        return any(0xD800 <= ord(char) < 0xE000 for text in texts for char in text)


@fault("err-deep-500", "ERR-3", difficulty=SUBTLE)
class DeepCrash(Fragile):
    """Metadata nested beyond 200 levels is a 500."""

    def breaks(self, operation: Operation, call: Call) -> bool:
        return depth(document(call)) > 200


def depth(value: Any) -> int:
    """How many levels a JSON value has."""
    levels, level = 0, [value]
    while level:
        levels += 1
        inside = [list(v.values()) if isinstance(v, dict) else v for v in level]
        level = [item for v in inside if isinstance(v, list) for item in v]
    return levels


@fault("err-huge-number-500", "ERR-3", "LEDGER-12", difficulty=SUBTLE)
class HugeNumberCrash(Fragile):
    """An integer beyond 64 bits is a 500."""

    def breaks(self, operation: Operation, call: Call) -> bool:
        body = document(call)
        return any(isinstance(value, int) and abs(value) >= 2**63 for value in leaves(body))


@fault("err-array-500", "ERR-3", "ERR-4", difficulty=MEDIUM)
class ArrayCrash(Fragile):
    """A body that is JSON and no object is a 500."""

    def breaks(self, operation: Operation, call: Call) -> bool:
        bodiless = operation.path.endswith(("/ack", "/unban", "{toExternalId}"))
        return not bodiless and isinstance(document(call), list | str | int)


@fault("err-long-key-500", "ERR-3", difficulty=SUBTLE)
class LongKeyCrash(Fragile):
    """An idempotency key that does not fit its column is a 500."""

    def breaks(self, operation: Operation, call: Call) -> bool:
        body = document(call)
        key = body.get("idempotencyKey") if isinstance(body, dict) else None
        return isinstance(key, str) and len(key) > 255


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


@fault("err-content-type-500", "ERR-3", difficulty=SUBTLE)
class ContentTypeCrash(Server):
    """A body without a content type is a 500."""

    async def answer(self, operation: Operation, request: Request) -> Response:
        response = await super().answer(operation, request)
        sent = operation.method == "POST" and request.headers.get("content-length", "0") != "0"
        if sent and "content-type" not in request.headers and response.status_code != 401:
            return self.refuse(ApiError(500, "internal_error", "no content type"), {})
        return response


@fault("err-422-for-bodies", "ERR-4", "HTTP-1", difficulty=OBVIOUS)
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


@fault("err-fill-bots-text", "ERR-4", difficulty=SUBTLE)
class FillBotsText(Rewriting):
    """`fillBots` may be any text or number; it is true where it is not empty or zero."""

    def rewrite(self, operation: Operation, body: dict[str, Any]) -> dict[str, Any]:
        if body.get("fillBots") is not None:
            return {**body, "fillBots": bool(body["fillBots"])}
        return body


@fault("err-broken-json-ignored", "ERR-4", "BAN-5", difficulty=MEDIUM)
class BrokenJsonIgnored(Server):
    """A ban whose body is no JSON object is a ban without a reason."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        if operation.path.endswith("/ban") and not isinstance(document(call), dict):
            call = replace(call, raw=b'{"reason": ""}')
        return super().alone(operation, services, call)


@fault("http-201-for-credit", "HTTP-1", "LEDGER-1", difficulty=OBVIOUS)
class CreatedForCredit(Ledger):
    """An increment answers 201."""

    def once(self, change: str, *rest: Any) -> Reply:
        reply = super().once(change, *rest)
        return replace(reply, status=201) if change == "increment" else reply


@fault("http-204-for-unban", "HTTP-1", "BAN-3", difficulty=OBVIOUS)
class NoContentForUnban(Server):
    """An unban answers 204."""

    async def answer(self, operation: Operation, request: Request) -> Response:
        response = await super().answer(operation, request)
        done = operation.path.endswith("/unban") and response.status_code == 200
        return Response(status_code=204) if done else response


@fault("http-410-for-erased", "DEL-2", "HTTP-1", difficulty=MEDIUM)
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


@fault("http-lobby-without-window", "HTTP-2", difficulty=MEDIUM)
class LobbyWithoutWindow(Lobbies):
    """A lobby does not tell its event window."""

    def create(self, *arguments: Any) -> Reply:
        reply = super().create(*arguments)
        return Reply(201, {k: v for k, v in reply.data.items() if k != "eventWindowId"})


@fault("http-html-type", "HTTP-2", difficulty=OBVIOUS)
class HtmlType(Server):
    """JSON is labelled text/html."""

    def accept(self, reply: Reply, headers: Mapping[str, str]) -> Response:
        response = super().accept(reply, headers)
        response.headers["content-type"] = "text/html; charset=utf-8"
        return response


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


@fault("http-merge-without-counts", "HTTP-2", "MERGE-3", difficulty=MEDIUM)
class MergeWithoutCounts(Merging):
    """A merge does not tell what it moved."""

    def merge(self, source_id: str, target_id: str) -> Reply:
        data = super().merge(source_id, target_id).data
        return Reply(200, {k: v for k, v in data.items() if k != "counts"})


@fault("http-404-for-method", "HTTP-3", difficulty=MEDIUM)
class NotFoundForMethod(Server):
    """A method that a path lacks gets 404."""

    async def lost(self, request: Request, error: Exception) -> Response:
        del request, error
        return self.refuse(not_found("path"), {})


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


@fault("http-plus-is-blank", "HTTP-4", difficulty=SUBTLE)
class PlusIsBlank(Server):
    """A path parameter is decoded by the framework, and by hand as a form is: plus is a blank."""

    def decode(self, segment: str) -> str:
        return super().decode(segment).replace("+", " ")


@fault("http-latin1-path", "HTTP-4", difficulty=MEDIUM)
class Latin1Path(Server):
    """Path parameters are decoded as Latin-1."""

    def decode(self, segment: str) -> str:
        return unquote(segment, encoding="latin-1")


@fault("http-slash-splits", "HTTP-4", difficulty=SUBTLE)
class SlashSplits(Server):
    """Of an id with an encoded slash only what is before it counts."""

    def decode(self, segment: str) -> str:
        return super().decode(segment).partition("/")[0]


@fault("http-path-trimmed", "HTTP-4", difficulty=SUBTLE)
class PathTrimmed(Server):
    """Blanks at the ends of a path parameter are cut off."""

    def decode(self, segment: str) -> str:
        return super().decode(segment).strip()


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


@fault("http-unknown-fields-400", "HTTP-5", difficulty=OBVIOUS)
class Strict(Server):
    """A body with an unknown field gets 400."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        body = document(call)
        if isinstance(body, dict) and not set(body) <= KNOWN:
            raise invalid("$", "unknown field")
        return super().alone(operation, services, call)


@fault("http-ack-takes-no-body", "HTTP-5", difficulty=MEDIUM)
class NoBodyOnAck(Server):
    """An ack with a body gets 400, although clients stamp a key onto every POST."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        if operation.path.endswith("/ack") and call.raw:
            raise invalid("$", "no body expected")
        return super().alone(operation, services, call)


@fault("http-ban-takes-no-key", "HTTP-5", difficulty=SUBTLE)
class NoKeyOnBan(Server):
    """A ban with an idempotency key, which clients stamp onto every POST, gets 400."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        body = document(call)
        if operation.path.endswith("ban") and isinstance(body, dict) and "idempotencyKey" in body:
            raise invalid("$.idempotencyKey", "unknown field")
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

"""Faults of errors, statuses, shapes, paths and unknown fields."""

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response

from conformance.faults import building_blocks as kit
from conformance.reference.app import Server, as_json
from conformance.reference.errors import ApiError, invalid
from conformance.reference.imports import Imports
from conformance.reference.ledger import Ledger
from conformance.reference.operations import Call
from conformance.reference.replies import Reply
from conformance.reference.services import Services
from conformance.reference.state import GameState, Player

CODES = (
    "AUTH-1.code AUTH-2.code AUTH-3.code ERR-2 RATE-2.code GRANT-3.code GRANT-7.code LEDGER-4.code"
)
"""The requirements that ask for an error code."""
INVALID_BODY = "GRANT-7 LOBBY-10 BAN-5 LEDGER-7 MIG-4 MIG-8 DEL-5"
"""The requirements that ask for a 400."""


@kit.obvious("err-bare-message", f"ERR-1 AUTH-1 {CODES}")
class BareMessage(Server):
    """An error is {"error": "text"}."""

    def refuse(self, error: ApiError, headers: Mapping[str, str]) -> Response:
        return as_json(error.status, {"error": error.message}, {**headers, **error.headers})


@kit.subtle("err-empty-429", "ERR-1 HTTP-2 RATE-2.code")
class Empty429(Server):
    """The 429 comes from a gateway and has no body."""

    def refuse(self, error: ApiError, headers: Mapping[str, str]) -> Response:
        if error.status != 429:
            return super().refuse(error, headers)
        return Response(b"", 429, {**headers, **error.headers})


@kit.medium("err-codes-swapped", "ERR-2")
@kit.change_error
def codes_swapped(error: ApiError) -> None:
    """A 404 has the code of a conflict."""
    error.code = "conflict" if error.status == 404 else error.code


class Crash(Exception):  # noqa: N818 - a crash is what it stands for
    """An exception that the server does not handle."""


@kit.subtle("err-nul-500", "ERR-3")
@kit.check_first()
def nul_crash(call: Call, _: Services) -> None:
    """A NUL in a text gets 500: the database does not accept it."""
    if any(isinstance(text, str) and "\0" in text for text in kit.leaves(kit.document(call))):
        raise Crash


@kit.subtle("err-surrogate-500", "ERR-3")
@kit.check_first()
def surrogate_crash(call: Call, _: Services) -> None:
    """A lone surrogate in a text gets 500: UTF-8 cannot encode it."""
    texts = [text for text in kit.leaves(kit.document(call)) if isinstance(text, str)]
    if any(0xD800 <= ord(char) < 0xE000 for text in texts for char in text):
        raise Crash


@kit.subtle("err-huge-number-500", "ERR-3 LEDGER-12")
@kit.check_first()
def huge_number_crash(call: Call, _: Services) -> None:
    """An integer beyond 64 bits gets 500."""
    if any(
        isinstance(value, int) and abs(value) >= 2**63 for value in kit.leaves(kit.document(call))
    ):
        raise Crash


@kit.subtle("err-utf8-path-500", "ERR-3")
class PathCrash(Server):
    """A path that is not UTF-8 gets 500."""

    def decode(self, segment: str) -> str:
        return unquote(segment, errors="strict")


@kit.subtle("err-null-row-500", "ERR-3 MIG-3")
@kit.check_first(*kit.IMPORTS)
def null_row_crash(call: Call, _: Services) -> None:
    """An imported row that is null gets 500."""
    body = kit.document(call)
    rows = body.get("rows") if isinstance(body, dict) else None
    if isinstance(rows, list) and None in rows:
        raise Crash


@kit.obvious("err-422-for-bodies", f"ERR-4 HTTP-1 ERR-2 {INVALID_BODY}")
@kit.change_error
def unprocessable(error: ApiError) -> None:
    """An invalid body gets 422, the default of the framework."""
    if error.code == "validation_failed" and error.status == 400:
        error.status = 422


@kit.subtle("err-reason-unchecked", "ERR-4")
@kit.change_body(*kit.UP, *kit.DOWN)
def reason_unchecked(body: kit.Data) -> kit.Data:
    """The server does not validate the reason of a change of a holding."""
    return {**body, "reason": json.dumps(body["reason"])} if "reason" in body else body


@kit.subtle("err-lobby-metadata-unchecked", "ERR-4")
@kit.change_body("createLobby")
def lobby_metadata_unchecked(body: kit.Data) -> kit.Data:
    """The server does not validate the metadata of a lobby."""
    return {**body, "metadata": {"value": body["metadata"]}} if "metadata" in body else body


@kit.obvious("http-201-for-credit", "HTTP-1 LEDGER-1")
class CreatedForCredit(Ledger):
    """An increment answers 201."""

    def once(self, change: str, *rest: Any) -> Reply:
        reply = super().once(change, *rest)
        return replace(reply, status=201) if change == "increment" else reply


@kit.medium("http-410-for-erased", "DEL-2 HTTP-1 MERGE-7")
class GoneForErased(GameState):
    """An erased player gets 410."""

    def known(self, external_id: str) -> Player:
        if external_id in self.erasures and external_id not in self.players:
            raise ApiError(410, "not_found", "The player was erased")
        return super().known(external_id)


@kit.medium("http-sql-timestamps", "HTTP-2")
@kit.change_data("banPlayer")
def sql_timestamps(data: kit.Data, *_: Any) -> kit.Data:
    """`bannedAt` has a blank in place of T, as in SQL, and no time zone."""
    return {"bannedAt": data["bannedAt"].replace("T", " ").rstrip("Z")}


@kit.subtle("http-null-for-empty", "HTTP-2 EXP-1")
@kit.change_data("exportPlayer")
def null_for_empty(data: kit.Data, *_: Any) -> kit.Data:
    """An empty list of an export is null."""
    return {name: None for name, value in data.items() if value == []}


@kit.subtle("http-large-as-text", "HTTP-2 LEDGER-12")
class LargeAsText(Ledger):
    """A holding beyond 2^31-1 is a string, as from some database drivers."""

    def once(self, *arguments: Any) -> Reply:
        data = super().once(*arguments).data
        held = data[self.holding_field]
        return Reply(200, {**data, self.holding_field: str(held) if held > 2**31 - 1 else held})


@kit.medium("http-405-without-allow", "HTTP-3")
class NoAllow(Server):
    """The 405 has no Allow header."""

    async def lost(self, request: Request, error: Exception) -> Response:
        response = await super().lost(request, error)
        if "allow" in response.headers:
            del response.headers["allow"]
        return response


@kit.subtle("http-decoded-twice", "HTTP-4")
class DecodedTwice(Server):
    """The server percent-decodes path parameters twice."""

    def decode(self, segment: str) -> str:
        return unquote(super().decode(segment))


@kit.subtle("http-slash-splits", "HTTP-4")
class SlashSplits(Server):
    """The server ignores the rest of an id after an encoded slash."""

    def decode(self, segment: str) -> str:
        return super().decode(segment).partition("/")[0]


class Folding(GameState):
    """Players whose ids are equal after folding share a row."""

    def fold(self, external_id: str) -> str:
        """The index entry of an id."""
        raise NotImplementedError

    def stored(self, external_id: str) -> str:
        """The id of the matching row."""
        wanted = self.fold(external_id)
        found = (known for known in self.players if self.fold(known) == wanted)
        return external_id if external_id in self.players else next(found, external_id)

    def known(self, external_id: str) -> Player:
        return super().known(self.stored(external_id))

    def ensure(self, external_id: str) -> Player:
        return super().ensure(self.stored(external_id))


@kit.subtle("http-ids-casefolded", "HTTP-4")
class CaseFolded(Folding):
    """The index of external ids ignores case."""

    def fold(self, external_id: str) -> str:
        return external_id.lower()


@kit.subtle("http-ids-normalised", "HTTP-4")
class Normalised(Folding):
    """The index of external ids normalises Unicode: two spellings are one player."""

    def fold(self, external_id: str) -> str:
        return unicodedata.normalize("NFC", external_id)


@kit.subtle("http-ids-cut", "HTTP-4")
class Cut(Folding):
    """The index of external ids holds 128 characters."""

    def fold(self, external_id: str) -> str:
        return external_id[:128]


@kit.medium("http-ack-takes-no-body", "HTTP-5")
@kit.check_first("ackGrant")
def no_body_on_ack(call: Call, _: Services) -> None:
    """An ack with a body gets 400, although clients stamp a key onto every POST."""
    if call.raw:
        raise invalid("$", "no body expected")


@kit.subtle("http-row-fields-fail", "HTTP-5")
class StrictRows(Imports):
    """An imported row with an unknown field fails."""

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

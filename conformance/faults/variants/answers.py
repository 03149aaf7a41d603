"""Servers whose JSON answers are spelled otherwise, or say more."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from conformance.faults.variants.registration import variant
from conformance.reference.app import Server
from conformance.reference.operations import Call, Operation
from conformance.reference.replies import Reply
from conformance.reference.services import Services

EXACT = 2**53
ROWS = ("grants", "inventory", "wallet", "lobbies", "failures")


def respelled(response: Response, spell: Callable[[Any], str]) -> Response:
    """The response with its JSON body in another spelling."""
    response.body = spell(json.loads(bytes(response.body))).encode()
    length = (b"content-length", str(len(response.body)).encode())
    others = [pair for pair in response.raw_headers if pair[0].lower() != b"content-length"]
    response.raw_headers = [*others, length]
    return response


def turned(value: Any) -> Any:
    """The value with the members of its objects in reverse order."""
    if isinstance(value, dict):
        return {name: turned(value[name]) for name in reversed(value)}
    return [turned(item) for item in value] if isinstance(value, list) else value


def floating(value: Any) -> Any:
    """The value with a float for each integer."""
    if isinstance(value, dict):
        return {name: floating(item) for name, item in value.items()}
    if isinstance(value, list):
        return [floating(item) for item in value]
    is_number = isinstance(value, int) and not isinstance(value, bool) and abs(value) < EXACT
    return float(value) if is_number else value


@variant("wide-spelling")
class WideSpelling(Server):
    """The spelling of JSON: is spaced and escaped, with other orders of members."""

    async def answer(self, operation: Operation, request: Request) -> Response:
        def spell(body: Any) -> str:
            text = json.dumps(turned(body), indent=2, ensure_ascii=True)
            return text.replace("/", "\\/") + "\r\n"

        return respelled(await super().answer(operation, request), spell)


@variant("float-answers")
class FloatAnswers(Server):
    """`1.0` for an integer in an answer: is sent."""

    async def answer(self, operation: Operation, request: Request) -> Response:
        def spell(body: Any) -> str:
            return json.dumps(floating(body))

        return respelled(await super().answer(operation, request), spell)


@variant("more-members")
class MoreMembers(Server):
    """Members that nobody names: are in every row, and change in those of exports."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        reply = super().alone(operation, services, call)
        version: Any = f"v{time.time_ns()}" if operation.id == "exportPlayer" else "v1"
        more = {"_version": version, "links": {"self": None}, "tags": [], "deleted": False}
        rows = {
            name: [{**row, **more} for row in reply.data[name]]
            for name in ROWS
            if isinstance(reply.data.get(name), list)
        }
        return replace(reply, data={**more, **reply.data, **rows, "meta": {"rows": len(rows)}})


@variant("says-more")
class SaysMore(Server):
    """What else an export and a profile say: usage, devices, purchases and a history."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        reply = super().alone(operation, services, call)
        if operation.id not in ("exportPlayer", "getPlayer"):
            return reply
        grants = [grant["id"] for grant in reply.data.get("grants", [])]
        more = {
            "devices": [],
            "purchases": [{"id": "1", "status": "refunded", "amount": 499}],
            "timeline": [{"at": time.time(), "what": "grant", "of": id} for id in grants[:1]],
            "usage": {"reads": time.time_ns() % 1000},
        }
        return replace(reply, data={**reply.data, **more})


@variant("other-orders")
class OtherOrders(Server):
    """The order of rows in an export and of failures: is turned round."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        reply = super().alone(operation, services, call)
        if operation.id == "getPlayer":
            return reply
        rows = {name: reply.data[name][::-1] for name in ROWS if name in reply.data}
        return replace(reply, data={**reply.data, **rows})

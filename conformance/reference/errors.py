"""The errors that the API answers with an envelope."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any


@dataclass(eq=False)
class ApiError(Exception):
    """A refusal: HTTP status, stable code, text for people, optional details and headers."""

    status: int
    code: str
    message: str
    details: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    def envelope(self) -> dict[str, Any]:
        """The response body."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.details is not None:
            error["details"] = self.details
        return {"error": error}


conflict = partial(ApiError, 409, "conflict")
"""409: the state does not allow it."""
unprocessable = partial(ApiError, 422, "conflict")
"""422: a merge that makes no sense (MERGE-7)."""


def not_found(what: str) -> ApiError:
    """404: the path names something that does not exist."""
    return ApiError(404, "not_found", f"{what} not found")


def invalid(where: str, problem: str) -> ApiError:
    """400: the body breaks the schema at this field."""
    details = [{"field": where, "problem": problem}]
    return ApiError(400, "validation_failed", "The request body is not valid", details)


def unknown_key(kind: str, key: str) -> ApiError:
    """400: the catalogue has no such item, currency or crate."""
    return ApiError(400, "invalid_metric", f"unknown {kind} key", {"kind": kind, "key": key})


def reused_key() -> ApiError:
    """409: the idempotency key was used for another request (GRANT-3, LEDGER-4)."""
    return ApiError(409, "idempotency_conflict", "The idempotency key was used with another body")

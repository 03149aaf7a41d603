"""The failures that the API answers with an envelope."""

from typing import Any


class ApiError(Exception):
    """A refusal: HTTP status, stable code, text for people, optional details and headers."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        details: Any = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details
        self.headers = headers or {}

    def envelope(self) -> dict[str, Any]:
        """The response body."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.details is not None:
            error["details"] = self.details
        return {"error": error}


def not_found(what: str) -> ApiError:
    """404: the path names something that is not there."""
    return ApiError(404, "not_found", f"{what} not found")


def invalid(field: str, problem: str) -> ApiError:
    """400: the body breaks the schema at `field`."""
    return ApiError(
        400,
        "validation_failed",
        "The request body is not valid",
        details=[{"field": field, "problem": problem}],
    )


def unknown_key(kind: str, key: str) -> ApiError:
    """400: the catalogue has no such item, currency or crate."""
    return ApiError(
        400, "invalid_metric", f"unknown {kind} key", details={"kind": kind, "key": key}
    )


def conflict(message: str) -> ApiError:
    """409: the state does not allow it."""
    return ApiError(409, "conflict", message)


def reused_key() -> ApiError:
    """409: the idempotency key was used for another request (GRANT-3, LEDGER-4)."""
    return ApiError(409, "idempotency_conflict", "The idempotency key was used with another body")


def unprocessable(message: str) -> ApiError:
    """422: a merge that makes no sense (MERGE-7)."""
    return ApiError(422, "conflict", message)

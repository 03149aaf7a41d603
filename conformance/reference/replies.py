"""The successful answer of an operation."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Reply:
    """An HTTP status and the `data` of the envelope (`/ping` alone has none)."""

    status: int
    data: dict[str, Any]
    enveloped: bool = True

    def body(self) -> dict[str, Any]:
        """The response body."""
        return {"data": self.data} if self.enveloped else self.data

"""Request bodies: their shapes, their decoding, and when two of them are the same."""

import re
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from rfc3339_validator import validate_rfc3339

from .errors import invalid

MAX_AMOUNT = 2**53 - 1
"""Above it a JSON number is no longer exact everywhere (LEDGER-12)."""

Amount = Annotated[int, msgspec.Meta(ge=1, le=MAX_AMOUNT)]
T = TypeVar("T")


class Body(msgspec.Struct, omit_defaults=True):
    """Unknown fields are ignored (HTTP-5); an explicit null counts as left out."""


class CurrencyEntry(Body, tag_field="type", tag="currency"):
    """A promise of currency."""

    currencyKey: str
    amount: Amount


class ItemEntry(Body, tag_field="type", tag="item"):
    """A promise of an item."""

    itemKey: str
    quantity: Amount
    parameters: dict[str, Any] | None = None


class CrateEntry(Body, tag_field="type", tag="crate"):
    """A promise of a crate."""

    crateItemKey: str
    quantity: Amount


Entry = CurrencyEntry | ItemEntry | CrateEntry


class GrantBody(Body):
    """Create a grant."""

    idempotencyKey: str
    entries: Annotated[list[Entry], msgspec.Meta(min_length=1)]
    kind: Literal["reward", "crate"] | None = None
    expiresAt: str | None = None
    sourceKind: Literal["api", "admin"] | None = None
    sourceRefId: str | None = None
    metadata: dict[str, Any] | None = None


class LobbyBody(Body):
    """Push a lobby."""

    key: str
    externalPlayerIds: list[str]
    capacity: Amount | None = None
    fillBots: bool | None = None
    metadata: dict[str, Any] | None = None


class BanBody(Body):
    """Ban a player."""

    reason: str


class DeleteBody(Body):
    """Erase a player."""

    reason: Literal["gdpr_erasure", "studio_request", "test"] | None = None


class Adjustment(Body, kw_only=True):
    """The optional fields of every change of a holding."""

    reason: str | None = None
    sourceRefId: str | None = None
    idempotencyKey: str | None = None


class ItemBody(Adjustment):
    """Change an item holding."""

    amount: Amount = msgspec.field(name="quantity")


class WalletBody(Adjustment):
    """Change a balance."""

    amount: Amount


class ImportBody(Body):
    """A batch; the rows are read one by one, since a bad row fails alone (MIG-3)."""

    rows: Annotated[list[msgspec.Raw], msgspec.Meta(max_length=1000)]


class ImportRow(Body):
    """The fields that every imported row has."""

    externalPlayerId: str
    idempotencyKey: str


class PlayerRow(ImportRow):
    """A player to import."""

    contextSnapshot: dict[str, Any] | None = None


class WalletRow(ImportRow):
    """A balance to add."""

    key: str = msgspec.field(name="economyKey")
    amount: Amount
    reason: str | None = None


class InventoryRow(ImportRow):
    """An item holding to add."""

    key: str = msgspec.field(name="itemKey")
    amount: Amount = msgspec.field(name="quantity")
    parameters: dict[str, Any] | None = None
    reason: str | None = None


def read(raw: bytes | msgspec.Raw, shape: type[T]) -> T:
    """Decode JSON of this shape; ApiError 400 for anything else."""
    try:
        return msgspec.json.decode(raw, type=shape)
    except msgspec.ValidationError as error:
        problem, _, where = str(error).rpartition(" - at `")
        raise invalid(where.rstrip("`") or "$", problem or str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise invalid("$", "not JSON") from None
    except RecursionError:
        raise invalid("$", "nested too deep") from None


LEAP_SECOND = re.compile(r"(:\d\d):60")


def moment(text: str | None) -> datetime | None:
    """An RFC 3339 date-time; a leap second counts as the one before. ApiError 400 for others."""
    if text is None:
        return None
    try:
        text = LEAP_SECOND.sub(r"\1:59", text.upper())
        if not validate_rfc3339(text):
            raise ValueError
        return datetime.fromisoformat(text)
    except ValueError:
        raise invalid("$.expiresAt", "not an RFC 3339 date-time") from None


def fingerprint(*parts: Any) -> str:
    """One text for all spellings of one value: key order does not count, 1 and 1.0 are equal.

    JSON text keeps 1 and true apart, which Python's own equality does not (GRANT-3). ApiError 400
    for a value that is nested too deep to compare.
    """
    try:
        canonical = [_canonical(msgspec.to_builtins(part)) for part in parts]
        return msgspec.json.encode(canonical, order="deterministic").decode()
    except RecursionError:
        raise invalid("$", "nested too deep") from None


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) <= MAX_AMOUNT:
        return int(value)
    return value

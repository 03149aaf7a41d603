"""What people read in the mutants that survived, from a file that they edit."""

import tomllib
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

import msgspec

from conformance.failures import UsageError


class Kind(StrEnum):
    """What a survivor is."""

    EQUIVALENT = "equivalent"
    """No request can tell it from the server."""
    FREE = "free"
    """It answers differently where the contract leaves that free."""
    HOLE = "hole"
    """The suite should have noticed; `why` says what was added."""


class Reading(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one mutant is, and a sentence that says why."""

    reading: Kind
    why: str


Readings = Mapping[str, Reading]


def load_readings(path: Path) -> dict[str, Reading]:
    """The readings by mutant; none where there is no such file. UsageError for any other file."""
    if not path.exists():
        return {}
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        return msgspec.convert(document, type=dict[str, Reading])
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise UsageError(f"the readings {path}: {error}") from None
    except OSError as error:
        raise UsageError(f"the readings {path}: {error.strerror}") from None

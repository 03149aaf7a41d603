"""The settings of one run, which all of its processes share."""

import hashlib
import os
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from conformance.settings.known_failures import Known
from conformance.settings.names import Names
from conformance.settings.target import Target


@dataclass(frozen=True)
class Identity:
    """What `/ping` reports about the server key. `game_id` is None for a key without a game."""

    prefix: str | None = None
    environment: str | None = None
    studio_id: str | None = None
    game_id: str | None = None


@dataclass(frozen=True)
class Run:
    """One run against one target.

    `id` is eight hexadecimal digits. `examples` is the number of generated cases of an operation,
    `shrink` the seconds for shrinking a failure, `rate` the most requests a minute (0: no limit).
    `spec` is the path of the OpenAPI description, `required` what `--require` asks for. `bundled`
    says whether the target is the bundled reference server, `fault` with which deviation.
    """

    id: str
    profile: str
    seed: int
    examples: int
    shrink: int
    rate: int
    spec: str
    bundled: bool
    target: Target
    identity: Identity
    known: tuple[Known, ...] = ()
    required: str | None = None
    fault: str | None = None

    @property
    def prefix(self) -> str:
        """How every name of this run begins."""
        return prefix_of(self.id)

    def names(self, place: str) -> Names:
        """Names for one test; `place` differs for each test of the run."""
        return Names(f"{self.prefix}-{place}")

    @property
    def shared(self) -> Path:
        """How the paths of files begin that the processes of the run share."""
        return Path(tempfile.gettempdir(), self.prefix)

    def lock_file(self, role: str) -> Path:
        """A file to lock while a key is used alone: by the run's processes, and by other runs."""
        key = f"{self.target.base_url} {self.target.token(role)}"
        user = os.getuid() if hasattr(os, "getuid") else ""  # nobody can lock another user's file
        name = f"kraty-conformance-{user}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.lock"
        return Path(tempfile.gettempdir(), name)

    def packed(self) -> dict[str, Any]:
        """Plain values for a worker process. They contain keys, so they must not be stored."""
        values: dict[str, Any] = msgspec.to_builtins(self)
        return values

    @classmethod
    def unpacked(cls, values: dict[str, Any]) -> "Run":
        """The reverse of `packed`."""
        return msgspec.convert(values, cls)


def prefix_of(id: str) -> str:
    """How every name of the run with this id begins."""
    return f"kc-{id}"


def new_id() -> str:
    """An id that no other run has."""
    return secrets.token_hex(4)


def new_seed() -> int:
    """A random seed."""
    return secrets.randbelow(2**32)

"""The settings of one run, shared by every process that takes part in it."""

import secrets
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from conformance.http.transport import Connecting
from conformance.settings.known_failures import Known
from conformance.settings.names import Names
from conformance.settings.target import Target, World


@dataclass(frozen=True)
class Identity:
    """What `/ping` tells about the server key. `game_id` is None for a key without a game."""

    prefix: str | None = None
    environment: str | None = None
    studio_id: str | None = None
    game_id: str | None = None


@dataclass(frozen=True)
class Run:
    """One run against one target.

    `id` is eight hexadecimal digits; everything that the run creates begins with `prefix`.
    `examples` is the number of generated cases an operation, `shrink` are the seconds for which a
    failure of a generated test is made smaller, `rate` caps the requests a minute (0: no cap).
    `spec` is the path of the OpenAPI description, `known` the known failures, `required` what
    `--require` asks for. `bundled` tells
    whether the target is the reference server that the suite started itself.
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

    @property
    def prefix(self) -> str:
        """The beginning of every name of this run."""
        return prefix_of(self.id)

    def names(self, place: str) -> Names:
        """Names for one test: `place` tells it from all others of the run."""
        return Names(f"{self.prefix}-{place}")

    @property
    def shared(self) -> Path:
        """The beginning of the names of files through which the processes of the run talk."""
        return Path(tempfile.gettempdir(), self.prefix)

    def lock_file(self, name: str) -> Path:
        """A file that the worker processes of this run lock to take turns."""
        return Path(f"{self.shared}-{name}.lock")

    def packed(self) -> dict[str, Any]:
        """Plain values, for a worker process; they hold the keys, so they are not for disk."""
        return {
            **asdict(self),
            "known": [msgspec.to_builtins(entry) for entry in self.known],
            "target": {
                "name": self.target.name,
                "base_url": self.target.base_url,
                "keys": dict(self.target.keys),
                "world": msgspec.to_builtins(self.target.world),
                "variables": dict(self.target.variables),
                "connecting": asdict(self.target.connecting),
            },
        }

    @classmethod
    def unpacked(cls, values: dict[str, Any]) -> "Run":
        """The reverse of `packed`."""
        packed = values["target"]
        target = {
            **packed,
            "world": msgspec.convert(packed["world"], World),
            "connecting": Connecting(**packed["connecting"]),
        }
        identity = Identity(**values["identity"])
        known = msgspec.convert(values["known"], type=tuple[Known, ...])
        replaced = {"target": Target(**target), "identity": identity, "known": known}
        return cls(**{**values, **replaced})


def prefix_of(id: str) -> str:
    """The beginning of every name of the run with this id."""
    return f"kc-{id}"


def new_id() -> str:
    """An id that no other run has."""
    return secrets.token_hex(4)


def new_seed() -> int:
    """A seed for a run that was given none."""
    return secrets.randbelow(2**32)

"""What came of the mutants that were tried, kept in a file."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from conformance import __version__, resources
from conformance.failures import UsageError
from conformance.faults.json_lines import Head, append_line, read_lines, write_lines

FORMAT = "kraty-conformance-mutants"
COMMAND = "faults mutate"


class Fate(StrEnum):
    """What came of a mutant."""

    KILLED = "killed"
    """The run named a requirement as broken."""
    TIMED_OUT = "timed out"
    """The run did not end in time: the server hangs, which breaks ERR-3."""
    SURVIVED = "survived"
    """The run passed."""
    UNDECIDED = "undecided"
    """The run ended without a verdict, although it had begun to test."""
    BROKEN = "broken"
    """The server did not start, crashed, or was not fit to be tested at all."""


@dataclass(frozen=True)
class Tried:
    """A mutant that was tried.

    `named` are the requirements that the run named as broken up to its first failing test,
    `reason` is the last line of a run that neither passed nor failed, `suite` the digest of the
    suite that ran.
    """

    key: str
    module: str
    line: int
    fate: Fate
    seconds: float
    suite: str
    scope: str = ""
    diff: list[str] = field(default_factory=list)
    named: list[str] = field(default_factory=list)
    reason: str = ""


class MutantJournal:
    """The file of the tried mutants: a line for server and seed, then a line for each mutant."""

    def __init__(self, path: Path, *, seed: int, resume: bool) -> None:
        self.path = path
        self.known: dict[str, Tried] = {}
        self._head = {
            "format": FORMAT,
            "version": __version__,
            "server": server_digest(),
            "seed": seed,
        }
        if resume and path.exists():
            head, tried = read_mutants(path)
            if head != self._head:
                reason = "it is of another version of the server, or of another seed"
                raise UsageError(f"cannot resume {path}: {reason}; start anew without --resume")
            self.known = {one.key: one for one in tried}
        self.rewrite()

    def add(self, tried: Tried) -> None:
        """Add a mutant and write it to the file."""
        self.known[tried.key] = tried
        append_line(self.path, tried)

    def rewrite(self) -> None:
        """Write the whole file, in the order of the server's lines."""
        write_lines(self.path, self._head, in_order(self.known.values()))


def in_order(tried: Iterable[Tried]) -> list[Tried]:
    """Mutants by module and line."""
    return sorted(tried, key=lambda one: (one.module, one.line, one.key))


def read_mutants(path: Path) -> tuple[Head, list[Tried]]:
    """The head of a journal and its mutants. UsageError for any other file."""
    head, tried = read_lines(path, FORMAT, COMMAND, _tried)
    return head, list({one.key: one for one in tried}.values())


def _tried(*, fate: str, **members: object) -> Tried:
    return Tried(fate=Fate(fate), **members)  # type: ignore[arg-type]


def server_digest() -> str:
    """A digest of the reference server; it identifies the mutants."""
    content = hashlib.sha256()
    for file in sorted((resources.PACKAGE / "reference").glob("*.py")):
        content.update(file.read_bytes())
    return content.hexdigest()

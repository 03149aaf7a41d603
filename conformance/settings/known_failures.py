"""Known failures: what a gate tolerates, with a reason and perhaps an expiry date."""

import tomllib
from collections.abc import Iterable
from datetime import date
from pathlib import Path

import msgspec

from conformance.contract.input_files import read_input
from conformance.contract.requirements import catalogue
from conformance.failures import UsageError
from conformance.settings.target import as_toml

MAX_MEBIBYTES = 1
MAX_ENTRIES = 2000
"""More than the suite has tests."""


class Known(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A known failure of a requirement or of a single test. `expires` is the last day."""

    reason: str
    requirement: str | None = None
    test: str | None = None
    expires: date | None = None
    issue: str | None = None

    @property
    def name(self) -> str:
        """The requirement or test."""
        return self.requirement or self.test or ""

    def covers(self, requirement: str, test: str) -> bool:
        """Whether a failure of this requirement in this test is the known one."""
        return self.name in (requirement, test)

    def has_expired(self, today: date) -> bool:
        """Whether the failure is no longer tolerated."""
        return self.expires is not None and today > self.expires


class _File(msgspec.Struct, forbid_unknown_fields=True):
    known: list[Known] = []


def load_known(path: Path) -> tuple[Known, ...]:
    """Read a file of known failures; UsageError for any mistake in it."""
    try:
        text = read_input(path, "the known failures", MAX_MEBIBYTES)
        known = msgspec.toml.decode(text, type=_File).known
    except RecursionError:
        raise UsageError(f"the known failures {path} are nested too deeply") from None
    except (msgspec.DecodeError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"the known failures {path}: {error}") from None
    if len(known) > MAX_ENTRIES:
        raise UsageError(
            f"the known failures {path} have {len(known)} entries; more than {MAX_ENTRIES} "
            "gate nothing"
        )
    for entry in known:
        if (entry.requirement is None) == (entry.test is None):
            raise UsageError(
                f"the known failures {path}: each entry needs either `requirement` or `test`"
            )
        if entry.requirement is not None and entry.requirement not in catalogue():
            raise UsageError(f"the known failures {path}: unknown requirement {entry.name!r}")
        if not entry.reason.strip():
            raise UsageError(f"the known failures {path}: {entry.name} needs a reason")
    return tuple(known)


HEADER = """\
# Known failures of this server: they do not fail the gate, but are listed in every report.
# An entry that passes or has expired fails the gate. `test = "…"` in place of `requirement`
# tolerates a single test; `expires = 2027-01-31` and `issue = "https://…"` may be added to each.
"""


def write_known(path: Path, failures: Iterable[tuple[str, str]]) -> None:
    """Write a file of known failures: requirements, each with a reason.

    In an existing file, all entries stay and missing ones are added. UsageError if that file is
    not valid, OSError if it cannot be written.
    """
    before = path.read_text(encoding="utf-8") if path.exists() else HEADER
    known = {entry.requirement for entry in load_known(path)} if path.exists() else set()
    entries = [
        f"[[known]]\nrequirement = {as_toml(id)}\nreason = {as_toml(reason)}\n"
        for id, reason in failures
        if id not in known
    ]
    text = "\n".join([before, *entries])
    path.write_text(text, encoding="utf-8", errors="backslashreplace")

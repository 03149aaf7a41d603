"""One trial of a mutant: a copy of the server with the change in it, and a run of the suite."""

import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from conformance.faults.campaign import digest
from conformance.faults.mutants.host import PACKAGE, UNUSABLE
from conformance.faults.mutants.journal import Fate, Tried
from conformance.faults.mutants.mutation import REFERENCE, Mutant
from conformance.faults.processes import Processes
from conformance.faults.trial import named, read_document
from conformance.results.document import Document, RequirementResult
from conformance.results.verdict import EXIT_CODES, Verdict


def place_copy(folder: Path, changed: Mapping[str, str] | None = None) -> None:
    """Copy the reference server, some of its modules with another text."""
    copy = folder / PACKAGE
    shutil.copytree(REFERENCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for module, text in (changed or {}).items():
        (copy / module).write_text(text, encoding="utf-8")


def host_command(folder: Path, seed: int) -> list[str]:
    """The command that serves the copy and runs the suite on it."""
    host = "conformance.faults.mutants.host"
    return [sys.executable, "-m", host, str(folder), "--seed", str(seed)]


def try_mutant(mutant: Mutant, processes: Processes, *, seed: int, limit: float) -> Tried:
    """Run the suite on a mutant, for at most `limit` seconds."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kc-mutant-") as name:
        folder = Path(name)
        place_copy(folder, {mutant.module: mutant.text})
        document: Document | None = None
        try:
            code, output = processes.run(host_command(folder, seed), limit)
        except TimeoutError as error:
            fate, reason = Fate.TIMED_OUT, str(error)
        else:
            document = document_in(folder / "reports")
            rows = document.requirements if document else ()
            fate = fate_of(code, rows)
            aborted = document.verdict.abort_reason if document else None
            reason = aborted or last_line(output.replace(name, ""))
    return Tried(
        key=mutant.key,
        module=mutant.module,
        line=mutant.line,
        scope=mutant.scope,
        diff=mutant.diff,
        fate=fate,
        seconds=round(time.monotonic() - started, 1),
        named=list(named(document.requirements)) if document else [],
        reason="" if fate in (Fate.KILLED, Fate.SURVIVED) else reason,
        suite=digest()[:12],
    )


def document_in(reports: Path) -> Document | None:
    """The results of a run; None where it came to none."""
    results = reports / "latest" / "results.json"
    return read_document(results) if results.exists() else None


def fate_of(code: int, rows: Sequence[RequirementResult]) -> Fate:
    """What a run that ended says of a mutant: its exit code, and what it named as broken."""
    if code == UNUSABLE:
        return Fate.BROKEN
    if code == EXIT_CODES[Verdict.NOT_CONFORMANT] or named(rows):
        return Fate.KILLED
    if code == 0:
        return Fate.SURVIVED
    is_tested = any(row.checks for row in rows)
    return Fate.UNDECIDED if is_tested else Fate.BROKEN


def last_line(output: str) -> str:
    """The last line of an output that says something."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""

"""The lines of the reference server that a run of the suite comes across."""

import ast
import json
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from conformance.faults.mutants.host import PACKAGE
from conformance.faults.mutants.trial import host_command, place_copy
from conformance.faults.processes import Processes


@dataclass(frozen=True)
class Reach:
    """The reached lines of each module, and how long the run took that measured them."""

    lines: Mapping[str, frozenset[int]]
    seconds: float

    def of(self, module: str) -> frozenset[int]:
        """The reached lines of one module."""
        return self.lines.get(module, frozenset())


def measure(seed: int) -> Reach:
    """Run the suite on the unchanged server, with coverage.py in it.

    RuntimeError if that run does not pass: then no trial of a mutant would say anything.
    """
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kc-reach-") as name:
        folder = Path(name)
        place_copy(folder)
        measured = folder / "lines.json"
        command = [*host_command(folder, seed), "--lines", str(measured)]
        code, output = Processes().run(command)
        if code != 0:
            raise RuntimeError(f"the run on the unchanged server ended with {code}:\n{output}")
        executed: dict[str, list[int]] = json.loads(measured.read_text(encoding="utf-8"))
        copy = folder / PACKAGE
        lines = {
            module: statements((copy / module).read_text(encoding="utf-8"), found)
            for module, found in executed.items()
        }
    return Reach(lines, time.monotonic() - started)


def statements(source: str, executed: Iterable[int]) -> frozenset[int]:
    """All lines of the statements that were executed.

    Of a statement over several lines, Python reports some. Of a compound one this is its head.
    """
    known, reached = set(executed), set[int]()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.stmt | ast.ExceptHandler):
            body = getattr(node, "body", None)
            last = body[0].lineno - 1 if body else node.end_lineno or node.lineno
            lines = range(node.lineno, max(node.lineno, last) + 1)
            if known.intersection(lines):
                reached.update(lines)
    return frozenset(reached)

"""`reproduce/`: for each requirement that failed a shell script that shows the failure again.

Made from the results alone. Names get a new prefix, ids of the server are read from its answers,
and keys come from the environment.
"""

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from conformance.report import compare_answers
from conformance.report.reproduction_plan import Plan, is_racing
from conformance.report.reproduction_script import Script
from conformance.results.check import Outcome
from conformance.results.document import Document, RequirementResult
from conformance.results.evidence import BODIES

FOLDER = "reproduce"
SHOWN = (Outcome.FAILED, Outcome.KNOWN, Outcome.WARNED)


@dataclass(frozen=True)
class Reproduction:
    """A script, what it compares its answers with, and the bodies that it needs as files.

    `kind` is the class of the failure.
    """

    kind: str
    script: str
    recorded: dict[str, object]
    files: dict[str, bytes]


def write_reproductions(directory: Path, document: Document) -> None:
    """Write the scripts; remove all older ones. OSError if the disk is full."""
    folder = directory / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    for row in document.requirements:
        found = reproduction_of(row, document)
        if found is None:
            continue
        folder.mkdir(exist_ok=True)
        shutil.copyfile(compare_answers.__file__, folder / "compare_answers.py")
        for name, body in found.files.items():
            (directory / BODIES).mkdir(exist_ok=True)
            (directory / BODIES / name).write_bytes(body)
        _write(folder / f"{row.id}.json", json.dumps(found.recorded, indent=1))
        _write(folder / f"{row.id}.sh", found.script)
        (folder / f"{row.id}.sh").chmod(0o755)


def _write(file: Path, text: str) -> None:
    file.write_bytes(text.encode("utf-8", "backslashreplace"))


def reproduction_of(row: RequirementResult, document: Document) -> Reproduction | None:
    """The script of the shortest failure of a requirement, if it has one with exchanges."""
    checks = [check for check in row.checks if check.outcome in SHOWN and check.exchanges]
    if not checks or not re.fullmatch(r"[\w.-]+", row.id):
        return None
    check = min(checks, key=lambda check: (is_racing(check.exchanges), len(check.exchanges)))
    plan = Plan(row, check, document)
    script = Script(plan)
    return Reproduction(plan.kind, script.text(), plan.recorded, script.files)

"""The findings of a campaign: one for each fault and each variant."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from conformance import __version__
from conformance.contract.requirements import catalogue
from conformance.faults.deviations import Deviation, Fault
from conformance.faults.trial import Detection, Technique

FORMAT = "kraty-conformance-faults"
FORMAT_VERSION = 1


class Finding(StrEnum):
    """The result of a campaign for a fault or a variant."""

    CAUGHT = "caught"
    """Every trial named a requirement that the fault breaks."""
    FALSE_ACCUSATION = "false accusation"
    """Caught, but a trial also named a requirement that the fault does not break."""
    MISSED = "missed"
    """Some trial named no requirement that the fault breaks."""
    CLEARED = "cleared"
    """The variant passed: nothing named, nothing undecided."""
    ACCUSED = "accused"
    """The variant did not pass, although it is conformant."""


GOOD = (Finding.CAUGHT, Finding.CLEARED)


@dataclass(frozen=True)
class Row:
    """One fault or variant: the expected and the named requirements of all of its trials.

    `techniques` are those that named a requirement which the fault breaks.
    """

    id: str
    finding: Finding
    difficulty: str
    expected: tuple[str, ...]
    named: tuple[str, ...]
    techniques: tuple[str, ...]
    trials: int
    seconds: float


def row_of(deviation: Deviation, detections: Sequence[Detection]) -> Row:
    """The row of a fault or variant with all of its detections."""
    expected = deviation.requirements if isinstance(deviation, Fault) else ()
    named = {id for detection in detections for id in detection.reported}
    techniques = {
        technique
        for detection in detections
        for id, found in detection.reported.items()
        if id in expected
        for technique in found
    }
    return Row(
        id=deviation.id,
        finding=finding_of(deviation, detections),
        difficulty=deviation.difficulty if isinstance(deviation, Fault) else "variant",
        expected=expected,
        named=tuple(id for id in catalogue() if id in named),
        techniques=tuple(technique for technique in Technique if technique in techniques),
        trials=len(detections),
        seconds=round(sum(detection.seconds for detection in detections), 1),
    )


def finding_of(deviation: Deviation, detections: Sequence[Detection]) -> Finding:
    """Every trial must name a fault; a variant must pass every trial."""
    if not isinstance(deviation, Fault):
        passed = all(not d.reported and not d.undecided and d.code == 0 for d in detections)
        return Finding.CLEARED if passed else Finding.ACCUSED
    expected = set(deviation.requirements)
    if not all(expected & set(detection.reported) for detection in detections):
        return Finding.MISSED
    if any(set(detection.reported) - expected for detection in detections):
        return Finding.FALSE_ACCUSATION
    return Finding.CAUGHT


def counts_of(rows: Iterable[Row]) -> dict[str, int]:
    """How many rows have each finding, and how many faults only one technique names."""
    listed = list(rows)
    findings = {finding: sum(row.finding is finding for row in listed) for finding in Finding}
    only = {f"only by {one}": sum(row.techniques == (one,) for row in listed) for one in Technique}
    counts: dict[str, int] = {**{str(name): n for name, n in findings.items()}, **only}
    return {name: count for name, count in counts.items() if count}


def document_of(
    rows: Sequence[Row], *, full: bool, seeds: Sequence[int], problems: Sequence[str]
) -> dict[str, Any]:
    """The campaign as one JSON document."""
    return {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "suite": __version__,
        "mode": "full" if full else "narrow",
        "seeds": list(seeds),
        "counts": counts_of(rows),
        "problems": list(problems),
        "rows": [asdict(row) for row in rows],
    }


def by_family(rows: Iterable[Row]) -> Mapping[str, list[Row]]:
    """The rows that break or name a requirement of each family, in the contract's order."""
    touched = [(row, {id.partition("-")[0] for id in row.expected + row.named}) for row in rows]
    families = dict.fromkeys(id.partition("-")[0] for id in catalogue())
    return {family: [row for row, found in touched if family in found] for family in families}

"""The requirements of the contract: data, with permanent ids."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

CATALOGUE_FILE = Path(__file__).with_name("catalogue.toml")


class Level(StrEnum):
    """As in RFC 2119. What the contract leaves free is no requirement and has no row."""

    MUST = "MUST"
    SHOULD = "SHOULD"


@dataclass(frozen=True)
class Requirement:
    """One sentence of the contract.

    `operations` holds operationIds of the spec, or is empty where the sentence holds for all.
    `source` says where the sentence comes from.
    """

    id: str
    level: Level
    family: str
    sentence: str
    source: str
    operations: tuple[str, ...]


class Catalogue(Mapping[str, Requirement]):
    """All requirements by id, in the order of the contract."""

    def __init__(self, requirements: Mapping[str, Requirement]) -> None:
        self._requirements = dict(requirements)

    def __getitem__(self, id: str) -> Requirement:
        return self._requirements[id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._requirements)

    def __len__(self) -> int:
        return len(self._requirements)


def load_catalogue(path: Path) -> Catalogue:
    """Read a catalogue file: a table for each family, a row for each requirement.

    ValueError where an id stands twice.
    """
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    requirements: dict[str, Requirement] = {}
    for family in document["family"]:
        for row in family["requirement"]:
            if row["id"] in requirements:
                raise ValueError(f"{path.name}: {row['id']} stands twice")
            requirements[row["id"]] = Requirement(
                id=row["id"],
                level=Level(row["level"]),
                family=family["name"],
                sentence=row["sentence"],
                source=row.get("source", family["source"]),
                operations=tuple(row.get("operations", family.get("operations", ()))),
            )
    return Catalogue(requirements)


@cache
def catalogue() -> Catalogue:
    """The catalogue of this package."""
    return load_catalogue(CATALOGUE_FILE)

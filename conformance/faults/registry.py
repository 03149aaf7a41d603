"""All seeded faults and variants by id, and the gaps in the catalogue of faults."""

from collections.abc import Iterable, Mapping
from importlib import import_module
from pkgutil import iter_modules

from conformance.contract.requirements import catalogue
from conformance.faults import seeded
from conformance.faults.building_blocks import FAULTS
from conformance.faults.deviations import Deviation, Fault
from conformance.faults.variants import VARIANTS

for module in iter_modules(seeded.__path__):
    import_module(f"{seeded.__name__}.{module.name}")  # registers its faults


def faults() -> dict[str, Fault]:
    """Every fault by its id, in the order of the contract's families."""
    families = list(dict.fromkeys(id.partition("-")[0] for id in catalogue()))
    ordered = sorted(FAULTS.values(), key=lambda fault: families.index(fault.family))
    return {fault.id: fault for fault in ordered}


def deviations() -> dict[str, Deviation]:
    """Every fault, then every variant, by its id."""
    return {**faults(), **VARIANTS}


def deviation_of(id: str) -> Deviation:
    """The fault or variant with this id; KeyError for an unknown id."""
    return deviations()[id]


def gaps(known: Mapping[str, Fault]) -> list[str]:
    """The gaps in the catalogue of faults, a sentence each."""
    reached = {id for fault in known.values() for id in fault.requirements}
    unreached = [id for id in catalogue() if id not in reached]
    unnamed = [fault.id for fault in known.values() if not fault.requirements]
    unknown = sorted(reached - set(catalogue()))
    return [
        *(f"no fault reaches {id}" for id in unreached),
        *(f"the fault {id} breaks no requirement" for id in unnamed),
        *(f"{id} is no requirement" for id in unknown),
    ]


def first_of_each_kind(known: Iterable[Fault]) -> list[Fault]:
    """The first fault of each family and difficulty."""
    chosen: dict[tuple[str, str], Fault] = {}
    for fault in known:
        chosen.setdefault((fault.family, fault.difficulty), fault)
    return list(chosen.values())

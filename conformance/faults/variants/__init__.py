"""Conformant servers that differ from the reference server wherever the contract lets them.

`free_points` reads every sentence that is FREE the other way. The other modules do what another
team would do where the contract is silent.
"""

from importlib import import_module

from conformance.faults.variants.registration import VARIANTS

MODULES = (
    *("free_points", "protocol", "answers", "identifiers", "instants", "profiles"),
    *("order", "grants", "ledgers", "players", "budgets"),
)
"""In the order of the table in `docs/free-points.md`."""

for module in MODULES:
    import_module(f"{__name__}.{module}")  # registers its variants

__all__ = ["VARIANTS"]

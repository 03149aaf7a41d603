"""Mutants: the reference server with one small change that a library makes, not a person.

Seeded faults are what people think of. Mutants say whether the suite also notices what nobody
thought of. `mutation` makes them, `reach` keeps those that a run comes across, `host` and `trial`
try one, `journal`, `readings` and `score` keep what came of it.
"""

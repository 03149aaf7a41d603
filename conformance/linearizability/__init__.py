"""Concurrent histories: what simultaneous clients saw, and whether some order explains it.

`checker` decides whether a history is linearizable, `models` say what the contract promises for a
holding, a merge and a grant, `workload` runs clients concurrently and writes their history, and
`diagnosis` names the requirement that an unexplained history breaks.
"""

from conformance.linearizability.calls import GrantCalls, Holdings
from conformance.linearizability.diagnosis import (
    expect_no_early_conflict,
    expect_order,
    of_changes,
    of_grant,
)
from conformance.linearizability.models import (
    Call,
    GrantState,
    Holding,
    Kind,
    Pair,
    step_grant,
    step_holding,
    step_pair,
)
from conformance.linearizability.workload import Action, run_concurrently

__all__ = [
    "Action",
    "Call",
    "GrantCalls",
    "GrantState",
    "Holding",
    "Holdings",
    "Kind",
    "Pair",
    "expect_no_early_conflict",
    "expect_order",
    "of_changes",
    "of_grant",
    "run_concurrently",
    "step_grant",
    "step_holding",
    "step_pair",
]

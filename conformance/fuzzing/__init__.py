"""Property-based testing: single operations with Schemathesis, sequences with Hypothesis.

`schema_cases` generates the cases of an operation. They hold `placeholders` for things on the
server. `binding` replaces those and makes a request of each case, and `fuzzer` sends and judges it.
`state_machine` drives random sequences of operations and compares the server with `model`.
"""

from functools import partial

from conformance.client.api import Api
from conformance.client.recorder import Recorder
from conformance.contract.openapi import Operation
from conformance.settings.run import Run
from conformance.testkit.given import Given

__all__ = ["DECIDED_BY_CASES", "DECIDED_BY_SEQUENCES", "explore", "fuzz"]

DECIDED_BY_CASES = ("HTTP-1", "HTTP-2", "ERR-1", "ERR-3", "ERR-4", "AUTH-1")
"""The requirements that a generated case decides."""

DECIDED_BY_SEQUENCES = (
    *("PING-1", "GRANT-1", "GRANT-2", "GRANT-3", "GRANT-5", "GRANT-6", "GRANT-8"),
    *("ACK-1", "ACK-3", "ACK-4", "ACK-5", "ACK-6"),
    *("LEDGER-1", "LEDGER-2", "LEDGER-3", "LEDGER-4", "LEDGER-8", "LEDGER-9"),
    *("LEDGER-10", "LEDGER-11", "LEDGER-12"),
    *("MIG-1", "MIG-2", "MIG-6", "MIG-7", "BAN-1", "BAN-2", "BAN-3", "BAN-4", "BAN-6", "BAN-7"),
    *("MERGE-1", "MERGE-2", "MERGE-3", "MERGE-4", "MERGE-5", "MERGE-6", "MERGE-7"),
    "MERGE-9",
    *("DEL-1", "DEL-2", "DEL-3", "DEL-4", "DEL-6", "DEL-9"),
    *(
        "LOBBY-1",
        "LOBBY-3",
        "LOBBY-6",
        "LOBBY-8",
        "LOBBY-9",
        "PLAYER-1",
        "PLAYER-2",
        "PLAYER-3",
        "PLAYER-4",
        "EXP-1",
        "HTTP-4",
    ),
)
"""The requirements that a sequence decides."""

STEPS = 25
SEQUENCES_PER_EXAMPLE = 1


def fuzz(operation: Operation, api: Api, given: Given, recorder: Recorder, run: Run) -> None:
    """Send generated cases of one operation; Mismatch for the smallest that breaks a rule."""
    # Schemathesis and Hypothesis take a quarter of a second to load; not every run needs them.
    from conformance.fuzzing.fuzzer import Fuzzer  # noqa: PLC0415
    from conformance.fuzzing.schema_cases import generating_schema, run_cases  # noqa: PLC0415

    fuzzer = Fuzzer(operation, api, given, recorder, run.shrink)
    place = (generating_schema(api.channel.spec), operation.path, operation.method)
    cases = partial(run_cases, *place, fuzzer.check, examples=run.examples, seed=run.seed)
    fuzzer.shrink_limit.run(cases)


def explore(api: Api, given: Given, recorder: Recorder, run: Run) -> None:
    """Try random sequences of operations; Mismatch for the shortest that departs from the model."""
    # Imported here for the same reason.
    from conformance.fuzzing.state_machine import machine_for, run_sequences  # noqa: PLC0415

    machine = machine_for(api, given, recorder, run.shrink)
    sequences = run.examples * SEQUENCES_PER_EXAMPLE
    run_sequences(machine, sequences=sequences, steps=STEPS, seed=run.seed)

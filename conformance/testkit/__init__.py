"""What a scenario imports: `from conformance.testkit import …`.

- Mark: `requirement`, `harmless`.
- Arrange: `Given`, `Ledger`, `ImportBatch`, `Samples`, `needed`, `assume`.
- Act: `Api`, which returns an `Answer`; `SIMULTANEOUS` requests at once, in `ROUNDS`.
- Assert: `expect_…`; `mention`, `ids` and `state_of` find what to compare.
"""

from conformance.client.api import Answer, Api
from conformance.client.recorder import Recorder
from conformance.contract.instants import instant, is_same_instant
from conformance.contract.openapi import BASE_PATH, JSON
from conformance.http.exchange import Request
from conformance.http.last_byte_sync import ROUNDS, SIMULTANEOUS
from conformance.settings.names import Names
from conformance.settings.profiles import PROFILES
from conformance.settings.run import Run
from conformance.settings.target import World
from conformance.testkit.documents import (
    ids,
    lists_of,
    mention,
    mentions,
    row_of,
    with_another_end,
)
from conformance.testkit.expect import (
    expect_below_500,
    expect_code,
    expect_envelope,
    expect_equal,
    expect_fields,
    expect_instant,
    expect_no_secret,
    expect_none,
    expect_placeholder,
    expect_status,
    expect_success_or_refusal,
    expect_that,
    expect_unchanged,
    expect_unknown,
)
from conformance.testkit.first_uses import BRIEF, SETTLED, FirstUses
from conformance.testkit.given import GRANT_FIELDS, Given, State, assume, needed, state_of
from conformance.testkit.import_batches import ImportBatch
from conformance.testkit.ledgers import SIGN, Ledger
from conformance.testkit.markers import harmless, requirement
from conformance.testkit.sample_requests import Sample, Samples
from conformance.testkit.share import Share
from conformance.testkit.texts import long_text

__all__ = [
    "BASE_PATH",
    "BRIEF",
    "GRANT_FIELDS",
    "JSON",
    "PROFILES",
    "ROUNDS",
    "SETTLED",
    "SIGN",
    "SIMULTANEOUS",
    "Answer",
    "Api",
    "FirstUses",
    "Given",
    "ImportBatch",
    "Ledger",
    "Names",
    "Recorder",
    "Request",
    "Run",
    "Sample",
    "Samples",
    "Share",
    "State",
    "World",
    "assume",
    "expect_below_500",
    "expect_code",
    "expect_envelope",
    "expect_equal",
    "expect_fields",
    "expect_instant",
    "expect_no_secret",
    "expect_none",
    "expect_placeholder",
    "expect_status",
    "expect_success_or_refusal",
    "expect_that",
    "expect_unchanged",
    "expect_unknown",
    "harmless",
    "ids",
    "instant",
    "is_same_instant",
    "lists_of",
    "long_text",
    "mention",
    "mentions",
    "needed",
    "requirement",
    "row_of",
    "state_of",
    "with_another_end",
]

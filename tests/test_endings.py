"""Which ending of a test accuses the server, and of what."""

import pytest

from conformance.failures import Blocked, Inconclusive, Mismatch, NotExercised, ShouldWarning
from conformance.plugin.outcomes import ending_of

MISMATCH = Mismatch("200", "201")
Expected = tuple[str, str | None, str | None]
"""Outcome, accused requirement and blamed requirement."""

ENDINGS: dict[str, tuple[BaseException | None, str, Expected]] = {
    "no exception": (None, "GRANT-2", ("passed", None, None)),
    "a mismatch": (MISMATCH, "GRANT-2", ("failed", "GRANT-2", None)),
    "a mismatch that names another": (
        Mismatch("a", "b", "ERR-3"),
        "GRANT-2",
        ("failed", "ERR-3", None),
    ),
    "a mismatch of a SHOULD": (MISMATCH, "GRANT-3.code", ("warned", "GRANT-3.code", None)),
    "a mismatch in a group": (
        BaseExceptionGroup("several", [ValueError(), MISMATCH]),
        "GRANT-2",
        ("failed", "GRANT-2", None),
    ),
    "a step of another requirement": (
        Blocked("GRANT-1", "a", "b"),
        "ACK-1",
        ("blocked", None, "GRANT-1"),
    ),
    "a step that is the test's own": (
        Blocked("ACK-1", "a", "b"),
        "ACK-1",
        ("failed", "ACK-1", None),
    ),
    "nothing declared": (NotExercised("declare x"), "ACK-1", ("not_exercised", None, None)),
    "a skip": (pytest.skip.Exception("no"), "ACK-1", ("not_exercised", None, None)),
    "a failing path": (Inconclusive("reset"), "ACK-1", ("inconclusive", None, None)),
    "a bug of the suite": (ValueError("a bug"), "ACK-1", ("inconclusive", None, None)),
    "a library's assertion": (AssertionError("no"), "ACK-1", ("inconclusive", None, None)),
}


@pytest.mark.parametrize("name", list(ENDINGS))
def test_an_ending_accuses(name: str) -> None:
    error, own, expected = ENDINGS[name]
    ended = ending_of(error, None, [own], ())
    assert (str(ended.outcome), ended.requirement, ended.blamed) == expected


@pytest.mark.parametrize(
    ("error", "outcome"), [(None, "warned"), (ShouldWarning("x"), "failed")], ids=["lax", "strict"]
)
def test_a_remembered_breach_of_a_should(error: Warning | None, outcome: str) -> None:
    assert str(ending_of(error, MISMATCH, ["GRANT-3.code"], ()).outcome) == outcome


def test_an_error_over_a_malformed_response_is_blocked_by_its_breach() -> None:
    ended = ending_of(TypeError(), None, ["GRANT-2"], ("HTTP-2",))
    assert (str(ended.outcome), ended.blamed) == ("blocked", "HTTP-2")

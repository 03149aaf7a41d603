"""Tries the export before scenarios read the state of players through it.

If the export changes what it shows, or shows another player's things, every scenario that compares
states would fail. Instead they are blocked, and the scenarios of EXP say what is wrong.
"""

from contextlib import suppress

from conformance.contract.breach import shown
from conformance.failures import Blocked, NotExercised
from conformance.testkit.documents import row_of
from conformance.testkit.expect import describe
from conformance.testkit.given import GRANT_FIELDS, Given


class ExportProbe:
    """Tries the export once in each process, when it is first needed."""

    def __init__(self) -> None:
        self._tried = False
        self._defect: tuple[str, str, str] | None = None

    def check(self, given: Given) -> None:
        """Blocked if the export breaks a requirement."""
        if not self._tried:
            with suppress(Blocked, NotExercised):  # says nothing about the export
                self._defect = defect_of(given)
            self._tried = True
        if self._defect is not None:
            raise Blocked(*self._defect)


def defect_of(given: Given) -> tuple[str, str, str] | None:
    """What is wrong with the export, or None.

    That is: the requirement to blame, what was needed, and what was received.
    """
    nobody = given.api.export_player(given.names.player())
    if nobody.status == 200:
        return "EXP-2", "404 for the export of an unknown player", describe(nobody)
    one, other = given.player(), given.player()
    own, others = given.grant(one), given.grant(other)
    first, again = given.export(one), given.export(one)
    if row_of(first["grants"], others["id"]) is not None:
        return "EXP-4", "an export of the player's own grants", "another player's grant"
    rows = [row_of(export["grants"], own["id"]) or {} for export in (first, again)]
    seen = [{name: row[name] for name in GRANT_FIELDS if name in row} for row in rows]
    if seen[0] != seen[1]:
        return "EXP-4", "an export that changes nothing", f"{shown(seen[0])}, then {shown(seen[1])}"
    return None

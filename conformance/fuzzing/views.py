"""Compares what a server shows, in profiles and exports, with what the model knows."""

from collections.abc import Mapping
from itertools import product
from typing import Any

from conformance.client.api import Answer, Api
from conformance.failures import Mismatch
from conformance.fuzzing.blame import Blame
from conformance.fuzzing.model import LEDGERS, Model, Person
from conformance.testkit.documents import is_short_number, lists_of, mention, mentions
from conformance.testkit.expect import expect_equal, expect_fields, expect_status, expect_that
from conformance.testkit.given import state_of

PAGE = 10
"""Up to so many rows a profile shows all: a server may have a largest page, but none so small."""


class Views:
    """Reads players. `agree` compares the states that their exports show."""

    def __init__(self, api: Api, model: Model, blame: Blame) -> None:
        self._api = api
        self._model = model
        self._blame = blame

    def read_profile(self, player: str, limit: int | None = None) -> None:
        """Read a profile; its status is judged, and that it shows no more than the limit."""
        person = self._model.people.get(player)
        known = person is not None
        answer = self._api.get_player(player, limit)
        if person is not None and limit is not None:
            self._expect_at_most(limit, answer, person)
        with self._blame.on("PLAYER-1", presence="PLAYER-4"):
            because = f"the player is {'known' if known else 'unknown'}"
            bad = (400,) if limit is not None and limit > PAGE else ()  # FREE: a limit too large
            expect_status(answer, *bad, 200 if known else 404, because=because)

    def _expect_at_most(self, limit: int, answer: Answer, person: Person) -> None:
        """PLAYER-3; what a server lists besides grants and lobbies is its own affair.

        A profile may have several lists of grants, such as one for each status.
        """
        for listed, rows in product((person.grants, person.lobbies), lists_of(answer.body)):
            shown = sum(any(mention([row], id) is not None for id in listed) for row in rows)
            with self._blame.naming("PLAYER-3"):
                expect_that(shown <= limit, f"at most {limit} rows of a list", f"{shown} rows")

    def show(self, player: str) -> None:
        """Read the profile: that of a known player lists every grant, as it is, and every lobby."""
        if player not in self._model.people:
            self.read_profile(player)
            self.agree(player)
            return
        person = self._model.people[player]
        limit = max(len(person.grants), len(person.lobbies), 1)
        if limit <= PAGE:
            self._expect_all(person, self._api.get_player(player, limit))

    def look(self, *players: str) -> None:
        """Read every view of players who have little, with the same requests every time.

        A server that keeps an answer for a request gives itself away by what changed since.
        """
        for player in players:
            person = self._model.people.get(player)
            for limit in (None, PAGE):
                if person is None:
                    self.read_profile(player, limit)
                    self.agree(player)
                else:
                    self._expect_all(person, self._api.get_player(player, limit))
            self.agree(player)

    def _expect_all(self, person: Person, answer: Answer) -> None:
        """The profile lists all that the person has, and nothing that another one has."""
        with self._blame.naming("PLAYER-2"):
            expect_status(answer, 200, because="the player is known")
        for id, granted in person.grants.items():
            rows = list(mentions(answer.data, id))
            reported = [row["status"] for row in rows if "status" in row]
            with self._blame.naming("GRANT-8" if granted.status == "pending" else "ACK-4"):
                expect_that(bool(rows), f"grant {id} in the profile", "a profile without it")
                right = not reported or granted.status in reported
                expect_that(right, f"grant {id} to be {granted.status} in the profile", reported)
        lobbies = self._model.lobbies.values()
        with self._blame.naming("PLAYER-2"):
            missing = [id for id in person.lobbies if mention(answer.data, id) is None]
            expect_equal(missing, [], "the lobbies that the profile lacks")
            others = {*self._model.grants, *lobbies} - {*person.grants, *person.lobbies}
            telling = [id for id in sorted(others) if not is_short_number(id)]
            foreign = [id for id in telling if mention(answer.data, id) is not None]
            expect_equal(foreign, [], "what the profile shows and the player does not have")

    def expect_whole_export(self, player: str) -> None:
        """The export of a player who has much is the whole truth (EXP-1)."""
        with self._blame.on("EXP-1", **dict.fromkeys((*LEDGERS, "grants", "lobbies"), "EXP-1")):
            self.agree(player)

    def agree(self, *players: str) -> None:
        """The export of each player agrees with the model, and no exchange broke a rule."""
        for player in players:
            reported, expected = self._reported(player), self._model.state(player)
            with self._blame.naming(self._blame.of(player, reported, expected)):
                expect_equal(reported, expected, f"the state of player {player}")
        self._blame.clear()
        for breach in self._api.channel.recorder.breaches:
            with self._blame.naming(breach.requirement):
                raise Mismatch(breach.expected, breach.received)

    def _reported(self, player: str) -> dict[str, Any] | None:
        """The player's export, in the form of `Model.state`."""
        answer = self._api.export_player(player)
        if answer.status == 404:
            return None
        if answer.status != 200:
            erased = self._model.ended.get(player) == "erased"
            expected = "an export with 200 or 404"
            raise Mismatch(expected, f"status {answer.status}", "DEL-2" if erased else "EXP-1")
        state = state_of(answer.data)
        if player in self._model.people:
            with self._blame.naming("HTTP-4"):
                expect_fields(answer.data["player"], externalPlayerId=player)
        self._expect_snapshot(player, state["snapshot"])
        grants = {
            str(grant["id"]): self._view(player, str(grant["id"]), grant)
            for grant in state["grants"]
        }
        with self._blame.naming(self._blame.of_part("grants")):
            expect_equal(len(state["grants"]), len(grants), "the rows of as many grants")
        return {
            "wallet": state["wallet"],
            "inventory": state["inventory"],
            "grants": grants,
            "lobbies": state["lobbies"],
        }

    def _expect_snapshot(self, player: str, reported: Any) -> None:
        """A player for whom none was ever imported has no snapshot of an earlier one."""
        person = self._model.people.get(player)
        if person is not None and not person.has_snapshot:
            with self._blame.naming(self._blame.freed_by(player) or "EXP-1"):
                expect_that(not reported, "no snapshot, as none was imported", reported)

    def _view(self, player: str, id: str, row: Mapping[str, Any]) -> dict[str, Any]:
        """The members of a grant's row that the model knows; others count as they should be."""
        person = self._model.people.get(player)
        granted = person.grants.get(id) if person else None
        expected = granted.view() if granted else {"status": None}
        return {name: row.get(name, value) for name, value in expected.items()}

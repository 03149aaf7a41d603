"""Servers with other profiles. Their members have no fixed names, and a limit only bounds."""

from typing import Any

from conformance.faults.building_blocks import scratch
from conformance.faults.variants.instants import spelling, to_the_second
from conformance.faults.variants.registration import variant
from conformance.reference.errors import invalid
from conformance.reference.players import Players, newest
from conformance.reference.replies import Reply
from conformance.reference.state import Player


@variant("tabbed-profile")
class TabbedProfile(Players):
    """How many lists a profile has: has one for each status, each within the limit."""

    def profile(self, external_id: str, limit: str | None) -> Reply:
        player, most = self.state.known(external_id), self.limit(limit)
        grants: dict[str, list[Any]] = {"pending": [], "claimed": [], "expired": []}
        for grant in player.grants:
            grants[grant.status()].append(grant.view())
        lobbies: dict[str, list[Any]] = {"forming": [], "active": []}
        for lobby in player.lobbies:
            lobbies[lobby.status()].append(lobby.summary())
        data = {
            "player": self.view(player),
            "attempts": [],
            "grants": {status: newest(rows, most) for status, rows in grants.items()},
            "lobbies": {status: newest(rows, most) for status, rows in lobbies.items()},
            "latest": [grant.id for grant in newest(player.grants, 1)],
            "summary": self.summary(player),
        }
        return Reply(200, data)


@variant("short-pages")
class ShortPages(Players):
    """How many rows a list of a profile has at most: are 25, and 10 by default."""

    def limit(self, asked: str | None) -> int:
        return 10 if asked is None else min(super().limit(asked), 25)


@variant("seconds-of-rows", parts=(spelling(to_the_second),))
class SecondsOfRows(Players):
    """Which of two rows of one second is the newer: is not known, and ids decide."""

    def profile(self, external_id: str, limit: str | None) -> Reply:
        data = super().profile(external_id, limit).data
        player = self.state.known(external_id)
        grants = sorted(player.grants, key=lambda row: (int(row.created_at.timestamp()), row.id))
        lobbies = sorted(player.lobbies, key=lambda row: (int(row.created_at.timestamp()), row.id))
        lists = {
            "grants": [grant.view() for grant in newest(grants, self.limit(limit))],
            "lobbies": [lobby.summary() for lobby in newest(lobbies, self.limit(limit))],
        }
        return Reply(200, {**data, **lists})


@variant("counted-reads")
class CountedReads(Players):
    """What else the summary counts: are its own reads."""

    def summary(self, player: Player) -> dict[str, int]:
        reads = scratch(self.state, "reads")
        reads[player.id] = reads.get(player.id, 0) + 1
        return {**super().summary(player), "reads": reads[player.id]}


@variant("small-limits")
class SmallLimits(Players):
    """Which `limit` is too large: is one over 40, which gets 400."""

    def limit(self, asked: str | None) -> int:
        most = super().limit(asked)
        if most > 40:
            raise invalid("limit", "at most 40")
        return most

"""Arrangements: what a scenario needs before the call that it judges.

A step that fails blocks the scenario and names the requirement to blame. It never fails the
scenario's own requirement.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from conformance.client.api import Answer, Api, JsonObject
from conformance.contract.breach import shown
from conformance.failures import Blocked, NotExercised
from conformance.settings.names import Names
from conformance.settings.target import World
from conformance.testkit.documents import ids
from conformance.testkit.expect import describe

State = dict[str, Any] | None
GRANT_FIELDS = (
    "id",
    "kind",
    "contents",
    "sourceKind",
    "sourceRefId",
    "status",
    "claimedAt",
    "expiresAt",
    "createdAt",
)
"""The members of a grant that the contract names; others may change at any time."""


class Given:
    """Brings the server into a state through the API, and reads that state.

    `before_export` is called before each export; it raises Blocked if exports cannot be trusted.
    """

    def __init__(
        self,
        api: Api,
        names: Names,
        world: World,
        before_export: Callable[["Given"], None] | None = None,
    ) -> None:
        self.api = api
        self._before_export = before_export
        self.retrying = api.with_retries()
        self.names = names
        self.world = world

    def player(self) -> str:
        """A new player who has nothing, created by an import: that needs no item or currency."""
        player = self.names.player()
        row = {"externalPlayerId": player, "idempotencyKey": self.names.key()}
        answer = needed(self.retrying.migrate_players({"rows": [row]}), "MIG-6", "a new player")
        done = ("applied", "skipped") if answer.retried else ("applied",)
        if 1 not in [answer.data.get(name) for name in done]:
            raise Blocked("MIG-6", "a new player to be imported", shown(answer.data))
        return player

    def entries(self) -> list[dict[str, Any]]:
        """Entries for a grant: a declared currency, or else a declared item."""
        if self.world.currencies:
            currency = self.world.currencies[0]
            return [{"type": "currency", "currencyKey": currency, "amount": 5}]
        return [{"type": "item", "itemKey": self.world.some("items")[0], "quantity": 2}]

    def grant_body(self, **fields: Any) -> dict[str, Any]:
        """A valid body with a new key; `fields` are added or replaced."""
        return {"idempotencyKey": self.names.key(), "entries": self.entries(), **fields}

    def grant(self, player: str, body: dict[str, Any] | None = None) -> JsonObject:
        """A new grant of the player, as the 201 returns it."""
        answer = self.retrying.create_grant(player, body or self.grant_body())
        return needed(answer, "GRANT-1", "a new grant", status=201).data

    def acked(self, player: str, grant: str) -> JsonObject:
        """An acknowledged grant, as the ack returns it."""
        return needed(self.retrying.ack_grant(player, grant), "ACK-1", "an acknowledged grant").data

    def erased(self, player: str) -> JsonObject:
        """The outcome of erasing a player."""
        answer = self.retrying.delete_player(player, {"reason": "test"})
        data = needed(answer, "DEL-1", "an erased player").data
        if data["status"] != "erased" and not answer.retried:
            raise Blocked("DEL-1", "an erased player", f"the status {shown(data['status'])}")
        return data

    def merged(self, source: str, target: str) -> JsonObject:
        """The outcome of a merge."""
        return needed(self.api.merge_player(source, target), "MERGE-1", "a merge").data

    def export(self, player: str) -> JsonObject:
        """The player's export."""
        self._check_export()
        return needed(self.api.export_player(player), "EXP-1", "an export of the player").data

    def _check_export(self) -> None:
        if self._before_export is not None:
            self._before_export(self)

    def grants(self, player: str) -> list[str]:
        """The ids of the grants in the player's export; none for an unknown player."""
        state = self.state(player)
        return [str(grant["id"]) for grant in state["grants"]] if state else []

    def game(self) -> str:
        """The game of the server key; NotExercised for a key without one."""
        if not self.api.game_id:
            raise NotExercised("the server key has no game: /ping names none")
        return self.api.game_id

    def lobby_body(self, players: Sequence[Any], **fields: Any) -> dict[str, Any]:
        """A valid body with a new key; `fields` are added or replaced."""
        return {"key": self.names.key(), "externalPlayerIds": list(players), **fields}

    def lobby(self, players: Sequence[str], **fields: Any) -> JsonObject:
        """A new lobby with these players, as the 201 returns it."""
        self.game()
        event = self.world.event("lobby_event")
        answer = self.retrying.create_lobby(event, self.lobby_body(players, **fields))
        return needed(answer, "LOBBY-1", "a new lobby", status=201).data

    def banned(self, player: str) -> JsonObject:
        """The ban of a player."""
        answer = self.api.ban_player(player, {"reason": "conformance"})
        return needed(answer, "BAN-1", "a banned player").data

    def state(self, player: str) -> State:
        """The comparable part of the player's export (`state_of`); None for an unknown player."""
        self._check_export()
        answer = self.api.export_player(player)
        if answer.status == 404:
            return None
        return state_of(needed(answer, "EXP-1", "an export of the player").data)

    def states(self, players: Iterable[str]) -> dict[str, State]:
        """The state of each player."""
        return {player: self.state(player) for player in players}

    def holdings(self, player: str) -> tuple[dict[str, int], dict[str, int]]:
        """What the player holds in wallet and inventory; nothing for an unknown player."""
        state = self.state(player) or {"wallet": {}, "inventory": {}}
        return state["wallet"], state["inventory"]

    def lobbies(self, player: str) -> list[str]:
        """The ids of the lobbies that the player's export lists; none for an unknown player."""
        return list((self.state(player) or {"lobbies": []})["lobbies"])

    def profile(self, player: str, limit: object = None) -> JsonObject:
        """The player's profile."""
        answer = self.api.get_player(player, limit)
        return needed(answer, "PLAYER-2", "a profile of the player").data


def state_of(export: JsonObject) -> dict[str, Any]:
    """The comparable part of an export: a holding of zero counts as none (LEDGER-11).

    Stacks of one item, which may differ in parameters, are summed.
    """
    wallet, inventory = Counter[str](), Counter[str]()
    for row in export["wallet"]:
        wallet[row["economyKey"]] += row["balance"]
    for row in export["inventory"]:
        inventory[row["itemKey"]] += row["quantity"]
    return {
        "player": export["player"]["id"],
        "snapshot": export["player"].get("lastContextSnapshot"),
        "grants": [
            {name: grant[name] for name in GRANT_FIELDS if name in grant}
            for grant in sorted(export["grants"], key=lambda grant: str(grant["id"]))
        ],
        "lobbies": ids(export["lobbies"]),
        "wallet": {key: held for key, held in wallet.items() if held},
        "inventory": {key: held for key, held in inventory.items() if held},
    }


def assume(holds: bool, otherwise: str) -> None:
    """NotExercised, with the sentence `otherwise`, if the target lacks what the scenario needs."""
    if not holds:
        raise NotExercised(otherwise)


def needed(answer: Answer, requirement: str, what: str, status: int = 200) -> Answer:
    """The answer, if it has the status; otherwise `requirement` blocks the scenario.

    A retried create may get the 200 of a replay, if its first try was applied.
    """
    if answer.status != status and not (answer.retried and answer.status == 200):
        raise Blocked(requirement, f"{what} (status {status})", describe(answer))
    return answer

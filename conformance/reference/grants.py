"""GRANT and ACK: promises of entries and their acknowledgement."""

from datetime import datetime

import msgspec

from .bodies import CurrencyEntry, Entry, GrantBody, ItemEntry, fingerprint, moment
from .errors import not_found, unknown_key
from .replies import Reply
from .state import GameState, Grant, Player, Remembered, now

SCOPE = "grants"


class Grants:
    """The grants of one game."""

    def __init__(self, state: GameState) -> None:
        self.state = state

    def create(self, external_id: str, body: GrantBody) -> Reply:
        """201 for a new key, 200 with the first answer for a replay, 409 for another body."""
        self.check_catalogue(body.entries)
        expires_at = moment(body.expiresAt)
        asked = self.fingerprint(body)
        first = self.state.first_use(SCOPE, body.idempotencyKey, asked, external_id)
        if first is not None:
            return self.replay(first)
        player = self.state.ensure(external_id)
        answer = self.issue(player, body, expires_at).view()
        self.state.remembered(SCOPE)[body.idempotencyKey] = Remembered(asked, player, answer)
        return Reply(201, answer)

    def replay(self, first: Remembered) -> Reply:
        """The answer to a repeated create (GRANT-2)."""
        return Reply(200, first.answer)

    def fingerprint(self, body: GrantBody) -> str:
        """Identifies the request by value (GRANT-3)."""
        return fingerprint(body)

    def issue(self, player: Player, body: GrantBody, expires_at: datetime | None) -> Grant:
        """Create the grant and add it to the player."""
        grant = Grant(
            player=player,
            kind=body.kind or "reward",
            entries=msgspec.to_builtins(body.entries),
            source_kind=body.sourceKind or "api",
            source_ref_id=body.sourceRefId,
            expires_at=expires_at,
        )
        player.grants.append(grant)
        self.state.grants[grant.id] = grant
        return grant

    def check_catalogue(self, entries: list[Entry]) -> None:
        """Refuse entries that the game's catalogue does not have (GRANT-7)."""
        game = self.state.game
        for entry in entries:
            if isinstance(entry, CurrencyEntry):
                kind, key, keys = "currency", entry.currencyKey, game.currencies
            elif isinstance(entry, ItemEntry):
                kind, key, keys = "item", entry.itemKey, game.items
            else:
                kind, key, keys = "crate", entry.crateItemKey, game.crates
            if key not in keys:
                raise unknown_key(kind, key)

    def ack(self, external_id: str, grant_id: str) -> Reply:
        """Mark the grant as claimed by the studio's backend; idempotent (ACK-1, ACK-2)."""
        grant = self.find(self.state.known(external_id), grant_id)
        self.claim(grant)
        return Reply(200, grant.view())

    def claim(self, grant: Grant) -> None:
        """Claim the grant once; wallet and inventory stay as they are (ACK-6)."""
        if grant.claimed_at is None:
            grant.claimed_at = now()
            grant.acked_by = "server_api"

    def find(self, player: Player, grant_id: str) -> Grant:
        """The player's grant with this id; ApiError 404 for the grant of another player (ACK-3)."""
        grant = self.state.grants.get(grant_id)
        if grant is None or grant.player is not player:
            raise not_found("grant")
        return grant

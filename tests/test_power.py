"""The suite names what a broken server breaks: races, sequences, generated requests."""

import time
from contextlib import nullcontext
from datetime import datetime
from typing import Any

import pytest
from support import Runner, reference

from conformance.reference.app import Server, Settings
from conformance.reference.bodies import GrantBody, ImportRow, LobbyBody
from conformance.reference.gdpr import Gdpr
from conformance.reference.grants import Grants
from conformance.reference.imports import Imports
from conformance.reference.ledger import Wallet
from conformance.reference.lobbies import Lobbies
from conformance.reference.merging import Merging
from conformance.reference.operations import Call, Operation
from conformance.reference.replies import Reply
from conformance.reference.services import Parts, Services
from conformance.reference.state import Grant, Holdings, Lobby, Player
from conformance.reference.world import Event

GAP_SECONDS = 0.001
"""Between check and write: what a round trip to a database takes."""


class Unlocked(Server):
    """Operations of one game run at the same time."""

    def alone(self, operation: Operation, services: Services, call: Call) -> Reply:
        services.state.lock = nullcontext()  # type: ignore[assignment]
        return super().alone(operation, services, call)


class GapInGrants(Grants):
    def issue(self, player: Player, body: GrantBody, expires_at: datetime | None) -> Grant:
        time.sleep(GAP_SECONDS)
        return super().issue(player, body, expires_at)


class GapInLobbies(Lobbies):
    def open(self, event: Event, body: LobbyBody) -> Lobby:
        time.sleep(GAP_SECONDS)
        return super().open(event, body)


class SlowHoldings(Holdings):
    def add(self, key: str, amount: int) -> int:
        held = self.amounts.get(key, 0)
        time.sleep(GAP_SECONDS)
        self.amounts[key] = held + amount
        return self.amounts[key]


class GapInWallet(Wallet):
    def holdings(self, player: Player) -> Holdings:
        if not isinstance(player.wallet, SlowHoldings):
            player.wallet = SlowHoldings(player.wallet.amounts)
        return player.wallet


class GapInMerges(Merging):
    def move_holdings(self, source: Holdings, target: Holdings) -> int:
        time.sleep(GAP_SECONDS)
        return super().move_holdings(source, target)


class GapInImports(Imports):
    def row(self, scope: str, row: Any, apply: Any) -> bool:
        def slowly(given: ImportRow) -> None:
            time.sleep(GAP_SECONDS)
            apply(given)

        return super().row(scope, row, slowly)


class GapInErasure(Gdpr):
    def erase(self, player: Player, external_id: str) -> dict[str, Any]:
        time.sleep(GAP_SECONDS)
        self.state.players.setdefault(external_id, player)
        return super().erase(player, external_id)


GAPS: dict[str, tuple[dict[str, type], str]] = {
    "GRANT-4": ({"grants": GapInGrants}, "simultaneous and grants"),
    "LOBBY-2": ({"lobbies": GapInLobbies}, "simultaneous and lobbies"),
    "LEDGER-6": ({"wallet": GapInWallet}, "simultaneous and ledgers"),
    "MERGE-8": ({"merging": GapInMerges}, "simultaneous and merges"),
    "MIG-10": ({"imports": GapInImports}, "simultaneous and imports"),
    "DEL-8": ({"gdpr": GapInErasure}, "simultaneous and erasure"),
}


@pytest.mark.parametrize("requirement", list(GAPS))
def test_a_gap_of_a_millisecond_is_seen(requirement: str, run_suite: Runner) -> None:
    parts, selection = GAPS[requirement]
    settings = Settings(window=1, threads=True, parts=Parts(**parts), server=Unlocked)
    with reference(settings) as url:
        ended = run_suite("-k", selection, url=url)

    assert requirement in ended.with_outcome("failed"), ended.output


class MergeForgetsAcks(Merging):
    def move_grants(self, source: Player, target: Player) -> int:
        for grant in source.grants:
            grant.claimed_at = None
        return super().move_grants(source, target)


class RefusalUsesTheKey(Wallet):
    def take(self, external_id: str, key: str, amount: int) -> int:
        held = self.state.players[external_id].wallet.amounts if self.known(external_id) else {}
        return super().take(external_id, key, min(amount, held.get(key, 0)))

    def known(self, external_id: str) -> bool:
        return external_id in self.state.players


class ErasureKeepsTheWallet(Gdpr):
    def erase(self, player: Player, external_id: str) -> dict[str, Any]:
        answer = super().erase(player, external_id)
        self.state.players[external_id] = Player(external_id, wallet=player.wallet)
        return answer


SEQUENCES: dict[type, tuple[str, str]] = {
    MergeForgetsAcks: ("merging", "MERGE-1"),
    RefusalUsesTheKey: ("wallet", "LEDGER-2"),
    ErasureKeepsTheWallet: ("gdpr", "DEL-1"),
}


@pytest.mark.parametrize("fault", list(SEQUENCES))
def test_a_sequence_names_the_step_that_went_wrong(fault: type, run_suite: Runner) -> None:
    part, requirement = SEQUENCES[fault]
    settings = Settings(window=1, parts=Parts(**{part: fault}))
    with reference(settings) as url:
        ended = run_suite("-k", "sequences", "--seed", "1", "--examples", "100", url=url)

    assert ended.with_outcome("failed") == [requirement], ended.output
    check = next(c for c in ended.row(requirement)["checks"] if c["outcome"] == "failed")
    steps = [e for e in check["exchanges"] if e["operation"] != "exportPlayer"]
    assert 1 <= len(steps) <= 6
    assert all(exchange["curl"].startswith("curl ") for exchange in steps)


def test_with_the_lock_the_same_gaps_lose_nothing(run_suite: Runner) -> None:
    parts = {name: cls for classes, _ in GAPS.values() for name, cls in classes.items()}
    del parts["gdpr"]  # its override needs the gap
    with reference(Settings(window=1, threads=True, parts=Parts(**parts))) as url:
        ended = run_suite("-k", "simultaneous", url=url)

    assert ended.with_outcome("failed", "blocked", "inconclusive") == [], ended.output

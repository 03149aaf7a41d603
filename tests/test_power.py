"""The suite names what a faulty server breaks: a sample of the catalogue in narrow mode.

Each family has faults of each difficulty here. The last campaign with the whole suite named a fault
of every requirement; `kraty-conformance faults run --full` repeats it.
"""

from typing import Any

import pytest
from support import ROOT, Runner

from conformance.contract.requirements import catalogue
from conformance.faults.campaign import read_journal
from conformance.faults.processes import Processes
from conformance.faults.registry import faults, first_of_each_kind
from conformance.faults.scoring import Finding, finding_of
from conformance.faults.trial import Trial, attempt
from conformance.reference.app import Settings
from conformance.reference.erasure import Gdpr
from conformance.reference.ledger import Wallet
from conformance.reference.merging import Merging
from conformance.reference.services import Parts
from conformance.reference.state import Player

SAMPLE = [fault.id for fault in first_of_each_kind(faults().values())]
SEED = 7


@pytest.mark.parametrize("id", SAMPLE)
def test_a_seeded_fault_is_named(id: str) -> None:
    detection = attempt(Trial(id, SEED), Processes())

    assert finding_of(faults()[id], [detection]) is Finding.CAUGHT, detection


def test_the_last_campaign_named_every_requirement() -> None:
    _, detections = read_journal(ROOT / "docs" / "power.jsonl")
    named = {id for detection in detections for id in detection.reported}
    assert list(catalogue()) == [id for id in catalogue() if id in named]


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
    MergeForgetsAcks: ("merging", "MERGE-3"),
    RefusalUsesTheKey: ("wallet", "LEDGER-2"),
    ErasureKeepsTheWallet: ("gdpr", "DEL-2"),
}


def on_sequences(run_suite: Runner, fault: type, shrink: int) -> dict[str, Any]:
    """The check that the stateful test fails on a faulty server; it fails no other."""
    part, requirement = SEQUENCES[fault]
    selection = ("-k", "sequences", "--seed", "1", "--examples", "40", "--shrink", str(shrink))
    ended = run_suite(*selection, server=Settings(window=1, parts=Parts(**{part: fault})))
    assert ended.with_outcome("failed") == [requirement], ended.output
    return ended.failure(requirement)


@pytest.mark.parametrize("fault", list(SEQUENCES))
def test_a_sequence_names_the_step_that_went_wrong(fault: type, run_suite: Runner) -> None:
    check = on_sequences(run_suite, fault, shrink=0)
    assert all(exchange["curl"].startswith("curl ") for exchange in check["exchanges"])


def test_a_failing_sequence_is_made_small(run_suite: Runner) -> None:
    check = on_sequences(run_suite, MergeForgetsAcks, shrink=300)
    steps = [e for e in check["exchanges"] if e["operation"] != "exportPlayer"]
    assert 1 <= len(steps) <= 6

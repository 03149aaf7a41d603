"""Which of the collected tests a run is to run."""

from collections.abc import Sequence

import pytest

from conformance.contract.openapi import Spec
from conformance.contract.requirements import Level, catalogue
from conformance.lifecycle.live_keys import HARMLESS
from conformance.plugin.command_line import CommandLine
from conformance.plugin.test_ids import requirements_of, test_id
from conformance.settings.profiles import PROFILES, Profile, effort_of, length_of, within

PREFLIGHT_REQUESTS = 50
"""About what is sent beside the tests: the preflight, and a try of the export."""


class Selection:
    """The tests that the command line asks for; a worker process takes the longest first."""

    def __init__(self, command_line: CommandLine, spec: Spec, *, is_worker: bool = False) -> None:
        self._command_line = command_line
        self._is_worker = is_worker
        self.spec = spec

    def of(self, items: Sequence[pytest.Item]) -> list[pytest.Item]:
        """Those of the collected tests that are to run."""
        wanted = self._command_line.requirements
        chosen = list(items) if wanted is None else of_requirements(items, wanted)
        if self._command_line.harmless_only:
            chosen = harmless(chosen)
        chosen = of_profile(chosen, PROFILES[self._command_line.option("--profile")])
        return longest_first(chosen) if self._is_worker else chosen


def of_requirements(items: Sequence[pytest.Item], wanted: set[str]) -> list[pytest.Item]:
    """The tests that decide one of these requirements."""
    return [item for item in items if wanted & set(requirements_of(item))]


def harmless(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The tests that change nothing on a server that keeps the contract."""
    return [item for item in items if item.get_closest_marker(HARMLESS)]


def of_profile(items: Sequence[pytest.Item], profile: Profile) -> list[pytest.Item]:
    """The tests that a profile has room for: all, or those that decide the most MUSTs."""
    if profile.most_requests is None:
        return list(items)
    musts = [id for id, requirement in catalogue().items() if requirement.level is Level.MUST]
    tests = [(test_id(item), frozenset(requirements_of(item))) for item in items]
    chosen = set(within(profile.most_requests - PREFLIGHT_REQUESTS, tests, musts))
    return [item for item in items if test_id(item) in chosen]


def longest_first(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The tests in an order in which no process has to wait for another's last, long one."""
    return sorted(items, key=lambda item: -length_of(test_id(item)))


def announced(ids: Sequence[str], examples: int, histories: int) -> tuple[int, int]:
    """About how many requests the tests send, and how many players they create."""
    efforts = [effort_of(id, examples, histories) for id in ids]
    requests = sum(effort.requests for effort in efforts)
    return round(requests), round(sum(effort.players for effort in efforts))


SELECTION = pytest.StashKey[Selection]()

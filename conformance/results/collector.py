"""Collects what tests report, and makes the document of it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

import msgspec

from conformance import __version__
from conformance.contract.openapi import Spec
from conformance.contract.requirements import Level, Requirement, catalogue
from conformance.http.exchange import GATEWAY_STATUSES
from conformance.http.traffic import LATENCY_BOUNDS, NO_RESPONSE, Traffic
from conformance.results.check import Check, Outcome, TestResult, outcome_of
from conformance.results.document import (
    Cleanup,
    Conclusion,
    Document,
    Head,
    OperationTraffic,
    RequirementResult,
    RunSettings,
    RunSummary,
    Suite,
    TestedSpec,
    TestedTarget,
    footer_of,
)
from conformance.results.known_status import known_statuses
from conformance.results.verdict import EXERCISED, judge_run
from conformance.settings.known_failures import Known
from conformance.settings.profiles import PROFILES
from conformance.settings.required import shortfall
from conformance.settings.run import Run

UNREACHED = ("401", "403", "404")
UNANSWERED = (NO_RESPONSE, *(str(status) for status in sorted(GATEWAY_STATUSES)))
MOSTLY = 0.9
"""If more than this share of answers is `UNREACHED`, the run says little about the server."""
NOT_SELECTED = "no selected scenario tests it"


def head_of(run: Run, spec: Spec, started: float, revised: Sequence[str] = ()) -> Head:
    """What is known before the first test. It contains no secret."""
    world = run.target.world
    return Head(
        started=started,
        suite=Suite(name="kraty-conformance", version=__version__),
        target=TestedTarget(
            name=run.target.name,
            base_url=run.target.base_url,
            bundled=run.bundled,
            keys=tuple(sorted(run.target.keys)),
            world={
                name: value for name in world.__struct_fields__ if (value := getattr(world, name))
            },
            studio_id=run.identity.studio_id,
            game_id=run.identity.game_id,
            environment=run.identity.environment,
            key_variables=dict(run.target.variables),
            fault=run.fault,
        ),
        spec=TestedSpec(
            title=spec.document["info"]["title"],
            version=spec.version,
            sha256=spec.sha256,
            operations=len(spec.operations),
        ),
        run=RunSettings(id=run.id, profile=run.profile, seed=run.seed, examples=run.examples),
        revised=tuple(revised),
        documented={id: tuple(known.documented) for id, known in spec.operations.items()},
    )


@dataclass
class Collected:
    """Checks and traffic of all tests so far.

    `abort_reason` says why the run is not complete. `whole` says that no test was left out.
    `cleanup` counts what became of the run's players.
    """

    checks: list[Check] = field(default_factory=list)
    traffic: Traffic = field(default_factory=Traffic)
    abort_reason: str | None = None
    whole: bool = True
    cleanup: Cleanup = field(default_factory=Cleanup)

    def add(self, result: TestResult) -> None:
        """Add what one test reports."""
        self.checks += result.checks
        self.traffic.merge(result.traffic)

    def rows(self) -> tuple[RequirementResult, ...]:
        """Every requirement with its checks so far."""
        return tuple(self._row(requirement) for requirement in catalogue().values())

    def document(
        self,
        head: Head,
        seconds: float,
        abort_reason: str | None,
        known: Sequence[Known] = (),
        required: str | None = None,
    ) -> Document:
        """The document, with the verdict."""
        moment = datetime.fromtimestamp(head.started, UTC)
        statuses = known_statuses(known, self.checks, moment.date(), whole=self.whole)
        rows = self.rows()
        outdated = [status.problem for status in statuses if status.problem]
        exercised = [row.id for row in rows if row.outcome in EXERCISED]
        judgement = judge_run(
            [(row.level, row.outcome) for row in rows],
            abort_reason,
            outdated,
            shortfall(required, exercised) if required else None,
        )
        return Document(
            suite=head.suite,
            verdict=Conclusion(
                verdict=judgement.verdict,
                reason=judgement.reason,
                failed=tuple(row.id for row in rows if row.outcome is Outcome.FAILED),
                abort_reason=abort_reason,
                musts_exercised=judgement.exercised,
                musts=judgement.total,
                outcomes=_counts(rows),
            ),
            target=head.target,
            spec=head.spec,
            run=RunSummary(
                **msgspec.structs.asdict(head.run),
                started_at=moment.isoformat(timespec="seconds"),
                seconds=round(seconds, 3),
                requests=self.traffic.endings.total(),
            ),
            cleanup=self.cleanup,
            known_failures=statuses,
            notices=(
                *head.revised,
                *_smoke_test(head.run.profile),
                *(self._never_succeeded(head.documented) if abort_reason is None else ()),
                *self._notices(),
            ),
            requirements=rows,
            traffic=tuple(
                OperationTraffic(
                    operation=id,
                    documented=documented,
                    endings=self.traffic.of(id),
                    latencies=self.traffic.latencies_of(id),
                )
                for id, documented in head.documented.items()
            ),
            latency_bounds=LATENCY_BOUNDS,
            timeline=self.traffic.timeline(head.started),
            footer=footer_of(rows),
        )

    def _never_succeeded(self, operations: Iterable[str]) -> Iterator[str]:
        """What a run that did all that it set out to do never saw."""
        for id in operations:
            endings = self.traffic.of(id)
            if endings and not any(ending.startswith("2") for ending in endings):
                yield f"{id} never succeeded: {', '.join(sorted(endings))}"

    def _notices(self) -> Iterator[str]:
        """What weakens the verdict."""
        total = self.traffic.endings.total()
        unreached = sum(n for (_, ending), n in self.traffic.endings.items() if ending in UNREACHED)
        lost = sum(n for (_, ending), n in self.traffic.endings.items() if ending in UNANSWERED)
        if lost:
            yield f"the network or a gateway failed {lost} of {total} requests"
        if unreached > MOSTLY * total:
            yield f"{unreached} of {total} answers were 401, 403 or 404"

    def _row(self, requirement: Requirement) -> RequirementResult:
        checks = tuple(check for check in self.checks if check.requirement == requirement.id)
        outcome = outcome_of(checks)
        reason = _reason(outcome, checks)
        return RequirementResult(
            **asdict(requirement), outcome=outcome, reason=reason, checks=checks
        )


def _smoke_test(profile: str) -> list[str]:
    """A notice for a profile that leaves tests out."""
    if PROFILES[profile].most_requests is None:
        return []
    return [
        f"profile {profile}: a smoke test, which leaves most scenarios out; gate on a whole run"
    ]


def _reason(outcome: Outcome, checks: Iterable[Check]) -> str | None:
    """Why a requirement is undecided; None if it is decided."""
    if outcome not in (Outcome.NOT_EXERCISED, Outcome.BLOCKED, Outcome.INCONCLUSIVE):
        return None
    messages = (check.message for check in checks if check.outcome is outcome)
    return next(messages, NOT_SELECTED)


def _counts(rows: Iterable[RequirementResult]) -> dict[Level, dict[Outcome, int]]:
    """How many requirements of each level have each outcome."""
    counts = Counter((row.level, row.outcome) for row in rows)
    return {level: {outcome: counts[level, outcome] for outcome in Outcome} for level in Level}

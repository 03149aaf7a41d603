"""Collects what tests report and makes the results of the run of it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from conformance import __version__
from conformance.contract.openapi import Spec
from conformance.contract.requirements import Requirement, catalogue
from conformance.http.exchange import GATEWAY_STATUSES
from conformance.http.traffic import LATENCY_BOUNDS, NO_RESPONSE, Traffic
from conformance.results.check import FORMAT, FORMAT_VERSION, Check, Outcome, footer_of, outcome_of
from conformance.results.known_status import Standing, standings
from conformance.results.verdict import Judgement, judge_run
from conformance.settings.known_failures import Known
from conformance.settings.profiles import PROFILES
from conformance.settings.run import Run

UNREACHED = ("401", "403", "404")
UNANSWERED = (NO_RESPONSE, *(str(status) for status in sorted(GATEWAY_STATUSES)))
MOSTLY = 0.9
"""A share of such answers from which on a run says little about a server."""
NOT_SELECTED = "no scenario of this run decides it"


@dataclass(frozen=True)
class Results:
    """The document `results.json` and the judgement that it holds."""

    document: dict[str, Any]
    judgement: Judgement


def head_of(run: Run, spec: Spec, started: float, revised: Sequence[str] = ()) -> dict[str, Any]:
    """What is known before the first test, as plain values without secrets.

    `started` is seconds since the epoch, `revised` what a newer spec changes.
    """
    return {
        "started": started,
        "suite": {"name": "kraty-conformance", "version": __version__},
        "target": {
            "name": run.target.name,
            "baseUrl": run.target.base_url,
            "bundled": run.bundled,
            "keys": sorted(run.target.keys),
            "world": {
                name: value
                for name in run.target.world.__struct_fields__
                if (value := getattr(run.target.world, name))
            },
            "studioId": run.identity.studio_id,
            "gameId": run.identity.game_id,
            "environment": run.identity.environment,
        },
        "spec": {
            "title": spec.document["info"]["title"],
            "version": spec.version,
            "sha256": spec.sha256,
            "operations": len(spec.operations),
        },
        "run": {
            "id": run.id,
            "profile": run.profile,
            "seed": run.seed,
            "examples": run.examples,
        },
        "revised": list(revised),
        "documented": {id: operation.documented for id, operation in spec.operations.items()},
    }


def cleaned(created: int, erased: int, left: int, reason: str | None = None) -> dict[str, Any]:
    """What became of a run's players: how many there were, were erased, are left, and why."""
    return {"created": created, "erased": erased, "left": left, "reason": reason}


def smoke_test(profile: str) -> list[str]:
    """What is to be known about the verdict of a profile that leaves tests out."""
    if PROFILES[profile].most_requests is None:
        return []
    text = "a smoke test, which leaves most scenarios out; only a whole run is a gate"
    return [f"profile {profile}: {text}"]


def asdict_of(standing: Standing) -> dict[str, Any]:
    """A known failure as plain values."""
    return dict(msgspec.structs.asdict(standing))


@dataclass
class Collected:
    """Checks and traffic of all tests so far.

    `trouble` is why the run cannot be complete, `whole` whether no test was left out, `cleaned`
    what became of the run's players.
    """

    checks: list[Check] = field(default_factory=list)
    traffic: Traffic = field(default_factory=Traffic)
    trouble: str | None = None
    whole: bool = True
    cleaned: dict[str, Any] = field(default_factory=lambda: cleaned(0, 0, 0))

    def add(self, report: dict[str, Any]) -> None:
        """Take what one test reports: `checks` as plain values, `traffic` as packed rows."""
        for values in report["checks"]:
            self.checks.append(Check(**{**values, "outcome": Outcome(values["outcome"])}))
        self.traffic.merge(report["traffic"])

    def results(
        self,
        head: dict[str, Any],
        seconds: float,
        trouble: str | None,
        known: Sequence[Known] = (),
    ) -> Results:
        """Everything that is known, requirement by requirement, and the verdict."""
        moment = datetime.fromtimestamp(head["started"], UTC)
        standing = standings(known, self.checks, moment.date(), whole=self.whole)
        rows = [self._row(requirement) for requirement in catalogue().values()]
        outdated = [entry.problem for entry in standing if entry.problem]
        judgement = judge_run([(row["level"], row["outcome"]) for row in rows], trouble, outdated)
        failed = [row["id"] for row in rows if row["outcome"] is Outcome.FAILED]
        document = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "suite": head["suite"],
            "verdict": {
                "verdict": judgement.verdict,
                "reason": judgement.reason,
                "failed": failed,
                "trouble": trouble,
                "mustsExercised": judgement.exercised,
                "musts": judgement.total,
                "outcomes": self._counts(rows),
            },
            "target": head["target"],
            "spec": head["spec"],
            "run": {
                **head["run"],
                "startedAt": moment.isoformat(timespec="seconds"),
                "seconds": round(seconds, 3),
                "requests": self.traffic.endings.total(),
            },
            "cleanup": self.cleaned,
            "knownFailures": [asdict_of(entry) for entry in standing],
            "notices": [
                *head.get("revised", ()),
                *smoke_test(head["run"]["profile"]),
                *self._notices(head["documented"]),
            ],
            "requirements": rows,
            "traffic": [
                {
                    "operation": id,
                    "documented": documented,
                    "endings": self.traffic.of(id),
                    "latencies": self.traffic.latencies_of(id),
                }
                for id, documented in head["documented"].items()
            ],
            "latencyBounds": list(LATENCY_BOUNDS),
            "timeline": self.traffic.timeline(head["started"]),
            "footer": footer_of(rows),
        }
        return Results(document, judgement)

    def _notices(self, operations: Iterable[str]) -> Iterator[str]:
        """What makes the run say less than it seems to."""
        for id in operations:
            endings = self.traffic.of(id)
            if endings and not any(ending.startswith("2") for ending in endings):
                yield f"{id} never succeeded: {', '.join(sorted(endings))}"
        total = self.traffic.endings.total()
        unreached = sum(n for (_, ending), n in self.traffic.endings.items() if ending in UNREACHED)
        lost = sum(n for (_, ending), n in self.traffic.endings.items() if ending in UNANSWERED)
        if lost:
            yield f"the path failed, or a gateway on it: {lost} of {total} requests"
        if unreached > MOSTLY * total:
            yield f"{unreached} of {total} answers were 401, 403 or 404"

    def _row(self, requirement: Requirement) -> dict[str, Any]:
        checks = [check for check in self.checks if check.requirement == requirement.id]
        outcome = outcome_of(checks)
        return {
            **asdict(requirement),
            "outcome": outcome,
            "reason": self._reason(outcome, checks),
            "checks": [dict(vars(check)) for check in checks],
        }

    @staticmethod
    def _reason(outcome: Outcome, checks: list[Check]) -> str | None:
        """Why nothing is said about the requirement."""
        if outcome not in (Outcome.NOT_EXERCISED, Outcome.BLOCKED, Outcome.INCONCLUSIVE):
            return None
        messages = [check.message for check in checks if check.outcome is outcome]
        return messages[0] if messages else NOT_SELECTED

    @staticmethod
    def _counts(rows: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
        """How many requirements of each level have each outcome."""
        counts: dict[str, dict[str, int]] = {}
        for row in rows:
            of_level = counts.setdefault(row["level"], dict.fromkeys(Outcome, 0))
            of_level[row["outcome"]] += 1
        return counts

"""Collects what tests report and makes the results of the run of it."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from conformance import __version__
from conformance.catalogue import Requirement, catalogue
from conformance.results import FORMAT, FORMAT_VERSION, Check, Outcome, footer_of, outcome_of
from conformance.run import Run
from conformance.spec import Spec
from conformance.traffic import LATENCY_BOUNDS, Traffic
from conformance.verdict import Judgement, judge_run

UNREACHED = ("401", "403", "404")
MOSTLY = 0.9
"""A share of such answers from which on a run says little about a server."""
NOT_SELECTED = "no scenario of this run decides it"


@dataclass(frozen=True)
class Results:
    """The document `results.json` and the judgement that it holds."""

    document: dict[str, Any]
    judgement: Judgement


def head_of(run: Run, spec: Spec, started: float) -> dict[str, Any]:
    """What is known before the first test, as plain values without secrets.

    `started` is seconds since the epoch.
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
        "run": {"id": run.id, "seed": run.seed, "examples": run.examples},
        "documented": {
            id: sorted(str(status) for status in operation.statuses)
            for id, operation in spec.operations.items()
        },
    }


@dataclass
class Collected:
    """Checks and traffic of all tests so far. `trouble` is why the run cannot be complete."""

    checks: list[Check] = field(default_factory=list)
    traffic: Traffic = field(default_factory=Traffic)
    trouble: str | None = None

    def add(self, report: dict[str, Any]) -> None:
        """Take what one test reports: `checks` as plain values, `traffic` as packed rows."""
        for values in report["checks"]:
            self.checks.append(Check(**{**values, "outcome": Outcome(values["outcome"])}))
        self.traffic.merge(report["traffic"])

    def results(self, head: dict[str, Any], seconds: float, trouble: str | None) -> Results:
        """Everything that is known, requirement by requirement, and the verdict."""
        rows = [self._row(requirement) for requirement in catalogue().values()]
        judgement = judge_run([(row["level"], row["outcome"]) for row in rows], trouble)
        failed = [row["id"] for row in rows if row["outcome"] is Outcome.FAILED]
        moment = datetime.fromtimestamp(head["started"], UTC)
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
            "notices": list(self._notices(head["documented"])),
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
        if unreached > MOSTLY * total:
            yield f"{unreached} of {total} answers were 401, 403 or 404"

    def _row(self, requirement: Requirement) -> dict[str, Any]:
        checks = [check for check in self.checks if check.requirement == requirement.id]
        outcome = outcome_of(checks)
        return {
            **asdict(requirement),
            "outcome": outcome,
            "reason": self._reason(outcome, checks),
            "checks": [asdict(check) for check in checks],
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

"""A key that moves real money is not used by mistake."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from conformance.failures import UsageError
from conformance.settings.run import Run

LIVE = "live"
TEST = "test"
READS = "reads"
WRITES = "writes"
HARMLESS = "harmless"
"""The marker of scenarios that change nothing on a server that keeps the contract."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def environment_of(run: Run) -> str:
    """`live` or `test`, as `/ping` tells it; else as the key spells it; else live, to be safe.

    What this machine itself serves is nobody's production.
    """
    if run.identity.environment in (LIVE, TEST):
        return str(run.identity.environment)
    if run.bundled or urlsplit(run.target.base_url).hostname in LOOPBACK:
        return TEST
    return TEST if TEST in run.target.token("server").partition(".")[0].split("_") else LIVE


def check_live(run: Run, others: Mapping[str, str | None], allowed: str | None) -> None:
    """UsageError for a live key that nobody allowed; `others` are environments of further keys."""
    live = [role for role, environment in others.items() if environment == LIVE]
    if environment_of(run) == LIVE:
        live.insert(0, "server")
    if live and allowed is None:
        environment = run.identity.environment or "unknown"
        raise UsageError(
            f"the {live[0]} key is live ({run.target.base_url}, environment {environment}): "
            "use a test key, or give --allow-live for what changes nothing, "
            "--allow-live=writes for everything"
        )


def harmless_only(allowed: str | None) -> bool:
    """Whether only scenarios that change nothing may run."""
    return allowed == READS

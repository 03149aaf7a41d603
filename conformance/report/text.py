"""A check as text for a terminal: requirement, expected, received, exchanges, reproduction."""

from conformance.contract.requirements import catalogue
from conformance.results.check import Check, Outcome

HEADINGS = {
    Outcome.FAILED: "is not met",
    Outcome.KNOWN: "is not met, as known",
    Outcome.WARNED: "is not met",
    Outcome.BLOCKED: "is undecided",
    Outcome.INCONCLUSIVE: "is undecided",
    Outcome.NOT_EXERCISED: "is not exercised",
    Outcome.PASSED: "is met",
}
MAX_BODY = 400


def explain(check: Check) -> str:
    """Several lines without a traceback."""
    requirement = catalogue()[check.requirement]
    lines = [
        f"{requirement.id} ({requirement.level}) {HEADINGS[check.outcome]}: {requirement.sentence}",
    ]
    if check.expected is not None and check.received is not None:
        lines += [f"  expected: {check.expected}", f"  received: {check.received}"]
    elif check.message:
        lines += [f"  {check.message}"]
    if check.exchanges:
        lines.append("  exchanges:")
    for number, exchange in enumerate(check.exchanges, 1):
        lines.append(f"    {number}. {exchange.method} {exchange.target} -> {exchange.ending}")
        bodies = (("sent", exchange.request_body), ("got", exchange.response_body))
        lines += [f"       {label}: {printable(body)}" for label, body in bodies if body]
    commands = [exchange.curl for exchange in check.exchanges if exchange.curl]
    if commands:
        lines += ["  reproduce:", *(f"    {printable(command, 2000)}" for command in commands)]
    return "\n".join(lines)


def printable(text: str, most: int = MAX_BODY) -> str:
    """One line for a terminal: escaped, and cut if it is long."""
    return visible(text if len(text) <= most else f"{text[:most]}…", keep="")


def visible(text: str, keep: str = "\n\t") -> str:
    """Escape control characters and all others that a reader cannot see."""
    return "".join(
        c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text
    )

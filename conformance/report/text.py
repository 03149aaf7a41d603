"""A check as text for a terminal: requirement, expected, received, exchanges, reproduction."""

from collections.abc import Sequence

from conformance.contract.requirements import catalogue
from conformance.results.check import Check, Outcome
from conformance.results.evidence import ShownExchange

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
MAX_EXCHANGES = 30


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
    last = last_exchanges(check.exchanges, MAX_EXCHANGES)
    earlier = len(check.exchanges) - len(last)
    if check.exchanges:
        lines.append(f"  exchanges{f', without the first {earlier}' if earlier else ''}:")
    for number, exchange in enumerate(last, earlier + 1):
        lines.append(f"    {number}. {exchange.method} {exchange.target} -> {exchange.ending}")
        bodies = (("sent", exchange.request_body), ("got", exchange.response_body))
        lines += [f"       {label}: {printable(body)}" for label, body in bodies if body]
    commands = [exchange.curl for exchange in last if exchange.curl]
    if commands:
        whole = f", all in reproduce/{requirement.id}.sh of the report" if check.expected else ""
        lines += [
            f"  reproduce{whole}:",
            *(f"    {printable(command, 2000)}" for command in commands),
        ]
    return "\n".join(lines)


def last_exchanges(exchanges: Sequence[ShownExchange], most: int) -> Sequence[ShownExchange]:
    """The last exchanges; more than `most` only where the first belongs to simultaneous ones."""
    start = max(len(exchanges) - most, 0)
    while start and exchanges[start].group is not None:
        if exchanges[start - 1].group != exchanges[start].group:
            break
        start -= 1
    return exchanges[start:]


def printable(text: str, most: int = MAX_BODY) -> str:
    """One line for a terminal: escaped, and cut if it is long."""
    return visible(text if len(text) <= most else f"{text[:most]}…", keep="")


def visible(text: str, keep: str = "\n\t") -> str:
    """Escape control characters and all others that a reader cannot see."""
    return "".join(
        c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text
    )

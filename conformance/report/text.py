"""A check as text for a terminal: requirement, expected, received, exchanges, reproduction."""

from collections.abc import Iterator, Sequence

from conformance.contract.requirements import catalogue
from conformance.report.folding import Round, endings_of, rounds, title_of
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
MAX_COMMAND = 2000
MAX_EXCHANGES = 30


def explain(check: Check) -> str:
    """Several lines without a traceback."""
    requirement = catalogue()[check.requirement]
    lines = [
        f"{requirement.id} ({requirement.level}) {HEADINGS[check.outcome]}: {requirement.sentence}",
        *difference(check),
    ]
    if check.exchanges:
        lines += ["  exchanges:", *exchanges_shown(rounds(check.exchanges))]
    commands = list(reproduction(rounds(check.exchanges)))
    if commands:
        whole = f", all in reproduce/{requirement.id}.sh of the report" if check.expected else ""
        lines += [f"  reproduce{whole}:", *commands]
    return "\n".join(lines)


def difference(check: Check) -> list[str]:
    """What was expected and received, or what else there is to say."""
    if check.expected is not None and check.received is not None:
        return [f"  expected: {check.expected}", f"  received: {check.received}"]
    return [f"  {check.message}"] if check.message else []


def exchanges_shown(found: Sequence[Round], first: int = 1) -> Iterator[str]:
    """Exchanges with their bodies, numbered from `first`; those of one moment are one entry."""
    for number, one in enumerate(found, first):
        yield f"    {number}. {_title(one)}"
        for label, body in _bodies(one):
            yield f"       {label}: {printable(body)}"


def _title(one: Round) -> str:
    between = " -> " if len(one) == 1 else ": "
    return f"{title_of(one)}{between}{endings_of(one)}"


def _bodies(one: Round) -> Iterator[tuple[str, str]]:
    """What was sent and received: of simultaneous requests the first, and each kind of answer."""
    if one[0].request_body:
        yield "sent", one[0].request_body
    kinds: dict[str, ShownExchange] = {}
    for exchange in one:
        kinds.setdefault(exchange.ending, exchange)
    for ending, exchange in kinds.items():
        if exchange.response_body:
            yield "got" if len(kinds) == 1 else f"got ({ending})", exchange.response_body


def reproduction(found: Sequence[Round]) -> Iterator[str]:
    """The commands that repeat the exchanges."""
    for one in found:
        commands = list(dict.fromkeys(exchange.curl for exchange in one if exchange.curl))
        if len(one) == 1 or not commands:
            yield from (f"    {printable(command, MAX_COMMAND)}" for command in commands)
        elif len(commands) == 1:
            command = printable(commands[0], MAX_COMMAND)
            yield f"    for i in $(seq {len(one)}); do {command} & done; wait"
        else:
            rest = f"and {len(commands) - 1} like it at the same moment, all in the report"
            yield f"    {printable(commands[0], MAX_COMMAND)}  # {rest}"


def printable(text: str, most: int = MAX_BODY) -> str:
    """One line for a terminal: escaped, and cut if it is long."""
    return visible(text if len(text) <= most else f"{text[:most]}…", keep="")


def visible(text: str, keep: str = "\n\t") -> str:
    """Escape control characters and all others that a reader cannot see."""
    return "".join(
        c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text
    )

"""What a reproduction sends, in which steps, and what it compares its answers with."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

from conformance.http.exchange import GATEWAY_STATUSES
from conformance.report.made_by_server import extractions, literals, moments
from conformance.results.check import Check
from conformance.results.document import Document, RequirementResult
from conformance.results.evidence import BODIES, ShownExchange

REPEATED = 5
"""So many equal requests in a row are a loop."""
NAME = re.compile("[A-Za-z_][A-Za-z0-9_]*")
VARIABLE = "KRATY_{}_KEY"
UNANSWERED = (429, None, *GATEWAY_STATUSES)


def is_racing(exchanges: Sequence[ShownExchange]) -> bool:
    """Whether some of the exchanges were simultaneous."""
    return any(exchange.group is not None for exchange in exchanges)


@dataclass(frozen=True)
class Step:
    """Exchanges by number: one, equal ones in a row, or simultaneous ones."""

    numbers: tuple[int, ...]
    is_group: bool = False


class Plan:
    """How one failure is reproduced."""

    def __init__(self, row: RequirementResult, check: Check, document: Document) -> None:
        self.row = row
        self.check = check
        self.document = document
        self.exchanges = dict(enumerate(_without_repetitions(check.exchanges), 1))
        self.prefix = f"kc-{document.run.id}"
        named = document.target.key_variables
        variables = {role: named.get(role, "") for role in document.target.keys}
        self.keys = {
            role: name if NAME.fullmatch(name) else VARIABLE.format(role.upper())
            for role, name in variables.items()
        }
        shown = list(self.exchanges.values())
        made, self.extractions = extractions(shown, self.prefix)
        self.moments = {
            text: (f"T{n}", seconds) for n, (text, seconds) in enumerate(moments(shown).items(), 1)
        }
        self.variables = {
            self.prefix: "$RUN",
            self.prefix.upper(): "$RUN_UPPER",
            **made,
            **{text: f"${name}" for text, (name, _) in self.moments.items()},
        }
        self.steps = list(self._steps())

    def _steps(self) -> Iterator[Step]:
        def kind(item: tuple[int, ShownExchange]) -> object:
            return item[1].group or request_of(item[1])

        for _, found in groupby(self.exchanges.items(), key=kind):
            run = list(found)
            numbers = tuple(number for number, _ in run)
            if run[0][1].group is not None:
                yield Step(numbers, is_group=True)
            elif len(numbers) < REPEATED:
                yield from (Step((number,)) for number in numbers)
            else:
                ends = run[-1][1].status != run[0][1].status
                yield Step(numbers[:-1] if ends else numbers)
                if ends:
                    yield Step(numbers[-1:])

    @property
    def is_racing(self) -> bool:
        """Whether simultaneous requests decide."""
        return is_racing(self.check.exchanges)

    @cached_property
    def is_judged(self) -> bool:
        """Whether a comparison with the recorded answers says anything.

        Clients with several calls each are answered otherwise every time.
        """
        lanes = [(one.group, one.lane) for one in self.exchanges.values() if one.group is not None]
        return len(set(lanes)) == len(lanes)

    @cached_property
    def has_control(self) -> bool:
        """Whether the simultaneous requests, one after another, have the same right answers.

        That is so for equal operations.
        """
        return self.is_judged and not self._mixed()

    def _mixed(self) -> list[tuple[int, ...]]:
        """The groups of different operations."""
        return [
            step.numbers
            for step in self.steps
            if step.is_group and len({self.exchanges[n].operation for n in step.numbers}) > 1
        ]

    @property
    def kind(self) -> str:
        """The class of the failure, by what its reproduction takes."""
        if not self.is_judged:
            return "clients with several calls each"
        if self.is_racing:
            return "simultaneous requests"
        if len(self.exchanges) == 1:
            return "one request"
        return "a sequence of requests"

    @cached_property
    def recorded(self) -> dict[str, object]:
        """What the script compares its answers with."""
        shown = self.exchanges.values()
        names = {name.lower() for one in shown for name, _ in one.response_headers}
        made = [value for value in self.variables if not self.variables[value].startswith("$RUN")]
        sent = {text.replace(self.prefix, "<run>") for text in literals(shown, made)}
        return {
            "requirement": self.row.id,
            "prefix": self.prefix,
            "keys": self.keys,
            "sent": sorted(sent),
            "headers": _mentioned(self.check, names),
            "steps": [step.numbers for step in self.steps],
            "groups": [step.numbers for step in self.steps if step.is_group],
            "mixed": self._mixed(),
            "answers": {
                number: {
                    "status": one.status,
                    "headers": {name.lower(): value for name, value in one.response_headers},
                    **(
                        {"file": f"{BODIES}/{one.response_file}", "body": ""}
                        if one.response_file
                        else {"body": one.response_body}
                    ),
                }
                for number, one in self.exchanges.items()
            },
        }


def _without_repetitions(exchanges: Sequence[ShownExchange]) -> list[ShownExchange]:
    """The exchanges without those that a gateway, the network or a 429 made the suite repeat."""
    following = [*exchanges[1:], None]
    return [
        one
        for one, after in zip(exchanges, following, strict=True)
        if after is None
        or one.group is not None
        or one.status not in UNANSWERED
        or request_of(one) != request_of(after)
    ]


def request_of(one: ShownExchange) -> tuple[object, ...]:
    """What a request is, for a comparison with another."""
    return (one.method, one.target, one.request_headers, one.request_body, one.request_file)


def _mentioned(check: Check, names: set[str]) -> list[str]:
    """The headers that a failure is about."""
    said = f"{check.expected} {check.received} {check.message}"
    named = {name for name in names if "-" in name and name in said.lower()}
    named |= {word.lower() for word in re.findall(r"\b(?:Allow|[A-Z]\w+(?:-[A-Z]\w+)+)\b", said)}
    return sorted(named - {"content-type"})

"""Folds what is equal: failures with one cause, and requests that were sent at one moment.

The terminal, the page and the summary show each kind of failure once, the most telling first.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from conformance.results.check import WORST_FIRST, Check, Outcome
from conformance.results.document import RequirementResult
from conformance.results.evidence import ShownExchange

GENERATED = {"test_sequences.py": 1, "test_histories.py": 1, "test_fuzzing.py": 2}
"""Modules whose failures are harder to read than those of written scenarios, and how much."""
SAME_MOMENT = 0.005
"""Seconds. Requests of one thread never overlap; those of one moment start together."""
MANY_WAITING = 2
"""From so many waiting tests on, a reader is told where to begin."""
_OF_ONE_RUN = re.compile(
    r"kc-[0-9a-f]{8}[\w-]*"  # names of the run
    r"|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)"
)

Round = tuple[ShownExchange, ...]
"""Exchanges of one moment; nearly always a single one."""


def unnamed(text: str) -> str:
    """The text without names and moments, which differ in each test."""
    return _OF_ONE_RUN.sub("…", text)


def expectation_of(check: Check) -> str:
    """What was expected in words that equal failures share; without it, the message.

    Numbers are left out, unless they are statuses.
    """
    text = unnamed(check.expected or check.message)
    return text if "status" in text else re.sub(r"\d+", "#", text)


@dataclass(frozen=True)
class Fold:
    """Failures with the same expectation, operation and status.

    `check` is the one with the clearest evidence, `tests` are those behind all of them, its own
    first.
    """

    check: Check
    tests: tuple[str, ...]

    @property
    def others(self) -> int:
        """How many tests failed like the shown one."""
        return len(self.tests) - 1

    @property
    def more(self) -> str:
        """How many, in words; nothing if there are none."""
        return f", and {self.others} more like it" if self.others else ""

    @property
    def expectation(self) -> str:
        """What was expected, in the words that all of them share."""
        return expectation_of(self.check)

    @property
    def where(self) -> str:
        """Operation and status of the exchange that showed it; the test if there is none."""
        last = last_of(self.check)
        return f"{last.operation} {last.ending}" if last else self.check.test


def last_of(check: Check) -> ShownExchange | None:
    """The exchange that showed what is wrong."""
    return check.exchanges[-1] if check.exchanges else None


def fold(checks: Iterable[Check]) -> list[Fold]:
    """Checks of one requirement and outcome, equal ones folded, the most telling first."""
    kinds: dict[tuple[str | None, ...], list[Check]] = defaultdict(list)
    for check in checks:
        last = last_of(check)
        about = (last.operation, last.ending) if last else ()
        kinds[check.blamed or expectation_of(check), *about].append(check)
    folded = [Fold(sorted(found, key=clarity)[0], _tests(found)) for found in kinds.values()]
    return sorted(folded, key=lambda one: (clarity(one.check)[:2], -len(one.tests)))


def _tests(checks: Sequence[Check]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(check.test for check in sorted(checks, key=clarity)))


def clarity(check: Check) -> tuple[int, int, int]:
    """Sorts checks: scenarios before generated cases, then the shortest evidence.

    A check without any evidence comes last of its kind.
    """
    module = check.test.partition("::")[0].rpartition("/")[2]
    size = sum(len(one.target) + len(one.request_body) for one in check.exchanges)
    return GENERATED.get(module, 0), len(rounds(check.exchanges)) or len(check.test), size


def rounds(exchanges: Sequence[ShownExchange]) -> list[Round]:
    """The exchanges in order, those of one operation and one moment together."""
    found: list[Round] = []
    for exchange in exchanges:
        if found and _is_of_one_moment(found[-1][0], exchange):
            found[-1] += (exchange,)
        else:
            found.append((exchange,))
    return found


def _is_of_one_moment(first: ShownExchange, second: ShownExchange) -> bool:
    same = (first.operation, first.method) == (second.operation, second.method)
    if first.group is not None or second.group is not None:
        return same and first.group == second.group and first.started_at == second.started_at
    later = second.started_at - first.started_at  # results of earlier versions have no groups
    return same and abs(later) <= SAME_MOMENT and later < first.seconds


def title_of(one: Round) -> str:
    """A line for exchanges of one moment: `POST /path, 16 at once`."""
    first = one[0]
    if len(one) == 1:
        return f"{first.method} {first.target}"
    same = len({exchange.target for exchange in one}) == 1
    return f"{first.method} {first.target if same else unnamed(first.target)}, {len(one)} at once"


def endings_of(one: Round) -> str:
    """How they ended: `201`, or `200 ×13, 409 ×3`."""
    if len(one) == 1:
        return one[0].ending
    counts = Counter(exchange.ending for exchange in one)
    return ", ".join(f"{ending} ×{count}" for ending, count in counts.most_common())


def waiting(checks: Iterable[Check]) -> dict[str, int]:
    """How many tests wait for each requirement that blocks any, the most wanted first."""
    found: dict[str, set[str]] = defaultdict(set)
    for check in checks:
        if check.outcome is Outcome.BLOCKED and check.blamed:
            found[check.blamed].add(check.test)
    return dict(Counter({id: len(tests) for id, tests in found.items()}).most_common())


def where_to_begin(checks: Iterable[Check]) -> str | None:
    """The requirement to look at first, if several tests wait for it."""
    id, tests = next(iter(waiting(checks).items()), ("", 0))
    return f"begin with {id}: {tests} tests wait for it" if tests >= MANY_WAITING else None


def most_telling_first(rows: Iterable[RequirementResult]) -> list[RequirementResult]:
    """Requirements in the order to read them in.

    The worst outcome is first; then what others wait for, what scenarios found, what most tests
    found.
    """
    found = list(rows)
    waits = waiting(check for row in found for check in row.checks)

    def place(row: RequirementResult) -> tuple[int, int, int, int]:
        own = [check for check in row.checks if check.outcome is row.outcome]
        kind = min((clarity(check)[0] for check in own), default=0)
        return WORST_FIRST.index(row.outcome), -waits.get(row.id, 0), kind, -len(own)

    return sorted(found, key=place)


def telling(row: RequirementResult) -> list[Fold]:
    """What made the requirement's outcome, folded."""
    return fold(check for check in row.checks if check.outcome is row.outcome)

"""`reproduce/`: for each requirement that failed a shell script that shows the failure again.

Made from the results alone. Names get a new prefix, ids of the server are read from its answers,
and keys come from the environment.
"""

import json
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path

from conformance.http.exchange import GATEWAY_STATUSES, header
from conformance.report import compare_answers
from conformance.report.made_by_server import extractions, literals, moments
from conformance.report.shell import comment, roles_in, word
from conformance.report.text import visible
from conformance.results.check import Check, Outcome
from conformance.results.document import Document, RequirementResult
from conformance.results.evidence import BODIES, ShownExchange

FOLDER = "reproduce"
SHOWN = (Outcome.FAILED, Outcome.KNOWN, Outcome.WARNED)
MAX_WORD = 4000
"""A longer body is a file."""
PAUSE = 0.25
"""Seconds between two exchanges beyond which the script waits as well."""
REPEATED = 5
"""So many equal requests in a row are a loop."""
ROUNDS = 10
VARIABLE = "KRATY_{}_KEY"
UNUSUAL_TARGET = re.compile(r"[^!$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]")

UNANSWERED = (429, None, *GATEWAY_STATUSES)
BY_THE_SUITE = """\
echo 'The answers of simultaneous clients differ every time: the suite has to judge them.'
if command -v kraty-conformance > /dev/null; then
kraty-conformance replay "$HERE/.." {} --base-url "$BASE_URL"
exit $?
fi
echo 'not decided: kraty-conformance is not installed here'
exit 3"""
ONE_ROUND = ("PARALLEL='--parallel --parallel-immediate --parallel-max 100'", "DIR=$OUT/1", "round")
CONCLUSION = (
    "case $? in",
    "0) echo 'not reproduced'; exit 0;;",
    "1) echo reproduced; exit 1;;",
    "*) echo 'not decided: the answers could not be compared'; exit 3;;",
    "esac",
)
HELPERS = r"""
OUT=$(mktemp -d) && trap 'rm -rf "$OUT"' EXIT
send() { # send NUMBER METHOD TARGET [OPTIONS OF CURL]
  number=$1 method=$2 target=$3
  shift 3
  curl -sS -g --path-as-is ${CURL_OPTIONS:-} -D "$DIR/$number.head" -o "$DIR/$number.body" \
    -X "$method" "$@" "$BASE_URL$target"
}
show() { # show NUMBER REQUEST
  printf '%s. %s -> ' "$1" "$2"
  if [ -s "$DIR/$1.head" ]; then
    grep '^HTTP/' "$DIR/$1.head" | tail -n 1 | tr -d '\r'
  else
    echo 'no answer'
  fi
  [ -s "$DIR/$1.body" ] && head -c 600 "$DIR/$1.body" && echo
}
value() { # value NUMBER MEMBER...: a member of the JSON body of an answer
  from=$DIR/$1.body
  shift
  set -- "$from" "$@"
  python3 -c 'import json, sys
try:
    found = json.load(open(sys.argv[1], encoding="utf-8"))
    for name in sys.argv[2:]:
        found = found[int(name) if isinstance(found, list) else name]
    print(found)
except (OSError, ValueError, LookupError, TypeError):
    print("missing")' "$@"
}
filled() { # filled NUMBER FILE OPTIONS OF SED: a file with the body, names and ids of this round
  from=$2 to=$DIR/$1.request
  shift 2
  LC_ALL=C sed "$@" "$from" > "$to"
  echo "$to"
}
moment() { # moment SECONDS: the date-time so many seconds from now
  python3 -c 'import datetime, sys
now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=int(sys.argv[1]))
print(now.strftime("%Y-%m-%dT%H:%M:%SZ"))' "$1"
}
retry_after() { # retry_after NUMBER SECONDS: what the answer asks for; without it SECONDS
  found=$(tr -d '\r' < "$DIR/$1.head" | sed -n 's/^[Rr]etry-[Aa]fter: *\([0-9][0-9]*\)$/\1/p')
  echo "${found:-$2}"
}
"""


def write_reproductions(directory: Path, document: Document) -> None:
    """Write the scripts; remove all older ones. OSError if the disk is full."""
    folder = directory / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    for row in document.requirements:
        found = reproduction_of(row, document)
        if found is None:
            continue
        folder.mkdir(exist_ok=True)
        shutil.copyfile(compare_answers.__file__, folder / "compare_answers.py")
        for name, body in found.files.items():
            (directory / BODIES).mkdir(exist_ok=True)
            (directory / BODIES / name).write_bytes(body)
        _write(folder / f"{row.id}.json", json.dumps(found.recorded, indent=1))
        _write(folder / f"{row.id}.sh", found.script)
        (folder / f"{row.id}.sh").chmod(0o755)


def _write(file: Path, text: str) -> None:
    file.write_bytes(text.encode("utf-8", "backslashreplace"))


def reproduction_of(row: RequirementResult, document: Document) -> "Reproduction | None":
    """The script of the shortest failure of a requirement, if it has one with exchanges."""
    checks = [check for check in row.checks if check.outcome in SHOWN and check.exchanges]
    if not checks:
        return None
    check = min(checks, key=lambda check: (is_racing(check.exchanges), len(check.exchanges)))
    return Reproduction(row, check, document)


def is_racing(exchanges: Sequence[ShownExchange]) -> bool:
    """Whether some of the exchanges were simultaneous."""
    return any(exchange.group is not None for exchange in exchanges)


@dataclass(frozen=True)
class Step:
    """Exchanges by number: one, equal ones in a row, or simultaneous ones."""

    numbers: tuple[int, ...]
    is_group: bool = False


class Reproduction:
    """One script: its text, what it compares with, and the bodies that it needs as files."""

    def __init__(self, row: RequirementResult, check: Check, document: Document) -> None:
        self.row = row
        self.check = check
        self.document = document
        self.exchanges = dict(enumerate(_without_repetitions(check.exchanges), 1))
        self.prefix = f"kc-{document.run.id}"
        self.files: dict[str, bytes] = {}
        named = document.target.key_variables
        self.keys = {
            role: named.get(role, VARIABLE.format(role.upper())) for role in document.target.keys
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
            return item[1].group or _sent(item[1])

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
        groups = [step for step in self.steps if step.is_group]
        return self.is_judged and all(
            len({self.exchanges[number].operation for number in step.numbers}) == 1
            for step in groups
        )

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

    @cached_property
    def script(self) -> str:
        """The text of the script."""
        body = "\n".join(self._round())
        return "\n".join(
            [
                "#!/bin/sh",
                comment(self._introduction()),
                "(",
                "set -u",
                f"BASE_URL=${{BASE_URL:-{word(self.document.target.base_url, {}, {})}}}",
                *self._needed_keys(),
                'HERE=${HERE:-$(cd "$(dirname -- "$0")" && pwd)}',
                HELPERS.strip(),
                "round() {",
                'mkdir -p "$DIR"',
                "RUN=kc-$(od -An -N4 -tx1 /dev/urandom | tr -d ' \\n')",
                *(['RUN_UPPER=$(echo "$RUN" | tr a-z A-Z)'] if "$RUN_UPPER" in body else []),
                'echo "$RUN" > "$DIR/run"',
                *(f"{name}=$(moment {seconds})" for name, seconds in self.moments.values()),
                body,
                "}",
                *self._judgement(),
                ")",
                "",
            ]
        )

    def _introduction(self) -> str:
        check, row, run = self.check, self.row, self.document.run
        lines = [
            f"{row.id} ({row.level}): {row.sentence}",
            f"test:     {check.test}, run {run.id}, seed {run.seed}",
            f"expected: {visible(check.expected or check.message, keep='')}",
            f"received: {visible(check.received or '', keep='')}",
            "",
            "Needs curl 7.68 or newer and python3. Set BASE_URL for another server, CURL_OPTIONS",
            "for curl's own options, such as --cacert FILE. To paste it into sh or bash, go to its",
            "folder first, where it finds what it compares with.",
            "All names have a new prefix in each round. The players stay on the server.",
            "Exit code: 1 reproduced, 0 not reproduced, 2 wrong usage, 3 not decided.",
        ]
        if check.omitted:
            lines.append(f"{check.omitted} exchanges before these were not recorded.")
        left_out = len(check.exchanges) - len(self.exchanges)
        if left_out:
            lines.append(f"Left out: {left_out} requests that the suite had to repeat, as a 429,")
            lines.append("a gateway or the network had kept them from an answer.")
        if self.document.target.bundled:
            fault = self.document.target.fault
            started = f"kraty-conformance serve --window 1{f' --fault {fault}' if fault else ''}"
            lines.append(f"The server of the run is gone: start one with `{started}`.")
        return "\n".join(lines)

    def _needed_keys(self) -> list[str]:
        values = [value for one in self.exchanges.values() for _, value in one.request_headers]
        values += [one.request_body + one.target for one in self.exchanges.values()]
        roles = sorted(set().union(*map(roles_in, values)) & set(self.keys))
        return [
            f'[ -n "${{{name}:-}}" ] || {{ echo "export {name}, the {role} key" >&2; exit 2; }}'
            for role, name in ((role, self.keys[role]) for role in roles)
        ]

    def _round(self) -> Iterator[str]:
        """The lines that send everything once."""
        ended, asked = 0.0, None
        for step in self.steps:
            first = self.exchanges[step.numbers[0]]
            pause = first.started_at - ended
            if ended and pause >= PAUSE:
                waiting = f"retry_after {asked} {pause:.1f}" if asked else f"echo {pause:.1f}"
                yield f'sleep "$({waiting})"'
            yield from self._sent(step)
            for number in step.numbers:
                one = self.exchanges[number]
                ended = max(ended, one.started_at + one.seconds)
                if header(one.response_headers, "retry-after"):
                    asked = number
            for known in self.extractions:
                if known.number in step.numbers:
                    path = " ".join(word(str(part), {}, {}) for part in known.path)
                    yield f"{known.variable}=$(value {known.number} {path})"

    def _sent(self, step: Step) -> Iterator[str]:
        number, shown = step.numbers[0], self._title(step.numbers[0])
        if step.is_group:
            yield from self._together(step)
        elif len(step.numbers) == 1:
            yield f"# {number}. {shown}: {self.exchanges[number].ending}"
            yield f"send {number} {self._request(number)}"
            yield f"show {number} {word(shown, {}, {})}"
        else:
            last = step.numbers[-1]
            yield f"# {number} to {last}. {shown}: {self.exchanges[number].ending}"
            yield f"number={number}"
            yield f"while [ $number -le {last} ]; do"
            yield f'send "$number" {self._request(number)}'
            yield f'show "$number" {word(shown, {}, {})}'
            yield "number=$((number + 1))"
            yield "done"

    def _together(self, step: Step) -> Iterator[str]:
        lanes: dict[int | None, list[int]] = {}
        for number in step.numbers:
            lanes.setdefault(self.exchanges[number].lane, []).append(number)
        first, last = step.numbers[0], step.numbers[-1]
        yield f"# {first} to {last}: simultaneous"
        if any(len(lane) > 1 for lane in lanes.values()):
            for lane in lanes.values():
                yield "("
                yield from (f"send {number} {self._request(number)}" for number in lane)
                yield ") &"
            yield "wait"
        else:
            yield "curl -sS $PARALLEL -g --path-as-is ${CURL_OPTIONS:-} \\"
            parts = (self._transfer(number) for number in step.numbers)
            yield " \\\n  --next -sS -g --path-as-is ${CURL_OPTIONS:-} ".join(parts)
        for number in step.numbers:
            yield f"show {number} {word(self._title(number), {}, {})}"

    def _transfer(self, number: int) -> str:
        request = self._request(number, with_url=True)
        return f'-D "$DIR/{number}.head" -o "$DIR/{number}.body" -X {request}'

    def _title(self, number: int) -> str:
        one = self.exchanges[number]
        return visible(f"{one.method} {one.target}", keep="")[:200]

    def _request(self, number: int, *, with_url: bool = False) -> str:
        """Method, target and options of an exchange, for `send` or for curl itself."""
        one = self.exchanges[number]
        target = self._word(one.target)
        if with_url:
            target = f'"$BASE_URL"{target}'
        parts = [word(one.method, {}, {}), target]
        if UNUSUAL_TARGET.search(one.target):
            parts += ["--request-target", self._word(one.target)]
        if one.method == "HEAD":
            parts.append("--head")
        names = {name.lower() for name, _ in one.request_headers}
        for name, value in one.request_headers:
            text = f"{name}: {value}" if value else f"{name};"
            parts += ["-H", self._word(text)]
        has_body = one.request_body or one.method != "GET"
        wanted = ("accept", "content-type") if has_body else ("accept",)
        parts += [f"-H '{name.title()}:'" for name in wanted if name not in names]
        parts += self._body(number)
        return " ".join(parts)

    def _body(self, number: int) -> list[str]:
        one = self.exchanges[number]
        if not one.request_body and one.method == "GET":
            return []
        name, body = one.request_file, one.request_body
        is_word = len(body) <= MAX_WORD and all(c.isprintable() or c in "\n\t" for c in body)
        if name is None and is_word:
            return ["--data-raw", self._word(body)]
        if name is None:
            name = f"{self.row.id}-{len(self.files) + 1}"
            self.files[name] = body.encode("utf-8", "backslashreplace")
        edits = " ".join(
            f'-e "s/{text.replace(".", "[.]")}/{expansion}/g"'
            for text, expansion in self.variables.items()
            if text in body or text == self.prefix
        )
        file = f'"$HERE/../{BODIES}/{name}"'
        return [f"-H 'Expect:' --data-binary @\"$(filled {number} {file} {edits})\""]

    def _word(self, text: str) -> str:
        return word(text, self.variables, self.keys)

    def _judgement(self) -> list[str]:
        """The lines that run the rounds and end with an exit code."""
        if not self.is_judged:
            return [*ONE_ROUND, BY_THE_SUITE.format(self.row.id)]
        judge = f'python3 "$HERE/compare_answers.py" "$HERE/{self.row.id}.json" "$DIR"'
        refused = [number for number, one in self.exchanges.items() if one.status == 429]
        if not self.is_racing and not refused:
            return [*ONE_ROUND, judge, *CONCLUSION]
        again = [f'[ "$code" = 1 ] || sleep "$(retry_after {refused[-1]} 1)"'] if refused else []
        has_control = self.is_racing and self.has_control
        control = ["PARALLEL= DIR=$OUT/control", "round > /dev/null"] if has_control else []
        return [
            *control,
            "PARALLEL='--parallel --parallel-immediate --parallel-max 100'",
            "turn=0 code=0",
            f'while [ "$code" = 0 ] && [ $turn -lt {ROUNDS} ]; do',
            "turn=$((turn + 1)) DIR=$OUT/$turn",
            'echo "round $turn"',
            "round",
            f'{judge} "$OUT/control"' if control else judge,
            "code=$?",
            *again,
            "done",
            "(exit $code)",
            *CONCLUSION,
        ]


def _without_repetitions(exchanges: Sequence[ShownExchange]) -> list[ShownExchange]:
    """The exchanges without those that a gateway, the network or a 429 made the suite repeat."""
    following = [*exchanges[1:], None]
    return [
        one
        for one, after in zip(exchanges, following, strict=True)
        if after is None
        or one.group is not None
        or one.status not in UNANSWERED
        or _sent(one) != _sent(after)
    ]


def _sent(one: ShownExchange) -> tuple[object, ...]:
    """What a request is, for a comparison with another."""
    return (one.method, one.target, one.request_headers, one.request_body, one.request_file)


def _mentioned(check: Check, names: set[str]) -> list[str]:
    """The headers that a failure is about."""
    said = f"{check.expected} {check.received} {check.message}"
    named = {name for name in names if "-" in name and name in said.lower()}
    named |= {word.lower() for word in re.findall(r"\b(?:Allow|[A-Z]\w+(?:-[A-Z]\w+)+)\b", said)}
    return sorted(named - {"content-type"})

"""The shell script of a reproduction, line by line."""

import re
from collections.abc import Iterator
from pathlib import Path

from conformance.http.exchange import header
from conformance.report.reproduction_plan import Plan, Step
from conformance.report.shell import comment, roles_in, word
from conformance.report.text import visible
from conformance.results.evidence import BODIES

HELPERS = Path(__file__).with_name("templates") / "reproduce.sh"
"""The functions that every script has."""
MAX_WORD = 4000
"""A longer body is a file."""
PAUSE = 0.25
"""Seconds between two exchanges beyond which the script waits as well."""
ROUNDS = 10
"""How often simultaneous requests are tried, and those that spend a budget."""
UNUSUAL_TARGET = re.compile(r"[^!$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]")
BY_THE_SUITE = """\
echo 'The answers of simultaneous clients differ every time: the suite has to judge them.'
if command -v kraty-conformance > /dev/null; then
kraty-conformance replay "$HERE/.." {} --base-url "$BASE_URL"
exit $?
fi
echo 'not decided: kraty-conformance is not installed here'
exit 3"""
ONE_ROUND = (
    "PARALLEL='--no-progress-meter --parallel --parallel-immediate --parallel-max 100'",
    "DIR=$OUT/1",
    "round",
)
CONCLUSION = (
    "case $? in",
    "0) echo 'not reproduced'; exit 0;;",
    "1) echo reproduced; exit 1;;",
    "*) echo 'not decided: the answers could not be compared'; exit 3;;",
    "esac",
)


class Script:
    """Writes one script. `files` are the bodies that it needs besides those of the results."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.files: dict[str, bytes] = {}

    def text(self) -> str:
        """The text of the script."""
        body = "\n".join(self._round())
        return "\n".join(
            [
                "#!/bin/sh",
                comment(self._introduction()),
                "(",
                "set -u",
                f"BASE_URL=${{BASE_URL:-{word(self.plan.document.target.base_url, {}, {})}}}",
                *self._needed_keys(),
                'HERE=${HERE:-$(cd "$(dirname -- "$0")" && pwd)}',
                HELPERS.read_text(encoding="utf-8").strip(),
                "round() {",
                'mkdir -p "$DIR"',
                "RUN=kc-$(od -An -N4 -tx1 /dev/urandom | tr -d ' \\n')",
                *(['RUN_UPPER=$(echo "$RUN" | tr a-z A-Z)'] if "$RUN_UPPER" in body else []),
                'echo "$RUN" > "$DIR/run"',
                *(f"{name}=$(moment {seconds})" for name, seconds in self.plan.moments.values()),
                body,
                "}",
                *self._judgement(),
                ")",
                "",
            ]
        )

    def _introduction(self) -> str:
        check, row, run = self.plan.check, self.plan.row, self.plan.document.run
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
        left_out = len(check.exchanges) - len(self.plan.exchanges)
        if left_out:
            lines.append(f"Left out: {left_out} requests that the suite had to repeat, as a 429,")
            lines.append("a gateway or the network had kept them from an answer.")
        if self.plan.document.target.bundled:
            fault = self.plan.document.target.fault
            started = f"kraty-conformance serve --window 1{f' --fault {fault}' if fault else ''}"
            lines.append(f"The server of the run is gone: start one with `{started}`.")
        return "\n".join(lines)

    def _needed_keys(self) -> list[str]:
        values = [value for one in self.plan.exchanges.values() for _, value in one.request_headers]
        values += [one.request_body + one.target for one in self.plan.exchanges.values()]
        roles = sorted(set().union(*map(roles_in, values)) & set(self.plan.keys))
        return [
            f'[ -n "${{{name}:-}}" ] || {{ echo "export {name}, the {role} key" >&2; exit 2; }}'
            for role, name in ((role, self.plan.keys[role]) for role in roles)
        ]

    def _round(self) -> Iterator[str]:
        """The lines that send everything once."""
        ended, asked = 0.0, None
        for step in self.plan.steps:
            first = self.plan.exchanges[step.numbers[0]]
            pause = first.started_at - ended
            if ended and pause >= PAUSE:
                waiting = f"retry_after {asked} {pause:.1f}" if asked else f"echo {pause:.1f}"
                yield f'sleep "$({waiting})"'
            yield from self._sent(step)
            for number in step.numbers:
                one = self.plan.exchanges[number]
                ended = max(ended, one.started_at + one.seconds)
                if header(one.response_headers, "retry-after"):
                    asked = number
            for known in self.plan.extractions:
                if known.number in step.numbers:
                    path = " ".join(word(str(part), {}, {}) for part in known.path)
                    yield f"{known.variable}=$(value {known.number} {path})"

    def _sent(self, step: Step) -> Iterator[str]:
        number, shown = step.numbers[0], self._title(step.numbers[0])
        if step.is_group:
            yield from self._together(step)
        elif len(step.numbers) == 1:
            yield f"# {number}. {shown}: {self._ending(number)}"
            yield f"send {number} {self._request(number)}"
            yield f"show {number} {word(shown, {}, {})}"
        else:
            last = step.numbers[-1]
            yield f"# {number} to {last}. {shown}: {self._ending(number)}"
            yield f"number={number}"
            yield f"while [ $number -le {last} ]; do"
            yield f'send "$number" {self._request(number)}'
            yield f'show "$number" {word(shown, {}, {})}'
            yield "number=$((number + 1))"
            yield "done"

    def _together(self, step: Step) -> Iterator[str]:
        lanes: dict[int | None, list[int]] = {}
        for number in step.numbers:
            lanes.setdefault(self.plan.exchanges[number].lane, []).append(number)
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
        one = self.plan.exchanges[number]
        return visible(f"{one.method} {one.target}", keep="")[:200]

    def _ending(self, number: int) -> str:
        return visible(self.plan.exchanges[number].ending, keep="")[:200]

    def _request(self, number: int, *, with_url: bool = False) -> str:
        """Method, target and options of an exchange, for `send` or for curl itself."""
        one = self.plan.exchanges[number]
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
        one = self.plan.exchanges[number]
        if not one.request_body and one.method == "GET":
            return []
        name, body = one.request_file, one.request_body
        is_word = len(body) <= MAX_WORD and all(c.isprintable() or c in "\n\t" for c in body)
        if name is None and is_word:
            return ["--data-raw", self._word(body)]
        if name is None:
            name = f"{self.plan.row.id}-{len(self.files) + 1}"
            self.files[name] = body.encode("utf-8", "backslashreplace")
        edits = " ".join(
            f'-e "s/{text.replace(".", "[.]")}/{expansion}/g"'
            for text, expansion in self.plan.variables.items()
            if text in body or text == self.plan.prefix
        )
        file = f'"$HERE/../{BODIES}/{name}"'
        return [f"-H 'Expect:' --data-binary @\"$(filled {number} {file} {edits})\""]

    def _word(self, text: str) -> str:
        return word(text, self.plan.variables, self.plan.keys)

    def _judgement(self) -> list[str]:
        """The lines that run the rounds and end with an exit code."""
        if not self.plan.is_judged:
            return [*ONE_ROUND, BY_THE_SUITE.format(self.plan.row.id)]
        judge = f'python3 "$HERE/compare_answers.py" "$HERE/{self.plan.row.id}.json" "$DIR"'
        refused = [number for number, one in self.plan.exchanges.items() if one.status == 429]
        if not self.plan.is_racing and not refused:
            return [*ONE_ROUND, judge, *CONCLUSION]
        again = [f'[ "$code" = 1 ] || sleep "$(retry_after {refused[-1]} 1)"'] if refused else []
        has_control = self.plan.is_racing and self.plan.has_control
        control = ["PARALLEL= DIR=$OUT/control", "round > /dev/null"] if has_control else []
        return [
            *control,
            "PARALLEL='--no-progress-meter --parallel --parallel-immediate --parallel-max 100'",
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

"""Compares the answers of a reproduction with recorded ones.

A copy of this file lies beside the scripts of a report, which call it. It needs Python alone.

Usage: compare_answers.py RECORDED.json FOLDER [CONTROL]

FOLDER holds an answer as `N.head` and `N.body` for each exchange N. CONTROL is such a folder too:
there the simultaneous requests went out one after another. Exit code 1: the same wrong answer came
again; 0: it did not; 3: there was no answer at all.
"""

import json
import os
import re
import sys
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

REPRODUCED, NOT_REPRODUCED, UNDECIDED = 1, 0, 3
TIME = re.compile(r"\d{4}-\d\d-\d\d([T ])\d\d:\d\d:\d\d(\.\d+)?(.*)", re.DOTALL)
ID = re.compile(r"(?=.*\d)[\w.:~+/=-]{8,}", re.ASCII)
MASK = re.compile(r"\[\w+ key[a-z, ]*\]")
MOVING = re.compile("last|updated|exported", re.IGNORECASE)
SHORTEST_SECRET = 8
SHOWN = 300


@dataclass(frozen=True)
class Answer:
    """An answer; `status` is None if there was none."""

    status: int | None
    headers: dict[str, str]
    body: bytes


def recorded_answer(exchange: dict[str, Any], folder: Path) -> Answer:
    """An answer as the report has it, a long body in a file."""
    file = exchange.get("file")
    body = (folder / file).read_bytes() if file else exchange["body"].encode("utf-8", "replace")
    return Answer(exchange["status"], exchange["headers"], body)


def received_answer(folder: Path, number: int) -> Answer:
    """An answer as curl wrote it."""
    head, body = folder / f"{number}.head", folder / f"{number}.body"
    if not head.exists():
        return Answer(None, {}, b"")
    block = re.split(r"\r?\n\r?\n", head.read_text("latin-1").strip())[-1].splitlines() or [""]
    found = re.match(r"HTTP/\S+ (\d+)", block[0])
    pairs = (line.partition(":") for line in block[1:])
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    content = body.read_bytes() if body.exists() else b""
    return Answer(int(found[1]) if found else None, headers, content)


@dataclass
class Normaliser:
    """Makes the answers of two runs comparable.

    Names of the run, ids and times that the server made become numbers in the order of their
    appearance. What the requests sent stays as it is. `keys` are masks by the secrets that they
    replace. Times differ within one object, but for those that move with every request. What
    is `together` has no order, and lists after it have none where `unordered` is set.
    """

    prefix: str
    sent: frozenset[str]
    keys: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    ordered: Counter[str] = field(default_factory=Counter)
    together: bool = False
    unordered: bool = False

    def value(self, value: Any, member: str = "", owner: str = "") -> Any:
        """A JSON value, normalised; `owner` is the id of the object that it belongs to."""
        if isinstance(value, dict):
            own = str(value.get("id", owner))
            error = isinstance(value.get("code"), str) and "message" in value
            return {
                self.text(name): self.message(part)
                if error and name == "message"
                else self.value(part, name, own)
                for name, part in sorted(value.items())
            }
        if isinstance(value, list):
            parts = [self.value(part, member, owner) for part in value]
            return sorted(parts, key=json.dumps) if self.unordered else parts
        return self.text(value, member, owner) if isinstance(value, str) else value

    def message(self, text: Any) -> str:
        """Of the message of an error only the secrets in it."""
        return " ".join(["…", *MASK.findall(self.masked(str(text)))])

    def masked(self, text: str) -> str:
        """The text without secrets."""
        for secret, mask in self.keys.items():
            text = text.replace(secret, mask)
        return text

    def text(self, text: str, member: str = "", owner: str = "") -> str:
        """A text, normalised."""
        text = self.masked(text.replace(self.prefix, "<run>"))
        if text in self.sent or MASK.search(text):
            return text
        moment = TIME.fullmatch(text)
        if moment:
            kind = f"{member} as 0{moment[1]}0{moment[3]}"
            matters = owner and not MOVING.match(member)
            return self.named(f"{owner} {text}", kind) if matters else f"<{kind}>"
        return self.named(text, member or "id") if ID.fullmatch(text) else text

    def named(self, text: str, kind: str) -> str:
        """The name of an id or a time: the same for the same."""
        if text not in self.names:
            self.counts[kind] += 1
            self.ordered[kind] += not self.together
            number = "" if self.together else f" {self.ordered[kind]}"
            self.names[text] = f"<{kind}{number}>"
        return self.names[text]


def masks_of(variables: dict[str, str]) -> dict[str, str]:
    """What the report shows for each key in the environment and for its secret, longest first."""
    tokens = {role: os.environ.get(name, "") for role, name in variables.items()}
    masks = {
        secret: f"[{role} key]"
        for role, token in tokens.items()
        for secret in (token, token.partition(".")[2])
        if len(secret) >= SHORTEST_SECRET
    }
    return dict(sorted(masks.items(), key=lambda pair: -len(pair[0])))


def signature(answer: Answer, normaliser: Normaliser, headers: list[str]) -> str:
    """What is compared of an answer: status, content type, the headers that matter, and body."""
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        body = normaliser.value(json.loads(answer.body))
    except (ValueError, RecursionError):
        body = f"{len(answer.body) > 0} text" if answer.body else ""
    shown = {name: _header(answer.headers.get(name)) for name in headers}
    return json.dumps([answer.status, kind, shown, body], ensure_ascii=False)


def _header(value: str | None) -> str | None:
    """A header without its number, but for whether that is 0 or long."""
    if value is None or not value.isdigit():
        return value and re.sub(r"\d+", "0", value)
    return value if value == "0" else f"{min(len(value), 4)} digits"


def transcript(
    answers: dict[int, Answer], recorded: dict[str, Any], prefix: str, *, exact: bool
) -> list[tuple[list[int], Any]]:
    """What is compared, in order, each with the numbers of its exchanges.

    Simultaneous answers have no order. They count by kind: exactly, or as none, one or several; of
    different operations, as none or some.
    """
    sent, keys = frozenset(recorded["sent"]), masks_of(recorded["keys"])
    normaliser = Normaliser(prefix, sent, keys)
    steps: list[tuple[list[int], Any]] = []
    for numbers in recorded["steps"]:
        normaliser.together = len(numbers) > 1
        normaliser.unordered |= numbers in recorded["groups"]
        before = normaliser.counts.copy()
        kinds = Counter(
            signature(answers[number], normaliser, recorded["headers"]) for number in numbers
        )
        if len(numbers) == 1:
            steps.append((numbers, (next(iter(kinds)), _falls(answers, numbers, recorded))))
            continue
        most = 1 if numbers in recorded["mixed"] else 2
        made, counts = (
            {kind: count if exact else min(count, most) for kind, count in found.items()}
            for found in (normaliser.counts - before, kinds)
        )
        falls = _falls(answers, numbers, recorded)
        steps.append((numbers, (counts, made, falls)))
    return steps


def _falls(answers: dict[int, Answer], numbers: list[int], recorded: dict[str, Any]) -> list[int]:
    """By how much a number in a header falls within a sequence of equal requests."""
    found = []
    for name in recorded["headers"]:
        values = [answers[number].headers.get(name, "") for number in numbers]
        known = [int(value) for value in values if value.isdigit()]
        falls = [before - after for before, after in pairwise(known)]
        found.append(max(falls, default=0))
    return found


def difference(wanted: list[tuple[list[int], Any]], found: list[tuple[list[int], Any]]) -> str:
    """The first step that differs, for people; empty if all are equal."""
    for (numbers, one), (_, other) in zip(wanted, found, strict=True):
        if one != other:
            which = " to ".join(str(number) for number in dict.fromkeys((numbers[0], numbers[-1])))
            place, before, now = _apart(*(_parsed(value) for value in (one, other)))
            return f"exchange {which}{place}\n    then: {_shown(before)}\n    now:  {_shown(now)}"
    return ""


def _parsed(value: Any) -> Any:
    """A step with one answer as JSON; its status, content type, headers and body have names."""
    if not isinstance(value[0], str):
        return value
    names = ("status", "content type", "headers", "body")
    return {**dict(zip(names, json.loads(value[0]), strict=True)), "falls": value[1]}


def _apart(one: Any, other: Any, place: str = "") -> tuple[str, Any, Any]:
    """The first member that differs, with both values."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted(set(one) | set(other), key=lambda name: (name != "status", name)):
            if one.get(name) != other.get(name):
                return _apart(one.get(name), other.get(name), f"{place}, {name}")
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, pair in enumerate(zip(one, other, strict=True), 1):
            if pair[0] != pair[1]:
                return _apart(*pair, f"{place} {number}")
    return place, one, other


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def judge(recorded: dict[str, Any], folder: Path, control: Path | None, beside: Path) -> str:
    """Why the wrong answer did not come again; empty if it did."""
    numbers = [number for step in recorded["steps"] for number in step]
    before = {n: recorded_answer(recorded["answers"][str(n)], beside) for n in numbers}
    now = {n: received_answer(folder, n) for n in numbers}
    prefix = (folder / "run").read_text().strip()
    # A test that sends simultaneous requests again and again fails in its last round.
    last = max(
        (place for place, step in enumerate(recorded["steps"]) if step in recorded["groups"]),
        default=0,
    )
    wanted = transcript(before, recorded, recorded["prefix"], exact=False)[last:]
    found = transcript(now, recorded, prefix, exact=False)[last:]
    differs = difference(wanted, found)
    if not differs or control is None:
        return differs
    alone = {n: received_answer(control, n) for n in numbers}
    prefix_then = (control / "run").read_text().strip()
    one_by_one = transcript(alone, recorded, prefix_then, exact=True)
    if one_by_one != transcript(now, recorded, prefix, exact=True):
        print("simultaneous requests were answered otherwise than one after another:")
        print(difference(one_by_one, transcript(now, recorded, prefix, exact=True)))
        return ""
    return "simultaneous requests were answered as one after another"


def main(arguments: list[str]) -> int:
    """Compare, and say what was found."""
    file = Path(arguments[0])
    recorded = json.loads(file.read_text(encoding="utf-8"))
    control = Path(arguments[2]) if len(arguments) > 2 else None
    folder = Path(arguments[1])
    if not any(file.stat().st_size for file in folder.glob("*.head")):
        print("the server does not answer")
        return UNDECIDED
    differs = judge(recorded, folder, control, file.parent.parent)
    if differs:
        print(f"differs from the recorded failure: {differs}")
        return NOT_REPRODUCED
    return REPRODUCED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What a run shows on a terminal, and off one."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT, Runner, keys, reference, target_file

from conformance.reference.app import Settings

COMMAND = [sys.executable, "-m", "conformance", "run"]
PING = ("-k", "test_ping_shows_no_secret or test_ping_describes_the_key_that_asks")
WINDOW = 4
"""Seconds; longer than a pause that is not worth a word."""


def on_a_terminal(folder: Path, *arguments: str, **environment: str) -> str:
    """What a run writes to a terminal of 100 columns."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "--reports", str(folder), *arguments],
        stdout=theirs,
        stderr=theirs,
        env={**keys(), "COLUMNS": "100", "TERM": "xterm", **environment},
        cwd=ROOT,
    )
    os.close(theirs)
    written = b""
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not chunk:
            break
        written += chunk
    process.wait()
    os.close(ours)
    return written.decode("utf-8", "replace")


def left_by(text: str) -> list[str]:
    """The lines that stay: those that are overwritten or erased are gone."""
    lines, at = [""], 0
    for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", text):
        if part == "\n":
            at += 1
            lines += [""] * (at + 1 - len(lines))
        elif re.fullmatch(r"\x1b\[\d*A", part):
            at -= int(part[2:-1] or 1)
        elif part == "\x1b[2K":
            lines[at] = ""
        elif part.isprintable():
            lines[at] += part
    return lines


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["serial", "parallel"])
def test_a_terminal_shows_how_far_and_nothing_of_that_stays(
    workers: list[str], tmp_path: Path
) -> None:
    text = on_a_terminal(tmp_path, *PING, *workers)
    assert "0 %, 0 of 2 tests" in text
    assert "98 %, writing the report" in text
    left = "\n".join(left_by(text))
    assert "2 passed" in left
    assert "verdict: " in left
    assert " of 2 tests" not in left
    assert "━" not in left
    assert "\n\n\n" not in left


@pytest.mark.parametrize("workers", [["-n", "0"], ["-n", "2"]], ids=["serial", "parallel"])
def test_a_terminal_says_what_the_run_waits_for(workers: list[str], tmp_path: Path) -> None:
    with reference(Settings(window=WINDOW)) as url:
        target = target_file(tmp_path, url)
        chosen = ("--target", target, "--requirement", "RATE-3", *workers)
        text = on_a_terminal(tmp_path, *chosen)
    assert re.search(r"RATE-3 waits for the rate window, [1-4] s", text)
    left = "\n".join(left_by(text))
    assert "waits for" not in left
    assert "Ctrl-C leaves the rest" in left


RED, GREEN, YELLOW = ("\x1b[31m", "\x1b[32m", "\x1b[33m")


@pytest.mark.parametrize(
    ("arguments", "colour"),
    [(PING, YELLOW), (("--fault", "ping-prefix-cut", *PING), RED)],
    ids=["fine", "wrong"],
)
def test_the_verdict_has_a_colour_unless_nobody_wants_one(
    arguments: tuple[str, ...], colour: str, tmp_path: Path
) -> None:
    coloured = on_a_terminal(tmp_path, *arguments)
    assert re.search(re.escape(colour) + r"(\x1b\[1m)?verdict: ", coloured)
    plain = on_a_terminal(tmp_path, *arguments, NO_COLOR="1")
    assert "\nverdict: " in plain
    assert not re.search(r"\x1b\[[0-9;]*m\S", plain.replace("\x1b[0m", ""))


def test_off_a_terminal_no_letters_are_printed_and_nothing_is_said_twice(
    run_suite: Runner,
) -> None:
    ended = run_suite("--fault", "auth-missing-403", "--requirement", "AUTH-1")
    assert ended.code == 1
    assert "FFFF" not in ended.output
    assert ", and " in ended.output
    assert ended.output.count("is not met") == 0
    assert ended.output.count("FAILED") == 1, "pytest's own summary repeats it"
    assert "FAILURES" not in ended.output
    assert re.search(r"=+ .*\b\d+ failing", ended.output)


def test_verbose_prints_every_failure(run_suite: Runner) -> None:
    ended = run_suite("--fault", "auth-missing-403", "--requirement", "AUTH-1", "-v")
    failed = [check for check in ended.row("AUTH-1")["checks"] if check["outcome"] == "failed"]
    assert len(failed) > 1
    assert ended.output.count("AUTH-1 (MUST) is not met") == len(failed)

"""A run that is interrupted, killed or without disk leaves what it knew."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from support import keys, reference

from conformance import resources
from conformance.lifecycle.bundled_target import declared
from conformance.lifecycle.pytest_args import FORKS
from conformance.reference.world import load_world
from conformance.settings.target import write_target

DEADLINE = 60.0


@contextmanager
def running(folder: Path, url: str, *arguments: str, **options: Any) -> Iterator[psutil.Popen]:
    """A run of the suite on a server that goes on while the test does something to it."""
    target = folder / "target.toml"
    write_target(target, "variant", url, declared(load_world(resources.world_file())))
    with running_bundled(folder, "--target", str(target), *arguments, **options) as process:
        yield process


@contextmanager
def running_bundled(folder: Path, *arguments: str, **options: Any) -> Iterator[psutil.Popen]:
    """A run of the suite on the bundled server, likewise."""
    command = [sys.executable, "-m", "conformance", "run"]
    with (folder / "output.txt").open("w") as output:
        process = psutil.Popen(
            [*command, "--reports", str(folder / "reports"), "-q", *arguments],
            env=keys(),
            cwd=folder,
            start_new_session=True,
            stdout=output,
            stderr=subprocess.STDOUT,
            **options,
        )
        try:
            yield process
        finally:
            for each in (
                [*process.children(recursive=True), process] if process.is_running() else []
            ):
                each.kill()
            process.wait()


def until(holds: Callable[[], bool]) -> None:
    """Wait for something outside this process, for a minute at most."""
    deadline = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)


def reported(folder: Path) -> int:
    """How many tests of the run have reported so far."""
    journals = list((folder / "reports").glob("*/journal.jsonl"))
    return len(journals[0].read_bytes().splitlines()) if journals else 0


def workers_of(run: psutil.Popen) -> list[psutil.Process]:
    """The worker processes of a run: copies of its pytest, or Pythons that execnet started."""
    (controller,) = run.children()
    living = [each for each in controller.children() if each.status() != psutil.STATUS_ZOMBIE]
    return [
        each for each in living if "-u" in each.cmdline() or each.cmdline() == controller.cmdline()
    ]


def results(folder: Path) -> dict[str, Any]:
    made: dict[str, Any] = json.loads((folder / "reports" / "latest" / "results.json").read_text())
    return made


def test_a_run_that_is_interrupted_writes_its_results(tmp_path: Path) -> None:
    with reference() as url, running(tmp_path, url) as process:
        until(lambda: reported(tmp_path) > 20)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        assert process.wait(DEADLINE) == 3

    verdict = results(tmp_path)["verdict"]
    assert (verdict["verdict"], verdict["abortReason"]) == (
        "inconclusive",
        "the run was interrupted",
    )
    assert verdict["outcomes"]["MUST"]["passed"] > 0


@pytest.mark.parametrize("whole_group", [True, False], ids=["group", "command alone"])
@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_run_that_is_asked_to_end_writes_its_results(
    processes: str, tmp_path: Path, *, whole_group: bool
) -> None:
    """As CI systems do with a job that takes too long, or that nobody wants any more."""
    with reference() as url, running(tmp_path, url, "-n", processes) as process:
        until(lambda: reported(tmp_path) > 20)
        if whole_group:
            os.killpg(process.pid, signal.SIGTERM)
        else:
            process.terminate()
        assert process.wait(DEADLINE) == 3

    document = results(tmp_path)
    assert document["verdict"]["abortReason"] == "the run was interrupted"
    assert document["cleanup"]["created"] == document["cleanup"]["erased"] > 0
    assert (tmp_path / "reports" / "latest" / "summary.md").exists()


def test_a_run_in_the_background_can_be_asked_to_end(tmp_path: Path) -> None:
    """Its shell has Ctrl-C ignored, which was not meant for SIGTERM."""

    def ignore() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    with reference() as url, running(tmp_path, url, "-n", "0", preexec_fn=ignore) as process:
        until(lambda: reported(tmp_path) > 20)
        process.terminate()
        assert process.wait(DEADLINE) == 3
    assert results(tmp_path)["verdict"]["abortReason"] == "the run was interrupted"


def test_an_interruption_is_never_lost(tmp_path: Path) -> None:
    """Also where it hits code that cannot raise, such as a callback of the garbage collector."""
    with reference() as url, running(tmp_path, url, "-k", "generated") as process:
        until(lambda: reported(tmp_path) > 5)
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.2)  # a second one, while the first is dealt with
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(DEADLINE) == 3

    written = tmp_path / "reports" / "latest" / "results.json"
    if written.exists():
        assert results(tmp_path)["verdict"]["abortReason"] == "the run was interrupted"
    assert "verdict: conformant" not in (tmp_path / "output.txt").read_text()


def test_a_run_that_is_killed_can_be_reported(tmp_path: Path) -> None:
    with reference() as url, running(tmp_path, url) as process:
        until(lambda: reported(tmp_path) > 20)
        for each in [*process.children(recursive=True), process]:
            each.kill()
    latest = tmp_path / "reports" / "latest"
    command = [sys.executable, "-m", "conformance", "report", str(latest)]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert results(tmp_path)["verdict"]["verdict"] == "inconclusive"
    assert "broke off" in (latest / "report.html").read_text()


def test_a_pytest_that_is_killed_is_told_in_a_line(tmp_path: Path) -> None:
    with reference() as url, running(tmp_path, url) as process:
        until(lambda: reported(tmp_path) > 20)
        process.children()[0].kill()
        assert process.wait(DEADLINE) == 3

    last = (tmp_path / "output.txt").read_text().splitlines()[-1]
    assert (
        "kraty-conformance: pytest was killed by signal 9; `kraty-conformance report DIR`" in last
    )
    assert "Traceback" not in last


def test_nothing_outlives_a_pytest_that_is_killed(tmp_path: Path) -> None:
    """Not the bundled server either, although workers that hang are copies of what started it."""
    with running_bundled(tmp_path, "-n", "2") as process:
        until(lambda: reported(tmp_path) > 20)
        controller, workers = process.children()[0], workers_of(process)
        (server,) = (each for each in controller.children() if each not in workers)
        for worker in workers:
            worker.suspend()
        controller.kill()
        server.wait(DEADLINE)
        for worker in workers:
            worker.resume()
        assert psutil.wait_procs([process, *workers], DEADLINE)[1] == []


@pytest.mark.skipif(not FORKS, reason="workers are no copies here")
def test_workers_are_copies_of_the_process_that_starts_them(tmp_path: Path) -> None:
    """And one that takes another's place is not: its controller has threads by then."""
    with running_bundled(tmp_path, "-n", "2") as process:
        until(lambda: reported(tmp_path) > 20)
        copies = workers_of(process)
        assert ["-u" in each.cmdline() for each in copies] == [False, False]
        copies[0].kill()
        until(lambda: any("-u" in each.cmdline() for each in workers_of(process)))
        assert process.wait(DEADLINE) == 3
    assert results(tmp_path)["verdict"]["abortReason"].endswith(" died")


def test_a_worker_that_is_killed_makes_the_run_inconclusive(tmp_path: Path) -> None:
    with reference() as url, running(tmp_path, url, "-n", "2", "-k", "ledgers or http") as process:
        until(lambda: reported(tmp_path) > 20)
        workers_of(process)[0].kill()
        assert process.wait(DEADLINE) == 3

    assert "died" in results(tmp_path)["verdict"]["abortReason"]


def test_a_server_that_dies_is_not_accused(tmp_path: Path) -> None:
    with ExitStack() as server, ExitStack() as run:
        url = server.enter_context(reference())
        process = run.enter_context(running(tmp_path, url, "-k", "grants or ledgers"))
        until(lambda: reported(tmp_path) > 20)
        server.close()
        assert process.wait(DEADLINE) == 3

    assert results(tmp_path)["verdict"]["outcomes"]["MUST"]["failed"] == 0


def test_a_full_disk_is_told_in_a_line(tmp_path: Path) -> None:
    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    with (
        reference() as url,
        running(tmp_path, url, "-k", "bans or acks", preexec_fn=small_files) as process,
    ):
        code = process.wait(DEADLINE)

    output = (tmp_path / "output.txt").read_text()
    assert code == 3, output
    assert "verdict: conformant" in output
    assert "cannot write the results to" in output
    assert "Traceback" not in output
    assert reported(tmp_path) > 0
    assert not list((tmp_path / "reports").glob("*/results.json*"))


def test_a_campaign_that_is_interrupted_says_how_to_go_on(tmp_path: Path) -> None:
    journal = tmp_path / "faults.jsonl"
    command = [sys.executable, "-m", "conformance", "faults", "run", "-n", "2"]
    with psutil.Popen(
        [*command, "--journal", str(journal)],
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        until(lambda: journal.exists() and len(journal.read_bytes().splitlines()) > 2)
        family = process.children(recursive=True)
        os.killpg(process.pid, signal.SIGINT)
        output = process.communicate(timeout=DEADLINE)[0]
        assert process.returncode == 3, output
    assert output.endswith(f"interrupted; --resume --journal {journal} goes on from here\n")
    assert "Traceback" not in output
    assert psutil.wait_procs(family, DEADLINE)[1] == []

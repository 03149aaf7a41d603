"""A run that is interrupted, killed or out of disk space keeps its results."""

import os
import resource
import signal
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from typing import Any

import psutil
import pytest
from support import (
    COMMAND,
    HANG,
    ROOT,
    command,
    keys,
    kill,
    on_reference,
    reference,
    reported,
    results,
    server_client,
    started,
    target_file,
    until,
    until_reported,
)

from conformance.client.created_players import created_in
from conformance.contract.openapi import encoded
from conformance.reference.app import Settings
from conformance.reference.erasure import Gdpr
from conformance.reference.services import Parts
from conformance.reference.state import Player


def workers_of(run: psutil.Popen) -> list[psutil.Process]:
    """The worker processes of a run; the bundled server is none."""
    living = [each for each in run.children() if each.status() != psutil.STATUS_ZOMBIE]
    return [each for each in living if "conformance.reference" not in each.cmdline()]


def ctrl_c(process: psutil.Popen) -> None:
    """Interrupt a run as a terminal does."""
    os.killpg(process.pid, signal.SIGINT)


def end_all(process: psutil.Popen) -> None:
    """Ask a run and all its processes to end, as CI systems do with a job."""
    os.killpg(process.pid, signal.SIGTERM)


def end_one(process: psutil.Popen) -> None:
    """Ask the command alone to end."""
    process.terminate()


def ignore_ctrl_c() -> None:
    """As a shell does for what runs in the background; SIGTERM still counts."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@pytest.mark.parametrize(
    ("stop", "processes", "before"),
    [
        (ctrl_c, "2", None),
        (end_all, "0", None),
        (end_all, "2", None),
        (end_one, "2", None),
        (end_one, "0", ignore_ctrl_c),
    ],
)
def test_a_run_that_is_asked_to_end_cleans_up_and_writes_its_results(
    stop: Callable[[psutil.Popen], None],
    processes: str,
    before: Callable[[], None] | None,
    tmp_path: Path,
) -> None:
    with on_reference(tmp_path, "-n", processes, preexec_fn=before) as process:
        until_reported(tmp_path, 100)
        stop(process)
        assert process.wait(HANG) == 3

    document = results(tmp_path)
    verdict, cleanup = document["verdict"], document["cleanup"]
    assert verdict["verdict"] == "inconclusive"
    assert verdict["abortReason"] == "the run was interrupted"
    assert verdict["outcomes"]["MUST"]["passed"] > 0
    assert cleanup["created"] == cleanup["erased"] > 10
    assert not [notice for notice in document["notices"] if "never succeeded" in notice]
    assert (tmp_path / "reports" / "latest" / "summary.md").exists()
    assert "Traceback" not in (tmp_path / "output.txt").read_text()


def test_a_second_interruption_ends_the_clean_up(tmp_path: Path) -> None:
    """Neither is lost, also where one hits code that cannot raise."""
    erasing = Event()

    class Noticed(Gdpr):
        def erase(self, player: Player, external_id: str) -> dict[str, Any]:
            erasing.set()
            return super().erase(player, external_id)

    with reference(Settings(parts=Parts(gdpr=Noticed))) as url:
        target = target_file(tmp_path, url)
        with started(tmp_path, "--target", target, "-k", "generated") as process:
            until_reported(tmp_path, 5)
            ctrl_c(process)
            assert erasing.wait(HANG)
            ctrl_c(process)
            assert process.wait(HANG) == 3

    assert results(tmp_path)["verdict"]["abortReason"] == "the run was interrupted"
    assert "verdict: conformant" not in (tmp_path / "output.txt").read_text()


def test_a_run_that_is_killed_can_be_reported_and_cleaned_up(tmp_path: Path) -> None:
    with reference() as url:
        with started(tmp_path, "--target", target_file(tmp_path, url), "-n", "2") as process:
            until_reported(tmp_path, 30)
            kill(process)
        latest = tmp_path / "reports" / "latest"
        ids = [id for _, id in created_in(latest)]
        with server_client(url) as client:
            statuses = [[client.get(f"/players/{encoded(id)}").status_code for id in ids]]
            cleaned = command("clean", str(latest))
            statuses += [[client.get(f"/players/{encoded(id)}").status_code for id in ids]]
    assert statuses[0].count(200) > 10
    assert cleaned.returncode == 0, cleaned.stderr
    assert set(statuses[1]) == {404}
    assert created_in(latest) == []

    done = command("report", str(latest))

    assert done.returncode == 0, done.stderr
    assert results(tmp_path)["verdict"]["verdict"] == "inconclusive"
    assert "broke off" in (latest / "report.html").read_text()


def test_nothing_outlives_a_run_that_is_killed(tmp_path: Path) -> None:
    """Not the bundled server either, even while the workers hang."""
    with started(tmp_path, "-n", "2") as process:
        until_reported(tmp_path, 20)
        workers = workers_of(process)
        (server,) = (each for each in process.children() if each not in workers)
        for worker in workers:
            worker.suspend()
        process.kill()
        server.wait(HANG)
        for worker in workers:
            worker.resume()
        assert psutil.wait_procs([process, *workers], HANG)[1] == []


def test_a_worker_that_is_killed_makes_the_run_inconclusive(tmp_path: Path) -> None:
    with on_reference(tmp_path, "-n", "2", "-k", "ledgers or http") as process:
        until_reported(tmp_path, 20)
        workers_of(process)[0].kill()
        assert process.wait(HANG) == 3

    assert "died" in results(tmp_path)["verdict"]["abortReason"]


LEAVES_TESTS_OUT = """
def pytest_runtestloop(session):
    for item, following in zip(session.items[:3], session.items[1:4]):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
    return True
"""


def test_a_run_that_leaves_tests_out_is_inconclusive(tmp_path: Path) -> None:
    """As where a worker died and nobody took its tests over."""
    (tmp_path / "leaver.py").write_text(LEAVES_TESTS_OUT)
    environment = {**keys(), "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    done = command(
        *("run", "-q", "-p", "leaver", "-n", "0", "--reports", str(tmp_path / "reports")),
        *("-k", "test_acks", "--maxfail", "5"),
        env=environment,
    )
    assert done.returncode == 3, done.stdout + done.stderr
    assert "tests did not run" in results(tmp_path)["verdict"]["abortReason"]


def test_a_server_that_dies_is_not_accused(tmp_path: Path) -> None:
    with ExitStack() as server, ExitStack() as run:
        url = server.enter_context(reference())
        process = run.enter_context(
            started(tmp_path, "--target", target_file(tmp_path, url), "-k", "grants or ledgers")
        )
        until_reported(tmp_path, 20)
        server.close()
        assert process.wait(HANG) == 3

    assert results(tmp_path)["verdict"]["outcomes"]["MUST"]["failed"] == 0


def test_a_full_disk_is_reported_in_a_line(tmp_path: Path) -> None:
    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    with on_reference(tmp_path, "-k", "bans or acks", preexec_fn=small_files) as process:
        code = process.wait(HANG)

    output = (tmp_path / "output.txt").read_text()
    assert code == 3, output
    assert "verdict: no failure found" in output
    assert "cannot write the results to" in output
    assert "Traceback" not in output
    assert reported(tmp_path) > 0
    assert not list((tmp_path / "reports").glob("*/results.json*"))


def test_a_campaign_that_is_interrupted_says_how_to_go_on(tmp_path: Path) -> None:
    journal = tmp_path / "faults.jsonl"
    with psutil.Popen(
        [*COMMAND, "faults", "run", "-n", "2", "--journal", str(journal)],
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        until(lambda: journal.exists() and len(journal.read_bytes().splitlines()) > 1)
        family = process.children(recursive=True)
        os.killpg(process.pid, signal.SIGINT)
        output = process.communicate(timeout=HANG)[0]
        assert process.returncode == 3, output
    assert output.endswith(f"interrupted; --resume --journal {journal} goes on from here\n")
    assert "Traceback" not in output
    assert psutil.wait_procs(family, HANG)[1] == []

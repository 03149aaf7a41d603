"""How `run` starts pytest: its arguments, its processes, and a server that boots meanwhile."""

import signal
from pathlib import Path

import pytest
from click.testing import CliRunner
from support import command, python

from conformance.cli import main, run
from conformance.failures import UsageError
from conformance.lifecycle import pytest_args as launch
from conformance.lifecycle import server_process as booting
from conformance.lifecycle.pytest_args import (
    PROCESSES,
    options_of,
    pytest_arguments,
    shared_by_default,
)
from conformance.lifecycle.server_process import Boot, boot_early, booted, stop_early


@pytest.mark.parametrize(
    ("given", "steal"),
    [
        ("-n 2", True),
        ("-nauto", True),
        ("--numprocesses=2", True),
        ("-n 2 --dist load", False),
        ("--no-header", False),
        ("", False),
    ],
)
def test_several_processes_steal_work_from_each_other(given: str, *, steal: bool) -> None:
    assert ("--dist=worksteal" in pytest_arguments(given.split())) is steal


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "cores", lambda: 2)


@pytest.mark.usefixtures("two_cores")
@pytest.mark.parametrize(
    "given",
    [
        "",
        "-q",
        "--base-url https://api.example -v",
        "--target=staging.toml --profile thorough --seed 7",
        "--keep --reports there",
    ],
)
def test_a_whole_run_takes_several_processes(given: str) -> None:
    assert shared_by_default(given.split()) == [*given.split(), "-n", str(PROCESSES)]


@pytest.mark.usefixtures("two_cores")
@pytest.mark.parametrize(
    "given",
    [
        *("-n 0", "-n4", "-k test_ping", "-x", "--pdb", "--collect-only", "--profile quick"),
        *("--requirement=GRANT-2", "scenarios/test_ping.py", "--junitxml=here.xml"),
        *("--allow-live", "--allow-live writes"),
    ],
)
def test_a_part_of_a_run_takes_one_process_or_what_it_is_given(given: str) -> None:
    assert shared_by_default(given.split()) == given.split()


@pytest.mark.usefixtures("two_cores")
@pytest.mark.parametrize("name", ["PYTEST_ADDOPTS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD"])
def test_options_of_pytest_in_the_environment_count_too(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "--pdb")
    assert shared_by_default([]) == []


def test_one_core_takes_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "cores", lambda: 1)
    assert shared_by_default([]) == []


@pytest.mark.parametrize("words", ["-n 2 --dist each", "--tx 2*popen --dist=each"])
def test_workers_that_would_all_run_every_test_are_refused(words: str, tmp_path: Path) -> None:
    done = command("run", "--reports", str(tmp_path), "-k", "test_ping", *words.split())
    assert done.returncode == 2
    assert "--dist each runs every test several times: use --dist worksteal" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_the_suites_own_options_are_parsed_and_pytests_are_left() -> None:
    given = "--fault grant-replay-201 -k test_ping --base-url=https://a"
    options, rest = options_of(given.split())
    assert (options.fault, options.base_url) == ("grant-replay-201", "https://a")
    assert options.target is None
    assert rest == ["-k", "test_ping"]


def test_the_server_that_boots_already_is_used() -> None:
    boot_early()
    early = booting._early[0]
    try:
        assert booted() is early
        assert early.base_url().startswith("http://127.0.0.1:")
    finally:
        early.stop()


def test_a_server_with_another_fault_is_not_taken() -> None:
    boot_early()
    try:
        other = booted("grant-replay-201")
        other.stop()
        assert len(booting._early) == 1
    finally:
        stop_early()
    assert booting._early == []


def test_a_boot_of_no_fault_is_one_line() -> None:
    boot = Boot("nonsense")
    try:
        with pytest.raises(UsageError, match="unknown fault 'nonsense'"):
            boot.base_url()
    finally:
        boot.stop()


def test_an_unused_server_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Boot] = []

    def end_at_once(_: list[str]) -> int:
        started.extend(booting._early)
        return 4

    monkeypatch.setattr("pytest.main", end_at_once)
    assert CliRunner().invoke(main, ["run", "--markexpr", "("]).exit_code == 2
    assert booting._early == []
    assert [boot._process.poll() for boot in started] == [-signal.SIGTERM]


def test_an_interruption_before_pytest_is_there_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("pytest.main", interrupt)
    done = CliRunner().invoke(main, ["run", "--base-url", "http://a"])
    assert done.exit_code == 3
    assert done.stderr == "kraty-conformance: interrupted before anything was tested\n"


def test_a_failure_of_pytest_is_a_line_and_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: list[str]) -> int:
        raise TypeError("no line number")

    monkeypatch.setattr("pytest.main", fail)
    done = CliRunner().invoke(main, ["run", "--base-url", "http://a"])
    assert done.exit_code == 3
    assert done.stderr == "kraty-conformance: pytest failed: TypeError('no line number')\n"


@pytest.mark.parametrize("arguments", [["--help"], ["--base-url", "http://a"]])
def test_no_server_boots_for_a_run_that_needs_none(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "boot_early", lambda fault: pytest.fail(f"booted with {fault}"))
    run.boot_if_wanted(arguments)


def test_generating_libraries_are_not_loaded_for_what_they_do_not_generate(tmp_path: Path) -> None:
    code = (
        "import sys, pytest; from conformance.lifecycle.pytest_args import pytest_arguments; "
        f"pytest.main(pytest_arguments(['-k', 'test_ping', '--reports', {str(tmp_path)!r}])); "
        "print([name for name in ('hypothesis', 'schemathesis') if name in sys.modules])"
    )
    assert python(code).endswith("[]\n")

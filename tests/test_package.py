"""The wheel is the whole suite: it runs outside the checkout, and claims no name but its own."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from support import ROOT, keys, reference

SELECTION = ("-q", "-k", "test_bans or test_ping")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder)]
    subprocess.run([*command, str(ROOT)], check=True, capture_output=True)
    (file,) = folder.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the wheel and nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(folder)]
    subprocess.run([*command, str(wheel)], check=True, capture_output=True)
    return folder


def run(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**keys(), "PYTHONPATH": str(installed)}
    command = [sys.executable, "-m", "conformance", "run", "--reports", str(folder / "reports")]
    return subprocess.run(
        [*command, *arguments],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_nothing_with_a_generic_name_is_dropped_beside_the_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.partition("/")[0] for name in archive.namelist()}
    assert {top.partition("-")[0] for top in tops} == {"conformance", "kraty_conformance"}


def test_the_wheel_runs_on_the_bundled_server(installed: Path, tmp_path: Path) -> None:
    done = run(installed, tmp_path, *SELECTION)
    assert done.returncode == 0, done.stdout + done.stderr
    report = tmp_path / "reports" / "latest" / "report.html"
    assert "<h1>✓ conformant</h1>" in report.read_text()


def test_the_wheel_runs_against_a_url(installed: Path, tmp_path: Path) -> None:
    with reference() as url:
        done = run(installed, tmp_path, "--base-url", url, "--trust-target", *SELECTION)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_wheel_is_what_ran(installed: Path, tmp_path: Path) -> None:
    code = (
        "import conformance, conformance.resources as r; print(conformance.__file__, r.scenarios())"
    )
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert [path.startswith(str(installed)) for path in done.stdout.split()] == [True, True]

"""The wheel is the whole suite: it runs outside the checkout, and claims no name but its own."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from support import ROOT, command, keys, python


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


def test_nothing_with_a_generic_name_is_dropped_beside_the_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.partition("/")[0] for name in archive.namelist()}
    assert {top.partition("-")[0] for top in tops} == {"conformance", "kraty_conformance"}


def test_the_wheel_runs_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    alone = {"env": {**keys(), "PYTHONPATH": str(installed)}, "cwd": tmp_path}
    done = command("run", "--reports", "reports", "-k", "test_bans or test_ping", **alone)
    assert done.returncode == 0, done.stdout + done.stderr
    page = tmp_path / "reports" / "latest" / "report.html"
    assert "<h1>◐ no failure found</h1>" in page.read_text()

    code = "import conformance as c, conformance.resources as r; print(c.__file__, r.scenarios())"
    places = python(code, **alone).split()
    assert [place.startswith(str(installed)) for place in places] == [True, True]

"""The wheel is the whole suite: it runs outside the checkout, and claims no name but its own."""

import subprocess
import sys
import zipfile
from pathlib import Path

from support import ROOT, command, keys, python


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", *arguments]
    subprocess.run(command, check=True, capture_output=True)


def test_the_wheel_runs_outside_the_checkout(tmp_path: Path) -> None:
    installed = tmp_path / "installed"
    pip("wheel", "-q", "--no-deps", "-w", str(tmp_path), str(ROOT))
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.partition("/")[0].partition("-")[0] for name in archive.namelist()}
    assert tops == {"conformance", "kraty_conformance"}, "no other name is claimed"

    pip("install", "-q", "--no-deps", "--target", str(installed), str(wheel))
    alone = {"env": {**keys(), "PYTHONPATH": str(installed)}, "cwd": tmp_path}
    done = command("run", "--reports", "reports", "-k", "test_bans or test_ping", **alone)
    assert done.returncode == 0, done.stdout + done.stderr
    page = tmp_path / "reports" / "latest" / "report.html"
    assert "<h1>◐ no failure found</h1>" in page.read_text()

    code = "import conformance as c, conformance.resources as r; print(c.__file__, r.scenarios())"
    places = python(code, **alone).split()
    assert [place.startswith(str(installed)) for place in places] == [True, True]

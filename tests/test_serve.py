"""`kraty-conformance serve`: a server for use by hand."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from support import COMMAND, command, keys

from conformance.reference.serving import listen
from conformance.settings.target import load_target


@pytest.fixture
def served(tmp_path: Path) -> Iterator[list[str]]:
    """What a server on a free port printed; its target file is `target.toml`."""
    serve = [*COMMAND, "serve", "--port", "0", "--write-target", str(tmp_path / "target.toml")]
    with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True) as process:
        stdout = process.stdout
        assert stdout is not None
        lines: list[str] = []
        while not lines or not lines[-1].startswith("Stop with"):
            lines.append(stdout.readline().rstrip("\n"))
        yield lines
        process.terminate()


def test_it_prints_url_keys_and_a_line_to_try(served: list[str]) -> None:
    text = "\n".join(served)
    url = re.search(r"http://127\.0\.0\.1:\d+/server/v1", text)
    assert url is not None
    for name, token in keys().items():
        if name.startswith("KRATY_"):
            assert token in text
    curl = re.search(r'curl -H "Authorization: (Bearer \S+)" (\S+)', text)
    assert curl is not None
    answer = httpx.get(curl[2], headers={"Authorization": curl[1]})
    assert answer.json()["ok"] is True


def test_its_target_file_names_the_server_and_its_world(served: list[str], tmp_path: Path) -> None:
    target = load_target(tmp_path / "target.toml", keys())
    assert f"{target.base_url}/server/v1" in served[0]
    assert target.world.some("items", 2) == ("health_potion", "iron_sword")
    assert target.world.event("other_mode_event") == "weekly_ladder"
    assert sorted(target.keys) == ["client", "other_game", "revoked", "server", "throttled"]
    exports = next(line for line in served if line.strip().startswith("export "))
    assert "KRATY_SERVER_KEY=" in exports


def test_a_port_in_use_is_one_line_and_exit_2() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = str(taken.getsockname()[1])
        done = command("serve", "--port", port)
    assert done.returncode == 2
    assert done.stderr.startswith(f"kraty-conformance: cannot listen on 127.0.0.1:{port}")
    assert done.stderr.count("\n") == 1

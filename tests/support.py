"""What the suite's own tests share: reference servers in this process, and runs of the suite."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from conformance import resources
from conformance.lifecycle.bundled_target import declared
from conformance.reference.app import Settings, create_app
from conformance.reference.serving import listen, origin, server_of
from conformance.reference.world import Game, World, load_world
from conformance.settings.target import DEFAULT_VARIABLES, write_target

ROOT = resources.CHECKOUT
WINDOW = 1
"""Seconds; scenarios of RATE wait for one."""


@contextmanager
def serving(application: Any) -> Iterator[str]:
    """An ASGI application on a free port, by its base URL."""
    bound = listen("127.0.0.1", 0)
    server = server_of(application)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    try:
        yield origin(bound)
    finally:
        server.should_exit = True
        thread.join()


Serve = Callable[[socket.socket], None]
"""What a server does with a connection."""


@contextmanager
def raw_server(serve: Serve) -> Iterator[str]:
    """A server that does as it likes with each connection, by its base URL."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=64)

    def one(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            serve(connection)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                threading.Thread(target=one, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()


@contextmanager
def reference(settings: Settings | None = None, world: World | None = None) -> Iterator[str]:
    """A reference server, or a variant of it, by its base URL."""
    served = world or load_world(resources.world_file())
    with serving(create_app(served, settings or Settings(window=WINDOW))) as url:
        yield url


def world_with(role: str, **changes: Any) -> World:
    """The world with members of one key changed, or of the game that the key belongs to."""
    world = load_world(resources.world_file())

    def changed(game: Game) -> Game:
        keys = [replace(key, **_of(key, changes)) if key.role == role else key for key in game.keys]
        own = any(key.role == role for key in game.keys)
        return replace(game, keys=keys, **(_of(game, changes) if own else {}))

    return World(tuple(changed(game) for game in world.games))


def _of(struct: Any, changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in changes.items() if name in struct.__struct_fields__}


def keys() -> dict[str, str]:
    """The environment with the demo keys in it."""
    world = load_world(resources.world_file())
    tokens = {name: world.key(role).token for role, name in DEFAULT_VARIABLES.items()}
    return {**os.environ, **tokens}


@dataclass(frozen=True)
class Ended:
    """A run of the suite that ended: exit code, terminal output, and `results.json`."""

    code: int
    output: str
    reports: Path
    document: dict[str, Any] = field(repr=False)

    def outcome(self, requirement: str) -> str:
        """The outcome of a requirement."""
        return str(self.row(requirement)["outcome"])

    def row(self, requirement: str) -> dict[str, Any]:
        """Everything about a requirement."""
        return next(row for row in self.document["requirements"] if row["id"] == requirement)

    def with_outcome(self, *outcomes: str) -> list[str]:
        """The requirements with one of these outcomes."""
        rows = self.document["requirements"]
        return [row["id"] for row in rows if row["outcome"] in outcomes]


Runner = Callable[..., Ended]


def run_suite(folder: Path, *arguments: str, url: str | None, target: Path | None) -> Ended:
    """Run the suite as a user does, in a process of its own, with its reports in `folder`."""
    if url is not None:
        target = folder / "target.toml"
        write_target(target, "variant", url, declared(load_world(resources.world_file())))
    reports = folder / "reports"
    command = [sys.executable, "-m", "conformance", "run", "--reports", str(reports)]
    command += [*(("--target", str(target)) if target else ()), *arguments]
    done = subprocess.run(
        command, env=keys(), cwd=folder, capture_output=True, text=True, check=False
    )
    results = reports / "latest" / "results.json"
    document = json.loads(results.read_text()) if results.exists() else {}
    return Ended(done.returncode, done.stdout + done.stderr, reports, document)

"""What the suite's own tests share: servers in this process, clients, and runs of the suite."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from filelock import FileLock
from msgspec.structs import replace

from conformance import resources
from conformance.client.api import Api
from conformance.client.channel import Channel, PacedTransport
from conformance.client.recorder import Recorder
from conformance.contract.openapi import BASE_PATH, load_spec
from conformance.http.redaction import Redactor
from conformance.lifecycle.bundled_target import declared
from conformance.reference.app import Settings, create_app
from conformance.reference.serving import listen, origin, server_of
from conformance.reference.world import Game, World, load_world
from conformance.settings.run import Identity, Run
from conformance.settings.target import DEFAULT_VARIABLES, Target, write_target
from conformance.settings.target import World as Declared

ROOT = resources.CHECKOUT
WINDOW = 1
"""Seconds; scenarios of RATE wait for one."""
HANG = 300.0
"""Seconds after which a test gives up on another process; a busy machine needs far less."""


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
def raw_server(serve: Serve, host: str = "127.0.0.1") -> Iterator[str]:
    """A server that does as it likes with each connection, by its base URL."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, 0), family=family, backlog=64)

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
        yield origin(listening)
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()


def read_message(connection: socket.socket) -> bytes:
    """A request or a response with its body; nothing where the connection ended."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            return b""
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            left = int(line.partition(b":")[2]) - len(body)
            while left > 0 and (part := connection.recv(65536)):
                data += part
                left -= len(part)
    return data


def read_head(connection: socket.socket) -> bytes:
    """The head of a request; its body is read and forgotten."""
    return read_message(connection).partition(b"\r\n\r\n")[0]


def json_of(body: bytes, status: bytes = b"200 OK", more: bytes = b"") -> bytes:
    """A response in bytes."""
    head = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n"
    return head % (status, len(body), more) + body


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


def server_client(url: str) -> httpx.Client:
    """A plain HTTP client with the server key."""
    headers = {"Authorization": f"Bearer {keys()['KRATY_SERVER_KEY']}"}
    return httpx.Client(base_url=url + BASE_PATH, headers=headers, timeout=30)


@contextmanager
def transport_to(url: str, idle: float = 30.0) -> Iterator[PacedTransport]:
    """The suite's connection to a server."""
    transport = PacedTransport(url, idle=idle)
    yield transport
    transport.close()


@contextmanager
def suite_client(url: str, idle: float = 30.0) -> Iterator[Api]:
    """The suite's own client with the server key."""
    token, spec = keys()["KRATY_SERVER_KEY"], load_spec(resources.spec_file())
    with transport_to(url, idle) as transport:
        yield Api(Channel(transport, spec, Redactor({"server": token}), Recorder()), token, "game")


@dataclass(frozen=True)
class Ended:
    """A run of the suite that ended: exit code, terminal output, and `results.json`."""

    code: int
    output: str
    reports: Path
    document: dict[str, Any] = field(repr=False)

    def read(self, name: str) -> str:
        """A file of its report."""
        return (self.reports / "latest" / name).read_text()

    def outcome(self, requirement: str) -> str:
        """The outcome of a requirement."""
        return str(self.row(requirement)["outcome"])

    def row(self, requirement: str) -> dict[str, Any]:
        """Everything about a requirement."""
        return next(row for row in self.document["requirements"] if row["id"] == requirement)

    def failure(self, requirement: str) -> dict[str, Any]:
        """The first failed check of a requirement."""
        return next(c for c in self.row(requirement)["checks"] if c["outcome"] == "failed")

    def with_outcome(self, *outcomes: str) -> list[str]:
        """The requirements with one of these outcomes."""
        rows = self.document["requirements"]
        return [row["id"] for row in rows if row["outcome"] in outcomes]


def run_at(
    url: str, environment: str | None = None, keys: dict[str, str] | None = None, **fields: Any
) -> Run:
    """A run against a target of which nothing is declared."""
    usual: dict[str, Any] = {
        "id": "0123abcd",
        "profile": "standard",
        "seed": 1,
        "examples": 1,
        "shrink": 1,
        "rate": 0,
        "spec": "openapi.server.json",
        "bundled": False,
        "target": Target("staging", url, keys or {}, Declared()),
        "identity": Identity(environment=environment),
    }
    return Run(**{**usual, **fields})


Runner = Callable[..., Ended]


COMMAND = [sys.executable, "-m", "conformance"]


def command(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """A command of the suite that ended, with the demo keys in its environment."""
    options = {"env": keys(), "timeout": 2 * HANG, **options}
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, check=False, **options
    )


def python(code: str, *arguments: str, **options: Any) -> str:
    """What a Python process of its own prints."""
    options = {"timeout": HANG, **options}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=True,
        **options,
    )
    return str(done.stdout)


def target_file(folder: Path, url: str) -> str:
    """A target file of the reference server."""
    file = folder / "target.toml"
    write_target(file, "variant", url, declared(load_world(resources.world_file())))
    return str(file)


def run_suite(
    folder: Path,
    *arguments: str,
    url: str | None = None,
    target: Path | None = None,
    server: Settings | None = None,
    world: World | None = None,
) -> Ended:
    """Run the suite as a user does, in a process of its own, with its reports in `folder`.

    The server is the one of `url` or `target`, else a reference server with these settings, else
    the bundled one.
    """
    if server is not None:
        with reference(server, world) as served:
            return run_suite(folder, *arguments, url=served)
    file = str(target) if target else target_file(folder, url) if url is not None else None
    chosen = ["--target", file] if file else []
    reports = folder / "reports"
    done = command("run", "--reports", str(reports), *chosen, *arguments, cwd=folder)
    return ended(done.returncode, done.stdout + done.stderr, reports)


def ended(code: int, output: str, reports: Path) -> Ended:
    """A run with what it left."""
    written = reports / "latest" / "results.json"
    return Ended(code, output, reports, json.loads(written.read_text()) if written.exists() else {})


def shared_run(factory: pytest.TempPathFactory, name: str, run: Callable[[Path], Ended]) -> Ended:
    """A run that several tests only read: the first process that wants it makes it for all."""
    base = factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, note = base / name, base / f"{name}.json"
    with FileLock(base / f"{name}.lock"):
        if not note.exists():
            folder.mkdir()
            made = run(folder)
            note.write_text(json.dumps([made.code, made.output]))
    code, output = json.loads(note.read_text())
    return ended(code, output, folder / "reports")


@contextmanager
def started(folder: Path, *arguments: str, **options: Any) -> Iterator[psutil.Popen]:
    """A run of the suite that goes on while the test does something to it."""
    with (folder / "output.txt").open("w") as output:
        process = psutil.Popen(
            [*COMMAND, "run", "--reports", str(folder / "reports"), "-q", *arguments],
            **{"env": keys(), "cwd": folder, "start_new_session": True, **options},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield process
        finally:
            kill(process)
            process.wait()


@contextmanager
def on_reference(folder: Path, *arguments: str, **options: Any) -> Iterator[psutil.Popen]:
    """The same, on a reference server that ends after it."""
    with (
        reference() as url,
        started(folder, "--target", target_file(folder, url), *arguments, **options) as run,
    ):
        yield run


def kill(process: psutil.Popen) -> None:
    """Kill a process, if it still runs, and all that it started."""
    for each in [*process.children(recursive=True), process] if process.is_running() else []:
        each.kill()


def until(holds: Callable[[], bool]) -> None:
    """Wait for something outside this process."""
    deadline = time.monotonic() + HANG
    while not holds():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)


def until_reported(folder: Path, count: int) -> None:
    """Wait until so many tests of a run have reported."""
    until(lambda: reported(folder) > count)


def reported(folder: Path) -> int:
    """How many tests of a run have reported so far."""
    journals = list((folder / "reports").glob("*/journal.jsonl"))
    return len(journals[0].read_bytes().splitlines()) if journals else 0


def results(folder: Path) -> dict[str, Any]:
    """The results of a run."""
    made: dict[str, Any] = json.loads((folder / "reports" / "latest" / "results.json").read_text())
    return made

"""Starts the bundled reference server in a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from conformance import resources
from conformance.failures import Unreachable, UsageError
from conformance.reference.world import World as ReferenceWorld
from conformance.reference.world import load_world
from conformance.target import DEFAULT_VARIABLES, Target, World

NO_SUCH_FAULT = 2
"""Exit code of `python -m conformance.faults`, which says nothing then: its parent does."""
WINDOW_SECONDS = 1
"""The rate window of a server that the suite starts: RATE-3 waits for one to pass."""


def declared(world: ReferenceWorld) -> dict[str, Any]:
    """What a target file would declare under `[world]` for the bundled server's main game."""
    game = world.games[0]
    events = {
        "lobby_event": [e for e in game.events if e.mode == "lobby_matched" and e.enabled],
        "other_mode_event": [e for e in game.events if e.mode != "lobby_matched"],
        "disabled_event": [e for e in game.events if not e.enabled],
    }
    return {
        "items": game.items,
        "currencies": game.currencies,
        "crates": game.crates,
        **{name: found[0].key if found else None for name, found in events.items()},
    }


def bundled_target(base_url: str) -> Target:
    """The bundled server as a target; its keys are public constants."""
    world = load_world(resources.world_file())
    known = declared(world)
    return Target(
        name="bundled reference server",
        base_url=base_url,
        keys={role: world.key(role).token for role in DEFAULT_VARIABLES},
        world=World(
            items=tuple(known["items"]),
            currencies=tuple(known["currencies"]),
            crates=tuple(known["crates"]),
            lobby_event=known["lobby_event"],
            other_mode_event=known["other_mode_event"],
            disabled_event=known["disabled_event"],
        ),
    )


@contextmanager
def running_server(fault: str | None = None) -> Iterator[str]:
    """The reference server, or a faulty one, on a free port, by its base URL.

    It dies with this process. UsageError for a fault that there is not; Unreachable where it does
    not start.
    """
    module = ["conformance.faults", "--fault", fault] if fault else ["conformance.reference"]
    command = [sys.executable, "-m", *module, "--world", str(resources.world_file())]
    command += ["--window", str(WINDOW_SECONDS)]
    # A session of its own: a Ctrl-C is for the suite, which stops the server when it is done.
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    try:
        base_url = process.stdout.readline().strip()
        if not base_url and fault and process.wait() == NO_SUCH_FAULT:
            raise UsageError(f"there is no fault {fault!r}: `kraty-conformance faults` lists them")
        if not base_url:
            raise Unreachable("the bundled reference server did not start")
        yield base_url
    finally:
        process.terminate()
        process.communicate()

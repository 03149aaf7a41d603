"""The bundled reference server as a target."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from conformance import resources
from conformance.lifecycle.server_process import booted
from conformance.reference.world import World as ReferenceWorld
from conformance.reference.world import load_world
from conformance.settings.target import DEFAULT_VARIABLES, Target, World


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
    """The bundled server, or a faulty one, on a free port, by its base URL (see `Boot`)."""
    boot = booted(fault)
    try:
        yield boot.base_url()
    finally:
        boot.stop()

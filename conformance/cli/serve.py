"""`kraty-conformance serve`: the bundled reference server, for use by hand."""

from pathlib import Path

import click

from conformance import resources
from conformance.cli.help import Command
from conformance.cli.stopping import stop
from conformance.faults.deviations import settings_of
from conformance.faults.registry import deviation_of
from conformance.lifecycle.bundled_target import declared
from conformance.reference.app import BASE_PATH, create_app
from conformance.reference.serving import listen, origin, serve
from conformance.reference.world import load_world
from conformance.settings.target import DEFAULT_VARIABLES, write_target


@click.command(
    name="serve",
    cls=Command,
    short_help="Serve the bundled reference server.",
    examples=(
        "kraty-conformance serve --write-target local.toml",
        "kraty-conformance serve --port 0 --fault merge-keeps-larger --window 1",
    ),
    exit_codes={0: "stopped with Ctrl-C", 2: "wrong usage, or the address is taken"},
)
@click.option("--fault", metavar="ID", help="Serve a seeded fault, or a conformant variant.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8080, show_default=True, help="Port to listen on; 0: a free one.")
@click.option(
    "--window",
    default=60,
    show_default=True,
    type=click.IntRange(1, 60),
    help="Length of a rate window in seconds.",
)
@click.option(
    "--write-target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a target file for this server.",
)
def serve_reference(
    fault: str | None, host: str, port: int, window: int, write_target: Path | None
) -> None:
    """Serve the bundled reference server, for use by hand."""
    world = load_world(resources.world_file())
    try:
        deviations = [deviation_of(fault)] if fault else []
    except KeyError:
        stop(f"there is no fault {fault!r}: `kraty-conformance faults` lists them")
    try:
        bound = listen(host, port)
    except OSError as error:
        stop(f"cannot listen on {host}:{port}: {error.strerror}")
    url = origin(bound)
    tokens = {role: world.key(role).token for role in DEFAULT_VARIABLES}
    print(f"Kraty Server API reference server: {url}{BASE_PATH}")
    for deviation in deviations:
        print(f"Deviation {deviation.id}: {deviation.summary}")
    print("Keys (public, they open nothing else):")
    for role, token in tokens.items():
        print(f"  {role:<11}{token}")
    print(f'Try:\n  curl -H "Authorization: Bearer {tokens["server"]}" {url}{BASE_PATH}/ping')
    if write_target is not None:
        _write_target(write_target, url, tokens)
    print("Stop with Ctrl-C.", flush=True)
    serve(create_app(world, settings_of(deviations, window)), bound)


def _write_target(path: Path, url: str, tokens: dict[str, str]) -> None:
    known = declared(load_world(resources.world_file()))
    try:
        write_target(path, "reference server", url, known)
    except OSError as error:
        stop(f"cannot write the target file {path}: {error.strerror}")
    exports = " ".join(f"{DEFAULT_VARIABLES[role]}={token}" for role, token in tokens.items())
    print(f"Target file: {path}. Test this server with:")
    print(f"  export {exports}\n  kraty-conformance run --target {path}")

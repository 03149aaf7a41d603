"""`python -m conformance.faults.mutants.host FOLDER`: the suite on the server in a folder.

The folder holds a copy of the reference server under another name, so that the suite, which reads
the demo keys with the original, stays as it is. The copy runs in a thread of this process and the
suite in a process below it. The exit code is the suite's, or `UNUSABLE`.
"""

import argparse
import json
import logging
import os
import subprocess
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from threading import Thread

from conformance import resources
from conformance.faults.processes import suite_command
from conformance.lifecycle.bundled_target import bundled_target, declared
from conformance.lifecycle.server_process import WINDOW_SECONDS
from conformance.reference.world import load_world
from conformance.settings.target import DEFAULT_VARIABLES, write_target

PACKAGE = "mutant"
"""The name of the copy."""
UNUSABLE = 70
"""Exit code: the server did not start, or it ended before the suite did."""


def main() -> None:
    """Serve, run the suite, end."""
    parser = argparse.ArgumentParser(prog="python -m conformance.faults.mutants.host")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--lines", type=Path)
    arguments = parser.parse_args()
    logging.disable()  # a mutant that fails does so on purpose
    write_lines = _measuring(arguments.folder, arguments.lines) if arguments.lines else None
    try:
        url, server = start(arguments.folder)
    except (Exception, SystemExit):
        traceback.print_exc()
        sys.exit(UNUSABLE)
    code = run_suite(arguments.folder, url, arguments.seed)
    if write_lines is not None:
        write_lines()
    # No farewell: a mutant may keep its thread for ever.
    sys.stdout.flush()
    os._exit(code if server.is_alive() else UNUSABLE)


def start(folder: Path) -> tuple[str, Thread]:
    """Start the server of the copy in a thread; return its URL."""
    sys.path.insert(0, str(folder))
    names = ("app", "serving", "world")
    app, serving, world = (import_module(f"{PACKAGE}.{name}") for name in names)
    settings = app.Settings(window=WINDOW_SECONDS)
    application = app.create_app(world.load_world(resources.world_file()), settings)
    bound = serving.listen("127.0.0.1", 0)
    server = serving.server_of(application)
    thread = Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    return serving.origin(bound), thread


def run_suite(folder: Path, url: str, seed: int) -> int:
    """Run the suite up to the first test that fails; return its exit code."""
    target = folder / "target.toml"
    write_target(target, "mutant", url, declared(load_world(resources.world_file())))
    keys = {DEFAULT_VARIABLES[role]: token for role, token in bundled_target(url).keys.items()}
    temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))  # lock files go with it
    options = ["--target", str(target), "--trust-target", "-x"]
    command = suite_command(seed, folder / "reports", *options)
    done = subprocess.run(command, env={**os.environ, **temporary, **keys}, check=False)
    return done.returncode


def _measuring(folder: Path, file: Path) -> Callable[[], None]:
    """Measure the lines of the copy from here on; return what ends that and writes them."""
    from coverage import Coverage  # noqa: PLC0415 - only where lines are measured

    copy = folder / PACKAGE
    coverage = Coverage(data_file=None, config_file=False, include=[f"{copy}/*"])
    coverage.start()

    def write() -> None:
        coverage.stop()
        data = coverage.get_data()
        lines = {Path(name).name: data.lines(name) for name in data.measured_files()}
        file.write_text(json.dumps(lines), encoding="utf-8")

    return write


if __name__ == "__main__":
    main()

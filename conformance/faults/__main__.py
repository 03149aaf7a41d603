"""`python -m conformance.faults`: a faulty server for another process, which reads its URL."""

import argparse
import logging
import sys
from pathlib import Path

from conformance.faults.deviations import settings_of
from conformance.faults.registry import deviation_of
from conformance.lifecycle.server_process import NO_SUCH_FAULT
from conformance.reference.app import create_app
from conformance.reference.serving import serve_for_parent
from conformance.reference.world import load_world


def main() -> None:
    """Parse the arguments, listen, announce, serve."""
    parser = argparse.ArgumentParser(prog="python -m conformance.faults")
    parser.add_argument("--world", type=Path, required=True)
    parser.add_argument("--fault", required=True)
    parser.add_argument("--window", type=int, default=60)
    arguments = parser.parse_args()
    logging.disable()  # the faults that crash do so on purpose
    try:
        settings = settings_of([deviation_of(arguments.fault)], arguments.window)
    except KeyError:
        sys.exit(NO_SUCH_FAULT)
    serve_for_parent(create_app(load_world(arguments.world), settings))


if __name__ == "__main__":
    main()

"""`python -m conformance.reference`: a server for another process, which reads its URL.

It prints one line, the URL, once the socket listens, and ends when its standard input closes.
"""

import argparse
from pathlib import Path

from .app import Settings, create_app
from .serving import serve_for_parent
from .world import load_world


def main() -> None:
    """Parse the arguments, listen, announce, serve."""
    parser = argparse.ArgumentParser(prog="python -m conformance.reference")
    parser.add_argument("--world", type=Path, required=True)
    parser.add_argument("--window", type=int, default=60, choices=range(1, 61))
    arguments = parser.parse_args()
    settings = Settings(window=arguments.window)
    serve_for_parent(create_app(load_world(arguments.world), settings))


if __name__ == "__main__":
    main()

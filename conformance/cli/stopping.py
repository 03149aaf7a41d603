"""How a command ends that cannot do what it was asked to."""

import sys
from typing import NoReturn

from conformance.results.verdict import EXIT_USAGE


def stop(message: str) -> NoReturn:
    """End with one line and the exit code for wrong usage."""
    print(f"kraty-conformance: {message}", file=sys.stderr)
    sys.exit(EXIT_USAGE)

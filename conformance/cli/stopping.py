"""How a command ends that cannot do what it was asked to."""

import sys
from typing import NoReturn

from conformance.results.verdict import EXIT_USAGE


def stop(message: str, code: int = EXIT_USAGE) -> NoReturn:
    """End with one line and an exit code, by default the one for wrong usage."""
    print(f"kraty-conformance: {message}", file=sys.stderr)
    sys.exit(code)

"""The options of the suite, for pytest and for `kraty-conformance run` alike."""

from dataclasses import dataclass
from typing import Any

from conformance.run import DEFAULT_EXAMPLES, DEFAULT_SHRINK_SECONDS

DEFAULT_REPORTS = "reports"


@dataclass(frozen=True)
class Option:
    """One option: its flag, the name of its value, its help text, type and default."""

    flag: str
    metavar: str
    help: str
    type: type = str
    default: Any = None

    @property
    def dest(self) -> str:
        """The name under which pytest keeps the value."""
        return "conformance_" + self.flag.removeprefix("--").replace("-", "_")


OPTIONS = (
    Option("--base-url", "URL", "the server's origin; without it, the bundled server is tested"),
    Option("--target", "FILE", "a TOML file that describes the server: URL, keys, world"),
    Option("--reports", "DIR", "where runs leave their reports", default=DEFAULT_REPORTS),
    Option("--seed", "N", "repeat the generated cases of an earlier run", type=int),
    Option(
        "--examples",
        "N",
        "generated cases for each operation",
        type=int,
        default=DEFAULT_EXAMPLES,
    ),
    Option(
        "--shrink",
        "SECONDS",
        "how long a failure that generated cases found is made smaller",
        type=int,
        default=DEFAULT_SHRINK_SECONDS,
    ),
    Option("--fault", "ID", "test the bundled server with this seeded fault"),
    Option("--requirement", "ID,...", "run only the tests of these requirements"),
)

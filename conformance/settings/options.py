"""The options of the suite, for pytest and for `kraty-conformance run`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from conformance.settings.profiles import PROFILES, STANDARD

DEFAULT_REPORTS = "reports"
DEFAULT_SHRINK_SECONDS = 10


@dataclass(frozen=True)
class Option:
    """One option. `metavar` names its value; a switch has none. `more` is for argparse.

    `group` is the heading under which `--help` lists it.
    """

    flag: str
    metavar: str | None
    help: str
    default: Any = None
    more: Mapping[str, Any] = field(default_factory=dict)
    group: str = ""

    @property
    def dest(self) -> str:
        """The name under which pytest stores the value."""
        return "conformance_" + self.flag.removeprefix("--").replace("-", "_")

    @property
    def for_argparse(self) -> dict[str, Any]:
        """The keyword arguments for argparse."""
        if self.metavar is None:
            return {"dest": self.dest, "help": self.help, "action": "store_true"}
        return {
            "dest": self.dest,
            "help": self.help,
            "metavar": self.metavar,
            "default": self.default,
            **self.more,
        }


SERVER, TESTS, GATE, REPORTS = "Server", "Tests", "Gate", "Reports and clean-up"

OPTIONS = (
    Option(
        "--base-url",
        "URL",
        "the server's origin; without it, the bundled server is tested",
        group=SERVER,
    ),
    Option(
        "--target",
        "FILE",
        "a TOML file that describes the server: URL, keys, world",
        group=SERVER,
    ),
    Option("--ca", "FILE", "trust the certificates in this file as well", group=SERVER),
    Option("--http2", None, "speak HTTP/2, for a server that offers nothing else", group=SERVER),
    Option(
        "--trust-target",
        None,
        "if the server differs from the target file, blame the server",
        group=SERVER,
    ),
    Option("--rate", "N/min", "send at most this many requests a minute", group=SERVER),
    Option(
        "--allow-live",
        "WHAT",
        "run with a live key: `reads` runs what changes nothing, `writes` everything",
        more={"nargs": "?", "const": "reads", "choices": ("reads", "writes")},
        group=SERVER,
    ),
    Option(
        "--fault",
        "ID",
        "test the bundled server with this seeded fault or conformant variant",
        group=SERVER,
    ),
    Option(
        "--profile",
        "NAME",
        f"how much effort: {', '.join(PROFILES)}",
        STANDARD.name,
        {"choices": tuple(PROFILES)},
        TESTS,
    ),
    Option("--requirement", "ID,...", "run only the tests of these requirements", group=TESTS),
    Option(
        "--spec",
        "FILE",
        "a newer OpenAPI description of the API than the bundled one",
        group=TESTS,
    ),
    Option(
        "--seed",
        "N",
        "repeat the generated cases of an earlier run",
        more={"type": int},
        group=TESTS,
    ),
    Option(
        "--examples",
        "N",
        "generated cases for each operation; by default the profile says how many",
        more={"type": int},
        group=TESTS,
    ),
    Option(
        "--shrink",
        "SECONDS",
        "how long to shrink a failing generated case",
        DEFAULT_SHRINK_SECONDS,
        {"type": int},
        TESTS,
    ),
    Option(
        "--known-failures",
        "FILE",
        "a TOML file of failures that do not fail the gate",
        group=GATE,
    ),
    Option("--write-known-failures", "FILE", "write such a file: all that failed", group=GATE),
    Option(
        "--require",
        "WHAT",
        "fail the gate unless the run exercises `all` MUSTs, a number of them, or ID,...",
        group=GATE,
    ),
    Option("--reports", "DIR", "where runs write their reports", DEFAULT_REPORTS, group=REPORTS),
    Option("--keep", None, "do not erase the run's players at the end", group=REPORTS),
)

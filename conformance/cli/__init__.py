"""`kraty-conformance`: the command line."""

from importlib import import_module
from typing import Any

import click

from conformance import __version__

COMMANDS = {
    "run": "conformance.cli.run:run_suite",
    "serve": "conformance.cli.serve:serve_reference",
    "replay": "conformance.cli.replay:replay_failure",
    "report": "conformance.cli.reports:rebuild_report",
    "compare": "conformance.cli.reports:compare_results",
    "docs": "conformance.cli.docs:write_docs",
    "clean": "conformance.cli.clean:clean_up",
    "requirements": "conformance.cli.lists:list_requirements",
    "variants": "conformance.cli.lists:list_variants",
    "faults": "conformance.cli.faults:faults_group",
}
"""Where each command is. A command is loaded when it is called: `run` is in a hurry."""


class LazyGroup(click.Group):
    """A group whose commands are loaded one by one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands."""
        del ctx
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Load one command; None where there is none of this name."""
        if name not in COMMANDS:
            return None
        del ctx
        module, _, attribute = COMMANDS[name].partition(":")
        command: Any = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="kraty-conformance")
def main() -> None:
    """Does a server really speak the Kraty Server API?"""

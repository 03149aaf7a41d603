"""`kraty-conformance`: the command line."""

from importlib import import_module
from typing import Any

import click

from conformance import __version__
from conformance.cli.help import CONTEXT

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
SECTIONS = {
    "Test a server": ("run", "replay", "clean", "report", "compare"),
    "Try it": ("serve", "faults", "variants"),
    "Look up": ("requirements", "docs"),
}
"""The headings under which `--help` lists the commands."""


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

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands under their headings."""
        width = formatter.width - 6 - max(map(len, COMMANDS))
        for heading, names in SECTIONS.items():
            found = [(name, self.get_command(ctx, name)) for name in names]
            rows = [(name, one.get_short_help_str(width)) for name, one in found if one]
            with formatter.section(heading):
                formatter.write_dl(rows)


@click.group(
    cls=LazyGroup,
    context_settings=CONTEXT,
    epilog="`kraty-conformance COMMAND --help` shows options, examples and exit codes.",
)
@click.version_option(__version__, prog_name="kraty-conformance")
def main() -> None:
    """Does a server really speak the Kraty Server API?"""

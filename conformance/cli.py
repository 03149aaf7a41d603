"""`kraty-conformance`: the command line."""

import os
import subprocess
import sys
from pathlib import Path

import click
from rich.console import Console

from conformance import __version__, resources
from conformance.bundled import declared
from conformance.cleaning import clean_directory
from conformance.cleanup import Cleaned
from conformance.failures import Unreachable, UsageError
from conformance.faults import listing as variants
from conformance.faults.commands import faults_group
from conformance.faults.deviations import settings_of
from conformance.faults.trial import deviation_of
from conformance.launch import pytest_arguments
from conformance.listing import as_json, as_markdown, as_table
from conformance.options import OPTIONS
from conformance.recovery import document_of
from conformance.reference.app import BASE_PATH, create_app
from conformance.reference.serving import listen, origin, serve
from conformance.reference.world import load_world
from conformance.report import read_results, write_forms, write_results
from conformance.report.comparison import (
    compare,
    comparison_html,
    comparison_markdown,
    comparison_table,
)
from conformance.report.reading import RESULTS
from conformance.target import DEFAULT_VARIABLES, write_target
from conformance.verdict import EXIT_CODES, EXIT_USAGE, Verdict

EXITS = """
\b
Exit codes:
  0  conformant
  1  not conformant
  2  wrong usage or target file
  3  inconclusive: unreachable, no valid key, interrupted, undecided
"""


PYTEST_USAGE_ERROR = 4
EXIT_REGRESSION = 1


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="kraty-conformance")
def main() -> None:
    """Does a server really speak the Kraty Server API?"""


def _forwarded() -> str:
    rows = [
        f"  {option.flag} {option.metavar or ''}\n{' ' * 22}{option.help}" for option in OPTIONS
    ]
    return "\n".join(["\b", "Options of the suite:", *rows])


@main.command(
    name="run",
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    help=f"""Run the suite; without a URL or target, against the bundled server.

{_forwarded()}

Everything else goes to pytest: -k NAME, -x, -n WORKERS, a scenario's path.
{EXITS}""",
)
@click.pass_context
def run_suite(context: click.Context) -> None:
    """Hand over to pytest with this package's plugin and scenarios."""
    command = [sys.executable, "-m", "pytest", *pytest_arguments(context.args)]
    code = wait(subprocess.Popen(command))
    if code < 0:
        how = "`kraty-conformance report DIR` makes a report of what it knew, `clean DIR` erases"
        print(f"kraty-conformance: pytest was killed by signal {-code}; {how}", file=sys.stderr)
    sys.exit(exit_code(code))


def wait(process: subprocess.Popen[bytes]) -> int:
    """Wait for pytest to end; a Ctrl-C reaches it too, and it still has its results to write."""
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def exit_code(code: int) -> int:
    """The exit code of `run`: pytest has another for wrong usage, and a signal decides nothing."""
    if code < 0:
        return EXIT_CODES[Verdict.INCONCLUSIVE]
    return EXIT_USAGE if code == PYTEST_USAGE_ERROR else code


@main.command(name="requirements")
@click.option("--json", "form", flag_value="json", help="As JSON.")
@click.option("--markdown", "form", flag_value="markdown", help="As docs/requirements.md.")
def list_requirements(form: str | None) -> None:
    """List every requirement of the contract."""
    forms = {None: as_table, "json": as_json, "markdown": as_markdown}
    print(forms[form]().rstrip("\n"))


@main.command(name="report")
@click.argument("directory", type=click.Path(path_type=Path), metavar="DIR")
def rebuild_report(directory: Path) -> None:
    """Make report.html and all other forms of a run anew from its results.json.

    After a crash there is none: then the results are made from the run's journal.
    """
    try:
        document = document_of(directory)
        folder = directory if directory.is_dir() else directory.parent
        if not (folder / RESULTS).exists():
            write_results(folder, document)
        write_forms(folder, document)
    except UsageError as error:
        _stop(str(error))
    except OSError as error:
        _stop(f"cannot write the report to {directory}: {error.strerror}")
    print(f"report: {folder.resolve() / 'report.html'}")


@main.command(name="clean")
@click.argument("directory", type=click.Path(path_type=Path), metavar="DIR")
@click.option("--target", type=click.Path(path_type=Path), help="The target file of the run.")
def clean_up(directory: Path, target: Path | None) -> None:
    """Erase the players that a run left: after a crash, a Ctrl-C, or --keep.

    DIR is the run's directory. Keys come from the environment, as for `run`.
    """
    try:
        done = clean_directory(directory, target, os.environ)
        _tell_of_clean_up(directory, done)
    except (UsageError, Unreachable) as error:
        _stop(str(error))
    except OSError as error:
        _stop(f"cannot write to {directory}: {error.strerror}")
    print(f"{done.erased} of {done.created} players erased, {len(done.left)} left")
    sys.exit(EXIT_CODES[Verdict.INCONCLUSIVE] if done.left else 0)


def _tell_of_clean_up(directory: Path, done: Cleaned) -> None:
    """Let the results of the run, where it has any, say what became of its players."""
    if (directory / RESULTS).exists():
        document = read_results(directory)
        before = document["cleanup"]
        erased = before["erased"] + done.erased
        document["cleanup"] = {
            "created": max(before["created"], erased + len(done.left)),
            "erased": erased,
            "left": len(done.left),
            "reason": before["reason"] if done.left else None,
        }
        write_results(directory, document)
        write_forms(directory, document)


@main.command(name="compare")
@click.argument(
    "results", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RESULTS..."
)
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a page.")
@click.option("--md", type=click.Path(dir_okay=False, path_type=Path), help="Write Markdown.")
def compare_results(results: tuple[Path, ...], html: Path | None, md: Path | None) -> None:
    r"""Compare results.json files, or their directories: the later ones with the first.

    \b
    Exit codes:
      0  no MUST that passed in the first results fails in a later one
      1  a MUST regressed
      2  wrong usage, or results that cannot be read
    """
    if len(results) < 2:
        _stop("compare needs the results of at least two runs")
    try:
        comparison = compare([read_results(path) for path in results])
        if html is not None:
            html.write_text(comparison_html(comparison), encoding="utf-8")
        if md is not None:
            md.write_text(comparison_markdown(comparison), encoding="utf-8")
    except UsageError as error:
        _stop(str(error))
    except OSError as error:
        _stop(f"cannot write the comparison to {error.filename}: {error.strerror}")
    Console().print(comparison_table(comparison), highlight=False, markup=False)
    print(", ".join(f"{count} {change}" for change, count in comparison.counts().items()))
    sys.exit(EXIT_REGRESSION if comparison.regressed else 0)


@main.command(name="variants")
@click.option("--markdown", is_flag=True, help="As docs/free-points.md.")
def list_variants(markdown: bool) -> None:
    """List the conformant servers that answer a free point the other way."""
    print((variants.free_points() if markdown else variants.as_table()).rstrip("\n"))


main.add_command(faults_group)


@main.command(name="serve")
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
        _stop(f"there is no fault {fault!r}: `kraty-conformance faults` lists them")
    try:
        bound = listen(host, port)
    except OSError as error:
        _stop(f"cannot listen on {host}:{port}: {error.strerror}")
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
        _stop(f"cannot write the target file {path}: {error.strerror}")
    exports = " ".join(f"{DEFAULT_VARIABLES[role]}={token}" for role, token in tokens.items())
    print(f"Target file: {path}. Test this server with:")
    print(f"  export {exports}\n  kraty-conformance run --target {path}")


def _stop(message: str) -> None:
    """End with one line and the exit code for wrong usage."""
    print(f"kraty-conformance: {message}", file=sys.stderr)
    sys.exit(EXIT_USAGE)

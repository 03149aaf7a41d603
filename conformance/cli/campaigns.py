"""What the commands that run campaigns share: options, progress, and how they end."""

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from conformance.cli.stopping import stop
from conformance.failures import UsageError

EXIT_INTERRUPTED = 3
T = TypeVar("T")
Decorator = Callable[[Callable[..., None]], Callable[..., None]]


def workers_option(*flags: str) -> Decorator:
    """How many trials run at a time."""
    return click.option(
        *flags,
        "workers",
        type=click.IntRange(min=1),
        default=os.cpu_count() or 1,
        show_default="the number of cores",
        help="Trials at a time.",
    )


def journal_option(default: str) -> Decorator:
    """The file of the campaign."""
    return click.option(
        "--journal",
        type=click.Path(dir_okay=False, path_type=Path),
        default=default,
        show_default=True,
        help="Where each result is kept at once.",
    )


@contextmanager
def ending_in_one_line(journal: Path) -> Iterator[None]:
    """End the command with one line where its campaign cannot be run to its end."""
    try:
        yield
    except UsageError as error:
        stop(str(error))
    except OSError as error:
        stop(f"cannot write the journal {journal}: {error.strerror}")
    except KeyboardInterrupt:
        stop(f"interrupted; --resume --journal {journal} goes on from here", EXIT_INTERRUPTED)
    except RuntimeError as error:
        stop(f"a trial failed: {error}", EXIT_INTERRUPTED)


def watched(campaign: Generator[T], total: int, line_of: Callable[[T], str]) -> list[T]:
    """All results of a campaign, each shown in a line as it comes."""
    console = Console(stderr=True)
    columns = (TextColumn("trials"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    results = []
    with (
        Progress(*columns, console=console, disable=not console.is_terminal) as progress,
        closing(campaign),
    ):
        for result in progress.track(campaign, total=total):
            results.append(result)
            progress.console.print(line_of(result), highlight=False, markup=False, soft_wrap=True)
    return results

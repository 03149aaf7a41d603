"""The progress of a campaign on the terminal's error stream."""

from collections.abc import Callable, Generator
from contextlib import closing
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

T = TypeVar("T")


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
            progress.console.print(line_of(result), highlight=False, markup=False)
    return results

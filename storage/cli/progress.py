"""Progress displays on stderr, on a terminal only."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from storage.cli.output import console_for

Meter = Callable[[int], None]
"""Called with the bytes since the last call (``transfer``), or the total so far (``counting``)."""


@contextmanager
def busy(doing: str) -> Iterator[None]:
    """Show a spinner while the body runs."""
    console = console_for(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(doing):
        yield


@contextmanager
def transfer(doing: str, total: int | None) -> Iterator[Meter]:
    """Show how many bytes have been transferred, of a total that may be unknown (None)."""
    console = console_for(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        DownloadColumn(True),
        TransferSpeedColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task(doing, total=total)
        yield lambda count: progress.advance(task, count)


@contextmanager
def counting(doing: str, total: int) -> Iterator[Meter]:
    """Show a count of about ``total``; the meter is called with the count so far."""
    console = console_for(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task(doing, total=total)
        yield lambda count: progress.update(task, completed=count, total=max(total, count))

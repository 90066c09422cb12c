"""What a terminal shows while something takes long: on stderr, and nowhere else."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TransferSpeedColumn,
)

from storage.cli.output import people

Meter = Callable[[int], None]
"""Told how much more has gone by, or how far it is."""


@contextmanager
def busy(doing: str) -> Iterator[None]:
    """Show on a terminal that something is being done."""
    console = people(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(doing):
        yield


@contextmanager
def transfer(doing: str, total: int | None) -> Iterator[Meter]:
    """Show on a terminal how many bytes have gone by, of how many (None: nobody knows)."""
    console = people(stderr=True)
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
    """Show on a terminal how far something is, of about how many; told how far, not how much."""
    console = people(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task(doing, total=total)
        yield lambda count: progress.update(task, completed=count, total=max(total, count))

"""What a command shows: one JSON document for programs, or text for people.

Text goes without colours and at its full width when nobody looks at it on a terminal. A table that
does not fit into the terminal is shown as a list, so that an id can still be copied.
"""

import dataclasses
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from uuid import UUID

from rich import box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table
from rich.text import Text

from storage.model import RecordId

Cell = str | Text
Meter = Callable[[int], None]
"""Told how many bytes more have gone by."""

_WIDE = 10_000  # columns: nothing is broken in a pipe or a file
_NAMES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def people(*, stderr: bool = False) -> Console:
    """Where to write for people. Nothing in a text is taken for markup."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _WIDE
    return Console(
        stderr=stderr, width=width, markup=False, highlight=False, emoji=False, soft_wrap=False
    )


def say(*parts: Cell, style: str | None = None) -> None:
    """A line on stdout."""
    people().print(*parts, style=style)


def note(*parts: Cell, style: str | None = None) -> None:
    """A line on stderr, for what is not the result itself."""
    people(stderr=True).print(*parts, style=style)


def document(value: object) -> None:
    """One JSON document on stdout. Values of ``storage.model`` become objects, field by field."""
    print(json.dumps(value, default=_plain, indent=2, ensure_ascii=False))  # noqa: T201 - the result


def table(heads: Sequence[str], rows: Sequence[Sequence[Cell]], *, indent: int = 0) -> None:
    """Rows under heads on stdout; a list of them where the terminal is too narrow."""
    console = people()
    made = Table(
        box=box.SIMPLE_HEAD if console.is_terminal else None,
        pad_edge=False, padding=(0, 2, 0, 0), header_style="bold",
    )  # fmt: skip
    for head in heads:
        made.add_column(head, overflow="fold")
    for row in rows:
        made.add_row(*row)
    if console.measure(made).maximum + indent <= console.width:
        console.print(_indented(made, indent))
        return
    for row in rows:
        console.print(Text(" " * indent).append_text(_styled(row[0], "bold")))
        for head, cell in zip(heads[1:], row[1:], strict=True):
            console.print(_indented(_pair(head, cell), indent + 2))


def facts(pairs: Iterable[tuple[str, Cell]], *, indent: int = 0) -> None:
    """Names and values, one below the other, on stdout."""
    made = Table.grid(padding=(0, 2, 0, 0))
    made.add_column(style="dim")
    made.add_column(overflow="fold")
    for name, value in pairs:
        made.add_row(name, value)
    people().print(_indented(made, indent))


def moment(at: datetime | None, *, never: str = "-") -> str:
    """``2026-03-01 12:00 UTC``."""
    return f"{at:%Y-%m-%d %H:%M} UTC" if at is not None else never


def size(count: int) -> str:
    """``2.1 KiB``."""
    amount, name = float(count), 0
    while amount >= 1024 and name < len(_NAMES) - 1:
        amount, name = amount / 1024, name + 1
    return f"{amount:.1f} {_NAMES[name]}" if name else f"{count} B"


def several(count: int, one: str, many: str | None = None) -> str:
    """``1 record``, ``2 records``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def good(text: str) -> Text:
    """Something that is as it should be."""
    return Text(text, style="green")


def bad(text: str) -> Text:
    """Something that somebody has to see to."""
    return Text(text, style="bold red")


def doubtful(text: str) -> Text:
    """Something that somebody should look at."""
    return Text(text, style="yellow")


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
        TextColumn("{task.description}"), BarColumn(bar_width=24), DownloadColumn(True),
        TransferSpeedColumn(),
    )  # fmt: skip
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task(doing, total=total)
        yield lambda count: progress.advance(task, count)


def _plain(value: object) -> object:
    """What json does not know: ids as text, times in UTC, everything else by its parts."""
    if isinstance(value, RecordId | UUID):
        return str(value)
    if isinstance(value, date):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return dict(value)
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    raise TypeError(f"no JSON for a {type(value).__name__}")


def _indented(what: RenderableType, by: int) -> RenderableType:
    return Padding(what, (0, 0, 0, by)) if by else what


def _styled(cell: Cell, style: str) -> Text:
    text = cell.copy() if isinstance(cell, Text) else Text(cell)
    text.stylize(style)
    return text


def _pair(head: str, cell: Cell) -> Text:
    return Text(f"{head}: ", style="dim").append_text(_styled(cell, "not dim"))

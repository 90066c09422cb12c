"""What a command shows: one JSON document for programs, or text for people.

Text goes without colours and at its full width when nobody looks at it on a terminal. A table that
does not fit into the terminal is shown as a list, so that an id can still be copied.
"""

import dataclasses
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from uuid import UUID

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from storage.model import RecordId

Cell = str | Text
_WIDE = 10_000  # columns: nothing is broken in a pipe or a file
_LAST = 24  # columns: the least that a text is broken into


def people(*, stderr: bool = False) -> Console:
    """Where to write for people. Nothing in a text is taken for markup."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _WIDE
    return Console(stderr=stderr, width=width, markup=False, highlight=False, emoji=False)


def say(*parts: Cell, style: str | None = None) -> None:
    """A line on stdout, however long: it may be an id, which nobody could copy in pieces."""
    people().print(*parts, style=style, soft_wrap=True)


def note(*parts: Cell, style: str | None = None) -> None:
    """A line on stderr, for what is not the result itself."""
    people(stderr=True).print(*parts, style=style)


def document(value: object) -> None:
    """One JSON document on stdout. Values of ``storage.model`` become objects, field by field."""
    print(json.dumps(value, default=_plain, indent=2, ensure_ascii=False))  # noqa: T201 - the result


def table(heads: Sequence[str], rows: Sequence[Sequence[Cell]], *, indent: int = 0) -> None:
    """Rows under heads on stdout. Where the terminal is too narrow for them, a list.

    Only the last column is ever broken into lines, and not if less than ``_LAST`` is left of it.
    """
    console = people()
    widths = [max(map(_width, column)) for column in zip(heads, *rows, strict=True)]
    least = sum(widths[:-1]) + min(widths[-1], _LAST) + 2 * (len(widths) - 1)
    if least + indent > console.width:
        _list(console, heads, rows, indent)
        return
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for head in heads[:-1]:
        made.add_column(head, no_wrap=True)
    made.add_column(heads[-1], overflow="fold")
    for row in rows:
        made.add_row(*row)
    _put(console, made, indent)


def facts(pairs: Iterable[tuple[str, Cell]], *, indent: int = 0) -> None:
    """Names and values, one below the other, on stdout."""
    made = Table.grid(padding=(0, 2, 0, 0))
    made.add_column(style="dim")
    made.add_column(overflow="fold")
    for name, value in pairs:
        made.add_row(name, value)
    _put(people(), made, indent)


def moment(at: datetime | None, *, never: str = "-") -> str:
    """``2026-03-01 12:00 UTC``."""
    return f"{at:%Y-%m-%d %H:%M} UTC" if at is not None else never


def minute(at: datetime | None, *, never: str = "-") -> str:
    """``2026-03-01 12:00``, under a head that says that it is UTC."""
    return f"{at:%Y-%m-%d %H:%M}" if at is not None else never


def good(text: str) -> Text:
    """Something that is as it should be."""
    return Text(text, style="green")


def bad(text: str) -> Text:
    """Something that somebody has to see to."""
    return Text(text, style="bold red")


def doubtful(text: str) -> Text:
    """Something that somebody should look at."""
    return Text(text, style="yellow")


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


def _list(
    console: Console, heads: Sequence[str], rows: Sequence[Sequence[Cell]], indent: int
) -> None:
    for row in rows:
        _put(console, _styled(row[0], "bold"), indent)
        for head, cell in zip(heads[1:], row[1:], strict=True):
            _put(console, _pair(head, cell), indent + 2)


def _width(cell: Cell) -> int:
    return max((cell_len(line) for line in str(cell).splitlines()), default=0)


def _put(console: Console, what: RenderableType, indent: int) -> None:
    """Print it; into a pipe or a file without the spaces at the ends of lines."""
    padded = Padding(what, (0, 0, 0, indent), expand=False)
    if console.is_terminal:
        console.print(padded)
        return
    with console.capture() as captured:
        console.print(padded)
    for line in captured.get().splitlines():
        console.out(line.rstrip())


def _styled(cell: Cell, style: str) -> Text:
    text = cell.copy() if isinstance(cell, Text) else Text(cell)
    text.stylize(style)
    return text


def _pair(head: str, cell: Cell) -> Text:
    return Text(f"{head}: ", style="dim").append_text(_styled(cell, "not dim"))

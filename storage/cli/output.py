"""What a command prints: one JSON document for programs, or text for people.

Outside a terminal text has no colors and no line breaks of its own. On a terminal it is wrapped
between words. A table that does not fit is printed as a list, so that ids stay whole.

Names come from people and catalogs. What could control a terminal, or forge a line, is escaped:
every text passes ``_text`` or ``_lines``, every JSON document ``_escaped``. Nothing else prints.
"""

import dataclasses
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from uuid import UUID

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from storage.model import RecordId, ScopeKind
from storage.text import plural, visible

Cell = str | Text
_UNLIMITED = 10_000  # columns: nothing is wrapped in a pipe or a file
_NARROWEST = 24  # columns: a last column of long texts is not wrapped to less
_OUTSIDE_ASCII = re.compile(r"[^\x00-\x7e]")  # json.dumps escapes what is below a space


def console_for(*, stderr: bool = False) -> Console:
    """Return a console for text without markup."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _UNLIMITED
    return Console(stderr=stderr, width=width, markup=False, highlight=False, emoji=False)


def terminal_width() -> int:
    """Return the columns of stdout."""
    return console_for().width


def print_value(value: str) -> None:
    """Print lines on stdout as they are, for what people copy: ids, keys, receipts, pages."""
    print_lines(Text(value))


def print_lines(text: Text) -> None:
    """Print a text on stdout whose lines are ours. They are not wrapped."""
    console_for().print(_lines(text), soft_wrap=True)


def print_text(*parts: Cell, style: str | None = None, indent: int = 0) -> None:
    """Print a sentence on stdout."""
    console = console_for()
    _put(console, Text(" ", style or "").join(_text(part) for part in parts), indent)


def print_blank() -> None:
    """Print an empty line on stdout."""
    console_for().print()


def print_note(*parts: Cell, style: str | None = None) -> None:
    """Print a sentence on stderr: what is not the result itself."""
    console_for(stderr=True).print(*map(_text, parts), style=style)


def print_json(value: object) -> None:
    """Print one JSON document. Values of ``storage.model`` become objects, field by field."""
    text = json.dumps(value, default=_plain, indent=2, ensure_ascii=False)
    print(_OUTSIDE_ASCII.sub(_escaped, text))  # noqa: T201 - the result


def print_table(heads: Sequence[str], rows: Sequence[Sequence[Cell]], *, indent: int = 0) -> None:
    """Print rows under heads on stdout; where the terminal is too narrow, a list.

    Only the last column is wrapped, and only between words.
    """
    console = console_for()
    rows = [[_text(cell) for cell in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(heads, *rows, strict=True)]
    last = max(map(_longest_word, (heads[-1], *(row[-1] for row in rows))))
    least = sum(widths[:-1]) + max(min(widths[-1], _NARROWEST), last) + 2 * (len(widths) - 1)
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


def print_page(
    heads: Sequence[str], rows: Sequence[Sequence[Cell]], following: object | None
) -> None:
    """Print a table of one page of a list, and how to get the next page."""
    print_table(heads, rows)
    if following is not None:
        print_note(f"There may be more: --after {following}")


def print_facts(pairs: Iterable[tuple[str, Cell]], *, indent: int = 0) -> None:
    """Print names and values on stdout, one pair a line."""
    made = Table.grid(padding=(0, 2, 0, 0))
    made.add_column(style="dim")
    made.add_column(overflow="fold")
    for name, value in pairs:
        made.add_row(_text(name), _text(value))
    _put(console_for(), made, indent)


def format_time(at: datetime | None, *, never: str = "-") -> str:
    """Return ``2026-03-01 12:00 UTC``."""
    return f"{at:%Y-%m-%d %H:%M} UTC" if at is not None else never


def format_minute(at: datetime | None, *, never: str = "-") -> str:
    """Return ``2026-03-01 12:00``, for a column whose head says UTC."""
    return f"{at:%Y-%m-%d %H:%M}" if at is not None else never


def format_named(kind: ScopeKind, count: int) -> str:
    """Return ``one subject``, ``3 subjects``."""
    return f"one {kind}" if count == 1 else plural(count, kind)


def good(text: str) -> Text:
    """Return a text styled as healthy."""
    return Text(text, style="green")


def bad(text: str) -> Text:
    """Return a text styled as a problem."""
    return Text(text, style="bold red")


def warning(text: str) -> Text:
    """Return a text styled as a warning."""
    return Text(text, style="yellow")


def _plain(value: object) -> object:
    """Convert what json does not know: ids and digests to text, times to UTC, and so on."""
    if isinstance(value, RecordId | UUID):
        return str(value)
    if isinstance(value, bytes):  # a digest: content is given in base64 by its command
        return value.hex()
    if isinstance(value, date):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, frozenset):
        return sorted(value)
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


def _longest_word(cell: Cell) -> int:
    return max(map(cell_len, str(cell).split()), default=0)


def _put(console: Console, what: RenderableType, indent: int) -> None:
    """Print it; into a pipe or a file without spaces at the ends of lines."""
    padded = Padding(what, (0, 0, 0, indent), expand=False)
    if console.is_terminal:
        console.print(padded)
        return
    with console.capture() as captured:
        console.print(padded)
    for line in captured.get().splitlines():
        console.out(line.rstrip())


def _text(cell: Cell) -> Text:
    """Return a text of one line that does nothing to a terminal."""
    return _visible(cell) if isinstance(cell, Text) else Text(visible(cell))


def _lines(text: Text) -> Text:
    """Return a text that does nothing to a terminal but begin lines."""
    return _visible(text, but="\n")


def _visible(text: Text, *, but: str = "") -> Text:
    shown = visible(text.plain, but=but)
    return text if shown == text.plain else Text(shown, text.style)


def _escaped(char: re.Match[str]) -> str:
    """Return a character of a JSON document, escaped unless it is printable."""
    found = char.group()
    return found if found.isprintable() else json.dumps(found)[1:-1]


def _styled(cell: Cell, style: str) -> Text:
    text = _text(cell).copy()
    text.stylize(style)
    return text


def _pair(head: str, cell: Cell) -> Text:
    return Text(f"{head}: ", style="dim").append_text(_styled(cell, "not dim"))

"""The output of the demonstration: sections, sentences, tables and check marks, 80 columns wide."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from textwrap import wrap
from time import perf_counter

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

_WIDEST, _NARROW = 88, 80  # columns
_INDENT = 4

Cell = str | Text


def make_console() -> Console:
    """Return a console: colors on a terminal, plain text of 80 columns elsewhere."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(
            errors="backslashreplace"
        )  # characters that the terminal cannot show
    console = Console(markup=False, highlight=False, emoji=False)
    console.width = min(console.width, _WIDEST) if console.is_terminal else _NARROW
    return console


class Narrator:
    """Writes the output. No text is parsed as markup. ``problems`` collects what failed."""

    def __init__(self, console: Console) -> None:
        self.problems: list[str] = []
        self._console = console
        self._sections = 0
        self._room = False  # whether an empty line is due
        simple = console.options.ascii_only
        self._good, self._bad, self._rule = ("ok", "!!", "-") if simple else ("✓", "✗", "─")

    def title(self, text: str, *sentences: str) -> None:
        """Write a heading and paragraphs."""
        self._console.print()
        self._console.print(Text(text, style="bold"))
        for sentence in sentences:
            self._console.print("\n".join(wrap(sentence, self._console.width)))

    def section(self, title: str, when: str, why: str) -> None:
        """Start a section: its title, the simulated time, and why it matters."""
        self._sections += 1
        head = Table.grid(expand=True)
        head.add_column()
        head.add_column(justify="right", no_wrap=True)
        told = Text(f"{self._sections}. {title}", style="bold cyan")
        head.add_row(told, Text(when, style="dim"))
        self._room = False
        self._console.print()
        self._console.rule(style="dim", characters=self._rule)
        self._console.print(head)
        self.text(why, style="italic")
        self._room = True

    def text(self, sentence: str, style: str = "") -> None:
        """Write a paragraph."""
        self._line(" ", sentence, style)

    def good(self, text: str, seconds: float | None = None) -> None:
        """Write a success, and how long it took."""
        took = "" if seconds is None else f"  {format_seconds(seconds):>8}"
        self._line(self._good, text, "", Text(self._good, style="green"), took)

    def bad(self, text: str) -> None:
        """Write a problem, and remember it."""
        self.problems.append(text)
        self._line(self._bad, text, "", Text(self._bad, style="bold red"))

    def check(self, well: bool, text: str, otherwise: str = "") -> None:
        """Write a success or, if ``well`` is false, a problem."""
        if well:
            self.good(text)
        else:
            self.bad(otherwise or f"Expected, but not found: {text}")

    @contextmanager
    def step(self, doing: str, done: str = "") -> Iterator[None]:
        """Show a spinner on a terminal; then write ``done``, with the time it took."""
        began = perf_counter()
        if self._console.is_terminal:
            with self._console.status(f"{doing} ..."):
                yield
        else:
            yield
        if done:
            self.good(done, perf_counter() - began)

    def table(
        self,
        heads: Sequence[str],
        rows: Sequence[Sequence[Cell]],
        *,
        right: Sequence[int] = (),
        wide: int | None = None,
        gaps: Sequence[int] = (),
    ) -> None:
        """Write rows under heads, which may be empty.

        ``right``: columns of numbers. ``wide``: the column that takes the remaining width and is
        wrapped. ``gaps``: rows followed by an empty line.
        """
        made = Table(
            box=box.SIMPLE_HEAD,
            pad_edge=False,
            padding=(0, 2, 0, 0),
            header_style="bold",
            expand=wide is not None,
            show_edge=False,
            show_header=bool(heads),
        )
        for n, head in enumerate(heads or [""] * len(rows[0])):
            made.add_column(
                Text(head),
                justify="right" if n in right else "left",
                no_wrap=n != wide,
                ratio=1 if n == wide else None,
            )
        for n, row in enumerate(rows):
            cells = [cell if isinstance(cell, Text) else Text(cell) for cell in row]
            made.add_row(*cells, end_section=n in gaps)
        self._console.print()
        self._console.print(Padding(made, (0, 0, 0, _INDENT), expand=False))
        self._room = True

    def commands(self, what: str, *commands: str) -> None:
        """Write commands to copy."""
        self._console.print()
        self.text(what)
        for command in commands:
            self._console.print(Text(" " * (_INDENT + 2) + command, style="bold"), soft_wrap=True)

    def verdict(self, well: bool, text: str) -> None:
        """Write the result."""
        style = "green" if well else "red"
        self._console.print()
        self._console.rule(style=style, characters=self._rule)
        told = "\n".join(wrap(text, self._console.width))
        self._console.print(Text(told, style=f"bold {style}"))
        self._room = False

    def _line(
        self, mark: str, text: str, style: str, marked: Text | None = None, took: str = ""
    ) -> None:
        """Write a paragraph after its mark, with a time at the right end of its first line."""
        if self._room:
            self._console.print()
        self._room = False
        before = " " * (_INDENT - 1 - len(mark) if marked else _INDENT - 1)
        lines = wrap(text, self._console.width - _INDENT - len(took), break_on_hyphens=False)
        room = self._console.width - _INDENT - len(took)
        first = Text(before).append_text(marked or Text()).append(" ")
        first.append(lines[0].ljust(room) if took else lines[0], style=style)
        self._console.print(first.append(took, style="dim"))
        for line in lines[1:]:
            self._console.print(Text(" " * _INDENT).append(line, style=style))


def format_seconds(seconds: float) -> str:
    """Return ``3.1 ms`` or ``12.0 s``."""
    if seconds < 1:
        return f"{seconds * 1000:.1f} ms"
    return f"{seconds:.1f} s"

"""Telling it: sections, sentences, tables and ticks, for a terminal of 80 columns or a file."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

_WIDEST = 88
_INDENT = 3

Cell = str | Text


def console_of(width: int | None = None) -> Console:
    """Where people read: colours on a terminal, plain 80 columns elsewhere."""
    console = Console(markup=False, highlight=False, emoji=False, width=width)
    if width is None:
        console.width = min(console.width, _WIDEST) if console.is_terminal else 80
    return console


class Narrator:
    """Writes the story. Nothing in a text is taken for markup."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._sections = 0
        ascii_only = console.options.ascii_only
        self._good, self._bad = ("ok", "!!") if ascii_only else ("✓", "✗")

    def title(self, text: str, *more: str) -> None:
        """What it is all about."""
        self._console.print()
        self._console.print(Text(text, style="bold"))
        for sentence in more:
            self._console.print(Text(sentence))

    def section(self, title: str, when: str, why: str) -> None:
        """A new part: what it is, at which simulated time, and why one should care."""
        self._sections += 1
        head = Table.grid(expand=True)
        head.add_column()
        head.add_column(justify="right", no_wrap=True)
        head.add_row(
            Text(f"{self._sections}. {title}", style="bold cyan"), Text(when, style="dim")
        )
        self._console.print()
        self._console.rule(style="dim")
        self._console.print(head)
        self.say(why, style="italic")

    def say(self, *sentences: str, style: str = "") -> None:
        """Sentences, each as a paragraph."""
        for sentence in sentences:
            self._console.print(Padding(Text(sentence, style=style), (0, 0, 0, _INDENT)))

    def blank(self) -> None:
        """An empty line."""
        self._console.print()

    def good(self, text: str, seconds: float | None = None) -> None:
        """Something that was as it should be, and how long it took."""
        self._mark(self._good, "green", text, seconds)

    def bad(self, text: str) -> None:
        """Something that was not."""
        self._mark(self._bad, "bold red", text, None)

    def check(self, well: bool, text: str, otherwise: str = "") -> None:  # noqa: FBT001
        """One or the other."""
        if well:
            self.good(text)
        else:
            self.bad(otherwise or text)

    @contextmanager
    def step(self, doing: str, done: str = "") -> Iterator[None]:
        """Show on a terminal that something goes on; then ``done``, with the time that it took."""
        began = perf_counter()
        if self._console.is_terminal:
            with self._console.status(f"{doing} ..."):
                yield
        else:
            yield
        if done:
            self.good(done, perf_counter() - began)

    def table(
        self, heads: Sequence[str], rows: Sequence[Sequence[Cell]], *, right: Sequence[int] = (),
        wide: int | None = None, gaps: Sequence[int] = (),
    ) -> None:  # fmt: skip
        """Rows under heads. ``right``: columns of numbers; ``wide``: the one that takes the rest.

        ``gaps``: rows after which a line is drawn.
        """
        made = Table(
            box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold",
            expand=wide is not None, show_edge=False,
        )  # fmt: skip
        for n, head in enumerate(heads):
            made.add_column(
                Text(head), justify="right" if n in right else "left", no_wrap=n != wide,
                ratio=1 if n == wide else None,
            )  # fmt: skip
        for n, row in enumerate(rows):
            cells = [cell if isinstance(cell, Text) else Text(cell) for cell in row]
            made.add_row(*cells, end_section=n in gaps)
        self.blank()
        self._console.print(Padding(made, (0, 0, 0, _INDENT)))
        self.blank()

    def verdict(self, well: bool, text: str) -> None:  # noqa: FBT001
        """The last word."""
        self._console.print()
        self._console.rule(style="green" if well else "red")
        self._console.print(Text(text, style="bold green" if well else "bold red"))

    def _mark(self, mark: str, style: str, text: str, seconds: float | None) -> None:
        line = Table.grid(padding=(0, 1, 0, 0), expand=True)
        line.add_column(no_wrap=True)
        line.add_column(ratio=1)
        line.add_column(justify="right", no_wrap=True)
        took = "" if seconds is None else lasted(seconds)
        line.add_row(Text(mark, style=style), Text(text), Text(took, style="dim"))
        self._console.print(Padding(line, (0, 0, 0, _INDENT)))


def lasted(seconds: float) -> str:
    """``3.1 ms``, ``12 s``."""
    if seconds < 1:
        return f"{seconds * 1000:.1f} ms"
    return f"{seconds:.1f} s"

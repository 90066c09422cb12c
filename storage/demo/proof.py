"""The proof: what is there when it should be, is gone when it should be, and is nowhere else."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from storage.client.store import Store
from storage.demo.byte_finder import Finder
from storage.demo.search_targets import Piece, in_catalogs, on_backends, on_disk
from storage.demo.traces import Traces
from storage.model import DataClass, ErasureState, Reason, ScopeKind

_SHOWN = 28  # characters of a key


@dataclass
class Searched:
    """One search through everything: where each value was found, and how much was looked at.

    ``alive``: the parties whose traces must be there at that time.
    """

    when: str
    alive: frozenset[str] = frozenset()
    found: defaultdict[str, dict[bytes, str]] = field(default_factory=lambda: defaultdict(dict))
    items: Counter[str] = field(default_factory=Counter)  # by place
    size: int = 0  # bytes
    unread: list[str] = field(default_factory=list)

    def take(self, finder: Finder, piece: Piece) -> None:
        """Search one piece."""
        self.items[piece.place] += piece.items
        self.size += len(piece.data)
        if not piece.whole:
            self.unread.append(f"{piece.place}: {piece.name}")
        for value in finder.find(piece.data):
            self.found[piece.place].setdefault(value, piece.name)

    def count(self, values: frozenset[bytes], place: str) -> int:
        """How many of the values were found in a place."""
        return len(values & self.found[place].keys())


_OURS = frozenset(
    word.value.encode() for words in (Reason, ScopeKind, ErasureState, DataClass) for word in words
)
"""Words that the catalog writes by itself, whatever somebody may be called."""


class Proof:
    """Searches made in the course of time, held against what each should have found.

    ``plain`` is what must be nowhere at any time: pieces of text, and names.
    """

    def __init__(self, store: Store, home: Path, plain: frozenset[bytes]) -> None:
        self._store, self._home = store, home
        self.traces: Sequence[Traces] = ()
        self.searches: list[Searched] = []
        self._plain_finder = self._finder = Finder(plain)
        self.plain = plain - self._anywhere() - _OURS
        self.chance = len(plain) - len(self.plain)
        self.disk = Searched("the end")

    def control(self, plain_text: Sequence[bytes]) -> int:
        """How much of ``plain`` is found in text that does hold it: that the search can find."""
        found = {value for text in plain_text for value in self._plain_finder.find(text)}
        return len(found & self.plain)

    def note(self, traces: Sequence[Traces]) -> None:
        """These are to be looked for from now on."""
        self.traces = traces
        self._finder = Finder(chain(self.plain, *(some.values for some in traces)))

    def search(self, when: str, alive: set[str]) -> None:
        """Look for all traces, and for all plain text, on all backends and in all catalogs.

        ``alive``: the parties whose traces must be there.
        """
        made = Searched(when, frozenset(alive))
        for piece in chain(on_backends(self._store), in_catalogs(self._store)):
            made.take(self._finder, piece)
        self.searches.append(made)

    def search_disk(self) -> None:
        """Look for plain text in every file that there is."""
        for piece in on_disk(self._home):
            self.disk.take(self._plain_finder, piece)

    def failures(self) -> list[str]:
        """What is where it should not be, or not where it should be: nothing, if all is well."""
        told = [self._judge(made, traces) for made in self.searches for traces in self.traces]
        plain = [self._plain(made) for made in (*self.searches, self.disk)]
        unread = (f"{made.when}: unfinished, {x}" for made in self.searches for x in made.unread)
        return [*chain.from_iterable(told), *chain.from_iterable(plain), *unread]

    def astray(self) -> int:
        """How many traces were found in a place where they do not belong, at any time."""
        return sum(
            made.count(traces.values, place)
            for made in self.searches
            for traces in self.traces
            for place in made.found
            if place not in traces.places
        )

    def plain_found(self, made: Searched) -> int:
        """How many pieces of plain text a search has found."""
        return len(self.plain & frozenset().union(*made.found.values()))

    def _judge(self, made: Searched, traces: Traces) -> Iterator[str]:
        what, alive = f"{made.when}: {traces.kind} of {traces.whose}", traces.whose in made.alive
        for place in sorted({*made.found, *traces.places}):
            here = traces.values & made.found[place].keys()
            wanted = len(traces.values) if alive and place in traces.places else 0
            if len(here) < wanted:
                yield f"{what}: {len(here)} of {wanted} on {place}"
            elif len(here) > wanted:
                yield f"{what}: {len(here)} on {place}, in {_shown(made.found[place][min(here)])}"

    def _plain(self, made: Searched) -> Iterator[str]:
        for place, values in made.found.items():
            names = sorted({name for value, name in values.items() if value in self.plain})
            if names:
                yield f"{made.when}: plain text on {place}, in {_shown(names[0])}"

    def _anywhere(self) -> frozenset[bytes]:
        """What is there by chance, before anything is stored."""
        pieces = chain(on_backends(self._store), in_catalogs(self._store), on_disk(self._home))
        found = (self._plain_finder.find(piece.data) for piece in pieces)
        return frozenset(chain.from_iterable(found))


def _shown(name: str) -> str:
    """A key or table, short enough to be read."""
    return name if len(name) <= _SHOWN else f"{name[:_SHOWN]}..."

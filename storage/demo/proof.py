"""The proof: each trace is found while its record lives, then no longer, and nowhere else."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from storage.client.homes import Homes
from storage.demo.byte_finder import Finder
from storage.demo.search_targets import Piece, in_catalogs, on_backends, on_disk
from storage.demo.traces import Traces
from storage.model import DataClass, ErasureState, Reason, ScopeKind

_SHOWN = 28  # characters of a key in a finding


@dataclass
class Search:
    """One search through all data: where each value was found, and how much was searched.

    ``alive``: the parties whose traces must be found at that time.
    """

    when: str
    alive: frozenset[str] = frozenset()
    found: defaultdict[str, dict[bytes, str]] = field(default_factory=lambda: defaultdict(dict))
    items: Counter[str] = field(default_factory=Counter)  # by location
    size: int = 0  # bytes
    unread: list[str] = field(default_factory=list)

    def add(self, finder: Finder, piece: Piece) -> None:
        """Search one piece of data."""
        self.items[piece.location] += piece.items
        self.size += len(piece.data)
        if not piece.whole:
            self.unread.append(f"{piece.location}: {piece.name}")
        for value in finder.find(piece.data):
            self.found[piece.location].setdefault(value, piece.name)

    def count(self, values: frozenset[bytes], location: str) -> int:
        """Return how many of the values were found in a location."""
        return len(values & self.found[location].keys())


_OURS = frozenset(
    word.value.encode() for words in (Reason, ScopeKind, ErasureState, DataClass) for word in words
)
"""Words that the catalog writes itself: a user may have one of them as a name."""


class Proof:
    """Searches over time, compared with what each should have found.

    ``plain``: texts and names that no search may find.
    """

    def __init__(self, homes: Homes, home: Path, plain: frozenset[bytes]) -> None:
        self._homes, self._home = homes, home
        self.traces: Sequence[Traces] = ()
        self.searches: list[Search] = []
        self._plain_finder = self._finder = Finder(plain)
        self.plain = plain - self._baseline() - _OURS
        self.chance = len(plain) - len(self.plain)
        self.disk = Search("the end")

    def control(self, plain_text: Sequence[bytes]) -> int:
        """Return how much of ``plain`` is found in the input: it shows that the search works."""
        found = {value for text in plain_text for value in self._plain_finder.find(text)}
        return len(found & self.plain)

    def expect(self, traces: Sequence[Traces]) -> None:
        """Search for these traces from now on."""
        self.traces = traces
        self._finder = Finder(chain(self.plain, *(some.values for some in traces)))

    def search(self, when: str, alive: set[str]) -> None:
        """Search all backends and catalogs for all traces and all plain text.

        ``alive``: the parties whose traces must be found.
        """
        search = Search(when, frozenset(alive))
        for piece in chain(on_backends(self._homes), in_catalogs(self._homes)):
            search.add(self._finder, piece)
        self.searches.append(search)

    def search_disk(self) -> None:
        """Search every file on disk for plain text."""
        for piece in on_disk(self._home):
            self.disk.add(self._plain_finder, piece)

    def failures(self) -> list[str]:
        """Return what was found wrongly, or wrongly not found; empty if the proof holds."""
        found = [self._judge(search, some) for search in self.searches for some in self.traces]
        plain = [self._plain(search) for search in (*self.searches, self.disk)]
        unread = (
            f"{search.when}: unfinished, {x}" for search in self.searches for x in search.unread
        )
        return [*chain.from_iterable(found), *chain.from_iterable(plain), *unread]

    def misplaced(self) -> int:
        """Return how many traces were ever found outside their own locations."""
        return sum(
            search.count(traces.values, location)
            for search in self.searches
            for traces in self.traces
            for location in search.found
            if location not in traces.locations
        )

    def plain_found(self, search: Search) -> int:
        """Return how many texts and names a search has found."""
        return len(self.plain & frozenset().union(*search.found.values()))

    def _judge(self, search: Search, traces: Traces) -> Iterator[str]:
        what = f"{search.when}: {traces.kind} of {traces.whose}"
        alive = traces.whose in search.alive
        for location in sorted({*search.found, *traces.locations}):
            here = traces.values & search.found[location].keys()
            wanted = len(traces.values) if alive and location in traces.locations else 0
            if len(here) < wanted:
                yield f"{what}: {len(here)} of {wanted} on {location}"
            elif len(here) > wanted:
                name = search.found[location][min(here)]
                yield f"{what}: {len(here)} on {location}, in {_shown(name)}"

    def _plain(self, search: Search) -> Iterator[str]:
        for location, values in search.found.items():
            names = sorted({name for value, name in values.items() if value in self.plain})
            if names:
                yield f"{search.when}: plain text on {location}, in {_shown(names[0])}"

    def _baseline(self) -> frozenset[bytes]:
        """Return what is found before anything is stored."""
        pieces = chain(on_backends(self._homes), in_catalogs(self._homes), on_disk(self._home))
        found = (self._plain_finder.find(piece.data) for piece in pieces)
        return frozenset(chain.from_iterable(found))


def _shown(name: str) -> str:
    """Return a shortened key or table name."""
    return name if len(name) <= _SHOWN else f"{name[:_SHOWN]}..."

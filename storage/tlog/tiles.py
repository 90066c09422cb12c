"""Tiles: how a log is cut into files (c2sp.org/tlog-tiles).

A tile holds up to 256 hashes. Those of level 0 are leaf hashes, and each of level n + 1 is the root
of a full tile of level n. A bundle holds the up to 256 entries whose hashes are in the tile of
level 0 with the same index. A full tile or bundle never changes; at the right edge of the tree
there are partial ones, which are replaced by wider ones as the log grows.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Self

from storage.tlog.commitments import COMMITMENT

WIDTH: Final = 256
"""How many hashes or entries a full tile or bundle holds."""

HASH: Final = 32
"""How many bytes a hash has."""

MOST_ENTRY: Final = 2**16 - 1
"""How many bytes an entry has at most."""

_PATH = re.compile(
    r"tile/(entries|[0-9]|[1-5][0-9]|6[0-3])/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([0-9]{1,3}))?"
)

Level = int | Literal["entries"]


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile, or one bundle if its level is ``entries``; partial if narrower than 256."""

    level: Level
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Return its path below the prefix of the log, such as ``tile/0/x001/067.p/12``."""
        partial = f".p/{self.width}" if self.width < WIDTH else ""
        return f"tile/{self.level}/{_number(self.index)}{partial}"

    @property
    def end(self) -> int:
        """Return the index of the first entry after those that it spans once it is full."""
        level = 0 if self.level == "entries" else self.level
        span: int = WIDTH ** (level + 1)
        return (self.index + 1) * span

    @classmethod
    def parse(cls, path: str) -> Self:
        """Return the tile of a path. Raises ValueError if the path names none."""
        match = _PATH.fullmatch(path)
        if match is None:
            raise ValueError("not the path of a tile")
        level, number, width = match.groups()
        index = int(number.replace("x", "").replace("/", ""))
        tile = cls("entries" if level == "entries" else int(level), index, int(width or WIDTH))
        if tile.width == 0 or tile.path != path:
            raise ValueError("not the path of a tile as it is written")
        return tile


def width_of(level: Level, index: int, size: int) -> int:
    """Return how wide a tile is in a tree of ``size`` entries; 0 if it is not there."""
    row = size if level == "entries" else size // WIDTH**level
    return min(max(row - index * WIDTH, 0), WIDTH)


def length_of(level: Level) -> int:
    """Return how many bytes of a tile or bundle one hash or entry of a region's log takes."""
    return 2 + COMMITMENT if level == "entries" else HASH


def levels_of(size: int) -> range:
    """Return the levels that have a tile in a tree of ``size`` entries."""
    return range(-(-size.bit_length() // 8))


def tiles_of(size: int) -> Iterator[Tile]:
    """Yield every bundle and tile of a tree of ``size`` entries, partial ones included."""
    levels: list[Level] = ["entries", *levels_of(size)]
    for level in levels:
        row = size if level == "entries" else size // WIDTH**level
        for index in range(-(-row // WIDTH)):
            yield Tile(level, index, width_of(level, index, size))


def may_go(tile: Tile, size: int, minimum: int) -> bool:
    """Tell whether a log of ``size`` entries may stop to serve a tile or bundle.

    ``minimum`` is the index of the first entry that is still served; what is from before it may go,
    and a partial tile once the full one is there. What is left proves every entry from ``minimum``
    on, and the consistency of all trees that have at least ``minimum`` entries. Raises ValueError
    if the log has fewer.
    """
    if not 0 <= minimum <= size:
        raise ValueError("the minimum index is within the log")
    return tile.end <= (minimum if tile.width == WIDTH else size)


def first_served(paths: Iterable[str], size: int) -> int:
    """Return the index of the first entry whose bundle is among the paths of a log's files.

    A log of ``size`` entries that was pruned is whole from there on. Paths of nothing are left out.
    """
    bundles = [size // WIDTH]
    for path in paths:
        try:
            tile = Tile.parse(path)
        except ValueError:
            continue
        if tile.level == "entries" and tile.width == WIDTH:
            bundles.append(tile.index)
    return min(bundles) * WIDTH


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Return the bytes of a bundle. Raises ValueError if an entry is longer than 65,535 bytes."""
    if any(len(entry) > MOST_ENTRY for entry in entries):
        raise ValueError("an entry of a log has at most 65,535 bytes")
    return b"".join(len(entry).to_bytes(2) + entry for entry in entries)


def decode_bundle(data: bytes) -> list[bytes]:
    """Return the entries of a bundle. Raises ValueError if it ends within one."""
    entries, at = list[bytes](), 0
    while at < len(data):
        start = at + 2
        at = start + int.from_bytes(data[at:start])
        if len(data) < at:
            raise ValueError("it ends within an entry")
        entries.append(data[start:at])
    return entries


def _number(index: int) -> str:
    """Return a number in groups of three digits; all but the last begin with an x."""
    *above, last = f"{index:,}".rjust(3, "0").split(",")
    return "/".join([*(f"x{group:0>3}" for group in above), last])

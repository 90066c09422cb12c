"""Several files of a log in one object: a batch changes up to nine tiles and some bundles.

The object is a magic and the number of files (4 bytes), and then for each file: the length of its
path (2 bytes), the path, the length of the file (4 bytes), the file. So a restored catalog can read
it without its rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from storage.errors import Corrupt
from storage.tlog.tiles import Tile

_MAGIC: Final = b"domicile log tiles 1\n"


@dataclass(frozen=True, slots=True)
class Packed:
    """A tile or bundle in an object: from ``start``, ``length`` bytes."""

    tile: Tile
    start: int
    length: int


def pack(files: Sequence[tuple[Tile, bytes]]) -> tuple[bytes, list[Packed]]:
    """Return the object with some tiles and bundles, and where each of them is in it."""
    data, places = bytearray(_MAGIC + len(files).to_bytes(4)), list[Packed]()
    for tile, content in files:
        path = tile.path.encode()
        data += len(path).to_bytes(2) + path + len(content).to_bytes(4)
        places.append(Packed(tile, len(data), len(content)))
        data += content
    return bytes(data), places


def unpack(data: bytes) -> list[Packed]:
    """Return where each tile and bundle is in an object. Raises Corrupt if it is something else."""
    if not data.startswith(_MAGIC):
        raise Corrupt("An object does not contain tiles of a log.")
    try:
        return list(_places(data))
    except ValueError as error:
        raise Corrupt("An object with tiles of a log is damaged.") from error


def _places(data: bytes) -> Iterator[Packed]:
    at = len(_MAGIC) + 4
    count, ends = int.from_bytes(data[at - 4 : at]), len(data)
    while at < ends:
        length = int.from_bytes(data[at : at + 2])
        path, at = data[at + 2 : at + 2 + length], at + 2 + length
        size, at = int.from_bytes(data[at : at + 4]), at + 4
        yield Packed(Tile.parse(path.decode("ascii")), at, size)
        at, count = at + size, count - 1
    if count or at != ends:
        raise ValueError("it is cut, or longer than it says")

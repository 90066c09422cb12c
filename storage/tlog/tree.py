"""The tree of a log in its tiles: what is read of it, and what is written when it grows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import islice, product

from storage.errors import LogInvalid
from storage.tlog.merkle import Ranges, leaf_hash, node_hash, root_hash
from storage.tlog.tiles import (
    HASH,
    WIDTH,
    Tile,
    decode_bundle,
    encode_bundle,
    levels_of,
    width_of,
)

Read = Callable[[str], bytes]
"""Returns the bytes at a path of the log. Raises FileNotFoundError if there is nothing."""

Several = Callable[[str], Sequence[bytes]]
"""Returns what the bytes at a path may be, the likeliest first."""

_TRIED = 1000
"""How many combinations of what tiles may be are tried."""

_KEPT = 32
"""How many full tiles are kept for the next ones: those above them, for the most part."""


@dataclass(frozen=True, slots=True)
class Edge:
    """The right edge of a tree, from which it grows: its partial bundle and its partial tiles.

    Each level has fewer than 256 hashes, so an edge is small, whatever the size of the tree.
    """

    size: int = 0
    entries: tuple[bytes, ...] = ()
    levels: tuple[tuple[bytes, ...], ...] = ()

    @property
    def root(self) -> bytes:
        """Return the root of the tree."""
        root = root_hash([])
        below = False
        for hashes in self.levels:
            rest = list(hashes)
            while rest:
                count = len(rest) & -len(rest)  # leaves of the last complete subtree
                subtree = root_hash(rest[-count:])
                root = node_hash(subtree, root) if below else subtree
                below = True
                del rest[-count:]
        return root


def append(edge: Edge, entries: Sequence[bytes]) -> tuple[Edge, list[tuple[Tile, bytes]]]:
    """Return the edge after some entries were appended, and the tiles to write, with their bytes.

    Those are all tiles and bundles that are new or changed. Once they are written, a checkpoint
    for the new size can be signed. Raises ValueError if an entry is longer than 65,535 bytes.
    """
    if not entries:
        return edge, []
    bundles, kept = _cut([*edge.entries, *entries])
    first = edge.size // WIDTH
    written = [
        (Tile("entries", first + n, len(bundle)), encode_bundle(bundle))
        for n, bundle in enumerate(bundles)
    ]
    size = edge.size + len(entries)
    added = [leaf_hash(entry) for entry in entries]
    levels = list(edge.levels)
    for level in levels_of(size):
        if not added:
            break
        levels += [()] * (level == len(levels))
        tiles, rest = _cut([*levels[level], *added])
        first = edge.size // WIDTH ** (level + 1)
        written += [
            (Tile(level, first + n, len(hashes)), b"".join(hashes))
            for n, hashes in enumerate(tiles)
        ]
        levels[level] = tuple(rest)
        added = [root_hash(hashes) for hashes in tiles if len(hashes) == WIDTH]
    return Edge(size, tuple(kept), tuple(levels)), written


def read_hashes(read: Read, tile: Tile) -> list[bytes]:
    """Return the hashes of a tile. Raises LogInvalid if it is missing, or of another length."""
    found, data = _fetch(read, tile)
    if len(data) != found.width * HASH:
        raise LogInvalid(f"{found.path} has {len(data)} bytes instead of {found.width * HASH}.")
    return [data[at : at + HASH] for at in range(0, tile.width * HASH, HASH)]


def read_entries(read: Read, tile: Tile, hashes: Sequence[bytes]) -> list[bytes]:
    """Return the entries of a bundle, if these are their leaf hashes. Raises LogInvalid if not."""
    found, data = _fetch(read, tile)
    try:
        entries = decode_bundle(data)
    except ValueError as error:
        raise LogInvalid(f"{found.path} is no bundle: {error}.") from error
    if len(entries) != found.width:
        raise LogInvalid(f"{found.path} has {len(entries)} entries instead of {found.width}.")
    for n, (entry, expected) in enumerate(zip(entries, hashes, strict=False)):
        if leaf_hash(entry) != expected:
            raise LogInvalid(
                f"Entry {tile.index * WIDTH + n} is not what was logged: its hash in {found.path} "
                "is not that in the tree."
            )
    return entries[: tile.width]


def read_edge(read: Read, size: int, root: bytes) -> Edge:
    """Return the right edge of a tree. Raises LogInvalid if it does not have that root."""
    edge = believed_edge(read, size)
    levels = edge.levels
    if edge.root != root:
        raise LogInvalid(
            f"The tiles at the right edge of the log, for {size} entries, do not have the root "
            "hash of its checkpoint."
        )
    if not size % WIDTH:
        return edge
    bundle = Tile("entries", size // WIDTH, size % WIDTH)
    return replace(edge, entries=tuple(read_entries(read, bundle, levels[0])))


def believed_edge(read: Read, size: int) -> Edge:
    """Return the right edge of a tree as its tiles are, without its bundle.

    What is made of it has to be verified. Raises LogInvalid if a tile is missing.
    """
    last = (_last(level, size) for level in levels_of(size))
    levels = (tuple(read_hashes(read, tile)) if tile.width else () for tile in last)
    return Edge(size, (), tuple(levels))


def find_edge(several: Several, size: int, root: bytes) -> Edge:
    """Return the right edge of a tree from what its tiles may be: those that have its root.

    Raises LogInvalid if none do.
    """
    edge = (_last(level, size) for level in levels_of(size))
    paths = [tile.path for tile in edge if tile.width]
    if size % WIDTH:
        paths.append(Tile("entries", size // WIDTH, size % WIDTH).path)
    found = [_several(several, path) for path in paths]
    last = LogInvalid(f"A tile at the right edge of the log, for {size} entries, is missing.")
    for chosen in islice(product(*found), _TRIED):
        try:
            return read_edge(dict(zip(paths, chosen, strict=True)).__getitem__, size, root)
        except LogInvalid as error:
            last = error
    raise last


def rooted(several: Several, size: int, root: bytes) -> Read:
    """Return a function that reads the tiles of a tree from what each may be: those under its root.

    It has the full ones, and those at the right edge as they are at ``size`` entries. Raises
    LogInvalid, also when it is called, if nothing that a tile may be is under the root.
    """
    edge = find_edge(several, size, root)
    tiles = {_last(level, size): b"".join(edge.levels[level]) for level in levels_of(size)}
    tiles[Tile("entries", size // WIDTH, size % WIDTH)] = encode_bundle(edge.entries)
    known = {tile.path: data for tile, data in tiles.items() if tile.width}

    @lru_cache(_KEPT)
    def read(path: str) -> bytes:
        if path in known:
            return known[path]
        expected, tile = above(Tile.parse(path)), Tile.parse(path)
        for data in _several(several, path):
            if _hash_of(tile, data) == expected:
                return data
        raise LogInvalid(f"{path} does not have the hash that the tile above it has for it.")

    def above(tile: Tile) -> bytes:
        if tile.level == "entries":
            return b"".join(read_hashes(read, Tile(0, tile.index)))
        level, (index, at) = tile.level + 1, divmod(tile.index, WIDTH)
        return read_hashes(read, Tile(level, index, width_of(level, index, size)))[at]

    return read


def stored_ranges(read: Read, size: int) -> Ranges:
    """Return a function for the paths of ``merkle``: the root hash of any range that they need.

    It reads the tiles of a log of ``size`` entries and keeps those few: use it for one path. It
    believes them; what was made of them has to be verified. It raises LogInvalid if one is missing.
    """

    @cache
    def tile(level: int, index: int) -> list[bytes]:
        return read_hashes(read, Tile(level, index, width_of(level, index, size)))

    def ranges(start: int, stop: int) -> bytes:
        width = stop - start
        if width & (width - 1):
            split = start + (1 << width.bit_length() - 1)
            return node_hash(ranges(start, split), ranges(split, stop))
        level = (width.bit_length() - 1) // 8
        unit: int = WIDTH**level
        index, at = divmod(start // unit, WIDTH)
        return root_hash(tile(level, index)[at : at + width // unit])

    return ranges


def _last(level: int, size: int) -> Tile:
    """Return the partial tile of a level; its width is 0 if there is none."""
    index = size // WIDTH ** (level + 1)
    return Tile(level, index, width_of(level, index, size))


def _several(several: Several, path: str) -> Sequence[bytes]:
    try:
        return several(path)
    except FileNotFoundError as error:
        raise LogInvalid(f"{path} is missing.") from error


def _hash_of(tile: Tile, data: bytes) -> bytes | None:
    """Return what is above a full tile or bundle. None: it is none."""
    if tile.level != "entries":
        hashes = [data[at : at + HASH] for at in range(0, len(data), HASH)]
        return root_hash(hashes) if len(data) == WIDTH * HASH else None
    try:
        return b"".join(leaf_hash(entry) for entry in decode_bundle(data))
    except ValueError:
        return None


def _fetch(read: Read, tile: Tile) -> tuple[Tile, bytes]:
    """Return a tile and its bytes; the full one if a partial one was deleted."""
    try:
        return tile, read(tile.path)
    except FileNotFoundError as error:
        full = replace(tile, width=WIDTH)
        try:
            return full, read(full.path)
        except FileNotFoundError:
            raise LogInvalid(f"{tile.path} is missing.") from error


def _cut(items: Sequence[bytes]) -> tuple[list[Sequence[bytes]], Sequence[bytes]]:
    """Return items in parts of 256, and the last part again if it is not full."""
    parts = [items[at : at + WIDTH] for at in range(0, len(items), WIDTH)]
    return parts, parts[-1] if parts and len(parts[-1]) < WIDTH else []

"""A Merkle tree (RFC 6962, section 2.1): one hash covers many entries.

The input of a leaf hash begins with 0x00 and that of a node hash with 0x01, so that neither can be
mistaken for the other. An inclusion path proves that an entry is in the tree without the other
entries; a consistency path proves that a tree begins with all entries of an older one.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Final

EMPTY_ROOT: Final = hashlib.sha256().digest()
"""The root hash of a tree without entries."""

Ranges = Callable[[int, int], bytes]
"""The root hash of the entries from ``start`` to before ``stop``: MTH(D[start:stop])."""


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of one entry: 32 bytes."""
    return hashlib.sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node with two subtrees."""
    return hashlib.sha256(b"\1" + left + right).digest()


def root_hash(leaves: Sequence[bytes]) -> bytes:
    """Return the root hash of a tree over leaf hashes, in their order."""
    row = list(leaves)
    while len(row) > 1:
        pairs = [node_hash(*pair) for pair in zip(row[::2], row[1::2], strict=False)]
        row = [*pairs, *row[2 * len(pairs) :]]
    return row[0] if row else EMPTY_ROOT


def inclusion_path(ranges: Ranges, index: int, size: int) -> list[bytes]:
    """Return the hashes from the leaf at ``index`` (from 0) to the root, lowest first."""
    start, stop, path = 0, size, list[bytes]()
    while stop - start > 1:
        split = start + _split(stop - start)
        if index < split:
            path.append(ranges(split, stop))
            stop = split
        else:
            path.append(ranges(start, split))
            start = split
    return path[::-1]


def consistency_path(ranges: Ranges, old: int, size: int) -> list[bytes]:
    """Return the hashes that prove a tree of ``size`` leaves begins with one of ``old`` leaves."""
    start, stop, path = 0, size, list[bytes]()
    if old == 0:
        return path
    while stop > old:
        split = start + _split(stop - start)
        if old <= split:
            path.append(ranges(split, stop))
            stop = split
        else:
            path.append(ranges(start, split))
            start = split
    if start > 0:  # else it is the old tree, whose root the verifier has
        path.append(ranges(start, stop))
    return path[::-1]


def root_from(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """Return the root of a tree of ``size`` leaves that has the leaf at ``index``, by its path.

    Raises ValueError if no leaf of a tree of that size has a path of that length.
    """
    _check_hashes(path)
    if not 0 <= index < size:
        raise ValueError("no such path in a tree of that size")
    return _root_from(leaf, index, size, path)


def roots_from(old_root: bytes, old: int, size: int, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Return the roots of two trees, of which the larger begins with the smaller, by a path.

    The path proves something only if both are as expected. Raises ValueError if no two trees of
    those sizes have a path of that length.
    """
    _check_hashes(path)
    if not 0 < old <= size:
        raise ValueError("no such path between trees of those sizes")
    return _roots_from(old_root, old, size, path)


def _root_from(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    if (size > 1) != bool(path):
        raise ValueError("no such path in a tree of that size")
    if size == 1:
        return leaf
    split, rest, top = _split(size), path[:-1], path[-1]
    if index < split:
        return node_hash(_root_from(leaf, index, split, rest), top)
    return node_hash(top, _root_from(leaf, index - split, size - split, rest))


def _roots_from(
    known: bytes | None, old: int, size: int, path: Sequence[bytes]
) -> tuple[bytes, bytes]:
    """``known`` is the root of the old tree as long as it is the left part of this one."""
    if old == size:
        subtree = [*path, *([] if known is None else [known])]
        if len(subtree) != 1:
            raise ValueError("no such path between trees of those sizes")
        return subtree[0], subtree[0]
    if not path:
        raise ValueError("no such path between trees of those sizes")
    split, rest, top = _split(size), path[:-1], path[-1]
    if old <= split:
        before, after = _roots_from(known, old, split, rest)
        return before, node_hash(after, top)
    before, after = _roots_from(None, old - split, size - split, rest)
    return node_hash(top, before), node_hash(top, after)


def _check_hashes(path: Sequence[bytes]) -> None:
    if any(len(each) != len(EMPTY_ROOT) for each in path):
        raise ValueError("a hash of a path has 32 bytes")


def _split(size: int) -> int:
    """Return the number of leaves on the left: the largest power of two below ``size``."""
    return 1 << (size - 1).bit_length() - 1

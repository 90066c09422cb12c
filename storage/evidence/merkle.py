"""A Merkle tree (RFC 6962, section 2.1; RFC 9162): one hash covers many texts.

The input of a leaf hash begins with 0x00 and that of a node hash with 0x01, so that neither can be
mistaken for the other. An inclusion path proves that a text is in the tree without the other texts.
"""

import hashlib
from collections.abc import Sequence


def leaf_hash(text: bytes) -> bytes:
    """Return the hash of one text: 32 bytes."""
    return hashlib.sha256(b"\0" + text).digest()


def root_hash(leaves: Sequence[bytes]) -> bytes:
    """Return the root hash of a tree over one or more leaf hashes, in their order."""
    if len(leaves) == 1:
        return leaves[0]
    split = _split(len(leaves))
    return _node(root_hash(leaves[:split]), root_hash(leaves[split:]))


def inclusion_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the hashes from the leaf at ``index`` (from 0) to the root, lowest first."""
    if len(leaves) == 1:
        return []
    split = _split(len(leaves))
    if index < split:
        return [*inclusion_path(leaves[:split], index), root_hash(leaves[split:])]
    return [*inclusion_path(leaves[split:], index - split), root_hash(leaves[:split])]


def root_from(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """Return the root of a tree of ``size`` leaves that has the leaf at ``index``, by its path.

    Raises ValueError if no leaf of a tree of that size has a path of that length.
    """
    if not 0 <= index < size or (size > 1) != bool(path):
        raise ValueError("no such path in a tree of that size")
    if size == 1:
        return leaf
    split, rest, top = _split(size), path[:-1], path[-1]
    if index < split:
        return _node(root_from(leaf, index, split, rest), top)
    return _node(top, root_from(leaf, index - split, size - split, rest))


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def _split(size: int) -> int:
    """Return the number of leaves on the left: the largest power of two below ``size``."""
    return 1 << (size - 1).bit_length() - 1

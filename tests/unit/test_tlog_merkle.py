"""The tree whose root is signed, against published hashes and a second implementation."""

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.tlog.merkle import (
    EMPTY_ROOT,
    Ranges,
    consistency_path,
    inclusion_path,
    leaf_hash,
    root_from,
    root_hash,
    roots_from,
)
from tests.support.receipt_verifier import in_tree, tree_hash

VECTOR: dict[str, Any] = json.loads(
    Path(__file__).with_name("vectors").joinpath("merkle.json").read_text()
)
TEXTS = [bytes.fromhex(text) for text in VECTOR["texts"]]

texts = st.lists(st.binary(max_size=8), min_size=1, max_size=40)


@pytest.mark.parametrize("size", range(1, len(TEXTS) + 1))
def test_roots_are_those_that_others_have_published(size: int) -> None:
    """The test data of Certificate Transparency, for which RFC 6962 was written."""
    assert root_hash([leaf_hash(t) for t in TEXTS[:size]]).hex() == VECTOR["roots"][size - 1]


@given(texts)
def test_two_ways_to_one_root(some: list[bytes]) -> None:
    """From the top down, as it is defined, and leaf by leaf."""
    assert root_hash([leaf_hash(text) for text in some]) == tree_hash(some)


@pytest.mark.parametrize("size", [*range(1, 34), 63, 64, 65, 100])
def test_every_text_has_a_path_that_both_accept(size: int) -> None:
    """And that serves no text at another place, and no other text at this one."""
    some = [b"%d" % n for n in range(size)]
    leaves = [leaf_hash(text) for text in some]
    root = root_hash(leaves)
    for index, text in enumerate(some):
        path = inclusion_path(ranges(leaves), index, size)

        assert root_from(leaves[index], index, size, path) == root
        assert in_tree(text, index, size, path, root)
        for other in {index + 1, index - 1, size - 1} - {index}:
            assert not proves(leaves[index], other, size, path, root)
        assert not proves(leaves[index - 1], index, size, path, root) or size == 1


@given(texts, st.data())
def test_a_path_that_was_changed_proves_nothing(some: list[bytes], data: st.DataObject) -> None:
    """A hash more, a hash less, one bit of one hash: both implementations refuse it."""
    index = data.draw(st.integers(0, len(some) - 1))
    leaves = [leaf_hash(text) for text in some]
    root, path = root_hash(leaves), inclusion_path(ranges(leaves), index, len(leaves))
    changed = [[*path, bytes(32)], [bytes(32), *path]]
    if path:
        at, bit = data.draw(st.integers(0, len(path) - 1)), data.draw(st.integers(0, 255))
        flipped = (int.from_bytes(path[at]) ^ 1 << bit).to_bytes(32)
        changed += [path[:-1], path[1:], [*path[:at], flipped, *path[at + 1 :]]]
    for other in changed:
        assert not proves(leaves[index], index, len(some), other, root)
        assert not in_tree(some[index], index, len(some), other, root)


def test_a_node_is_no_leaf() -> None:
    """Who hashes two hashes as if they were a text gets another hash: no second way to a root."""
    left, right = leaf_hash(b"a"), leaf_hash(b"b")

    assert leaf_hash(left + right) != root_hash([left, right])


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (-1, 2), (2, 2), (7, 3)])
def test_there_is_no_path_outside_of_a_tree(index: int, size: int) -> None:
    """A place that the tree does not have is refused."""
    with pytest.raises(ValueError, match="no such path"):
        root_from(leaf_hash(b""), index, size, [])


def by_definition(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, word for word, of leaves that are hashed already."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = max(1 << n for n in range(20) if 1 << n < len(leaves))
    return sha256(b"\1" + by_definition(leaves[:k]) + by_definition(leaves[k:])).digest()


@pytest.mark.parametrize("size", range(70))
def test_the_root_is_that_of_the_definition(size: int) -> None:
    """For a tree without entries too."""
    leaves = [leaf_hash(b"%d" % n) for n in range(size)]

    assert root_hash(leaves) == by_definition(leaves)
    assert root_hash([]) == EMPTY_ROOT


def subproof(m: int, leaves: Sequence[bytes], *, whole: bool) -> list[bytes]:
    """SUBPROOF of RFC 6962, section 2.1.2, word for word."""
    n = len(leaves)
    if m == n:
        return [] if whole else [by_definition(leaves)]
    k = max(1 << e for e in range(20) if 1 << e < n)
    if m <= k:
        return [*subproof(m, leaves[:k], whole=whole), by_definition(leaves[k:])]
    return [*subproof(m - k, leaves[k:], whole=False), by_definition(leaves[:k])]


@pytest.mark.parametrize("size", [*range(1, 20), 31, 32, 33, 64, 65])
def test_every_tree_begins_with_every_older_one(size: int) -> None:
    """The path is that of the RFC, proves both roots, and proves nothing of other sizes."""
    leaves = [leaf_hash(b"%d" % n) for n in range(size)]
    for old in range(1, size + 1):
        path = consistency_path(ranges(leaves), old, size)
        before, after = by_definition(leaves[:old]), by_definition(leaves)

        assert path == subproof(old, leaves, whole=True)
        assert roots_from(before, old, size, path) == (before, after)
        for other in {old - 1, old + 1} - {0, size + 1}:
            roots = (by_definition(leaves[:other]), after)
            assert not connects(roots[0], other, size, path, roots)
        for at in range(len(path) + 1):
            longer, shorter = [*path[:at], bytes(32), *path[at:]], [*path[:at], *path[at + 1 :]]
            assert not connects(before, old, size, longer, (before, after))
            assert shorter == path or not connects(before, old, size, shorter, (before, after))


@given(texts, texts, st.data())
def test_a_changed_history_is_consistent_with_nothing(
    some: list[bytes], more: list[bytes], data: st.DataObject
) -> None:
    """One entry of the old tree is another now: no path of either tree connects the roots."""
    was = [leaf_hash(text) for text in some]
    at = data.draw(st.integers(0, len(was) - 1))
    now = [*was[:at], leaf_hash(b"another, and too long to be drawn"), *was[at + 1 :]]
    now += [leaf_hash(text) for text in more]
    roots = (root_hash(was), root_hash(now))
    for tree in (now, [*was, *now[len(was) :]]):
        path = consistency_path(ranges(tree), len(was), len(now))

        assert not connects(roots[0], len(was), len(now), path, roots)


@pytest.mark.parametrize(("old", "size"), [(0, 1), (3, 2), (-1, 1)])
def test_there_is_no_path_from_a_tree_that_is_not_smaller(old: int, size: int) -> None:
    """Sizes that make no sense are refused."""
    with pytest.raises(ValueError, match="no such path"):
        roots_from(EMPTY_ROOT, old, size, [])


@pytest.mark.parametrize("change", [(bytes(31),), (bytes(33),), (b"",)])
def test_a_hash_of_another_length_is_refused(change: tuple[bytes, ...]) -> None:
    """Else two of 31 and 33 bytes would pass for two of 32."""
    with pytest.raises(ValueError, match="32 bytes"):
        root_from(EMPTY_ROOT, 0, 2, change)
    with pytest.raises(ValueError, match="32 bytes"):
        roots_from(EMPTY_ROOT, 1, 2, change)


def ranges(leaves: Sequence[bytes]) -> Ranges:
    """Return the root hash of any range of leaves."""
    return lambda start, stop: by_definition(leaves[start:stop])


def connects(
    old_root: bytes, old: int, size: int, path: list[bytes], roots: tuple[bytes, bytes]
) -> bool:
    """Whether our code takes the path for a proof that the second root continues the first."""
    try:
        return roots_from(old_root, old, size, path) == roots
    except ValueError:
        return False


def proves(leaf: bytes, index: int, size: int, path: list[bytes], root: bytes) -> bool:
    """Whether our code takes the path for a proof."""
    try:
        return root_from(leaf, index, size, path) == root
    except ValueError:
        return False

"""The tree whose root is signed, against published hashes and a second implementation."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.evidence.merkle import inclusion_path, leaf_hash, root_from, root_hash
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
        path = inclusion_path(leaves, index)

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
    root, path = root_hash(leaves), inclusion_path(leaves, index)
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


def proves(leaf: bytes, index: int, size: int, path: list[bytes], root: bytes) -> bool:
    """Whether our code takes the path for a proof."""
    try:
        return root_from(leaf, index, size, path) == root
    except ValueError:
        return False

"""A log that grows by its right edge alone, and what can be proved from its tiles."""

from hashlib import sha256
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import LogInvalid
from storage.tlog.merkle import (
    consistency_path,
    inclusion_path,
    leaf_hash,
    root_from,
    roots_from,
)
from storage.tlog.tiles import Tile, may_go, tiles_of
from storage.tlog.tree import Edge, append, read_edge, rooted, stored_ranges
from tests.support.foreign_log import mth
from tests.support.logs import MemoryLog, numbered

batches = st.lists(st.integers(0, 600), max_size=6)


@given(batches)
def test_any_batches_make_the_same_log(sizes: list[int]) -> None:
    """Root, tiles and bundles are those of the definition, and only partial tiles are left over."""
    log, whole = MemoryLog(), MemoryLog().grow(numbered(0, sum(sizes)))
    for size in sizes:
        log.grow(numbered(log.edge.size, log.edge.size + size))

    assert log.edge == whole.edge
    assert log.edge.root == mth([leaf_hash(entry) for entry in numbered(0, sum(sizes))])
    assert {tile.path for tile in tiles_of(sum(sizes))} == whole.files.keys() - {"checkpoint"}
    assert whole.files.items() - log.files.items() <= {("checkpoint", whole.files["checkpoint"])}
    left_over = log.files.keys() - whole.files.keys() - {"checkpoint"}
    assert all(Tile.parse(path).width < 256 for path in left_over)


@given(batches)
def test_tiles_and_edge_are_read_back(sizes: list[int]) -> None:
    """A process that starts again goes on from the files."""
    log = MemoryLog()
    for size in sizes:
        log.grow(numbered(log.edge.size, log.edge.size + size))
        log.edge = read_edge(log.read, log.edge.size, log.edge.root)

    assert log.edge == MemoryLog().grow(numbered(0, sum(sizes))).edge


@given(st.integers(0, 400), st.integers(1, 900), st.lists(st.integers(1, 900), max_size=2))
def test_tiles_of_a_history_that_was_lost_are_passed_over(
    shared: int, size: int, lost: list[int]
) -> None:
    """Processes sent them before their catalog was restored; the log went on with other entries."""
    first = numbered(0, shared)
    log = MemoryLog().grow(first).grow(numbered(10_000, 10_000 + size))
    others = [
        MemoryLog().grow(first).grow(numbered(at, at + count))
        for at, count in zip((20_000, 30_000), lost, strict=False)
    ]

    def several(path: str) -> list[bytes]:
        found = [each.files[path] for each in (*others, log) if path in each.files]
        if not found:
            raise FileNotFoundError(path)
        return found

    read = rooted(several, log.edge.size, log.edge.root)

    assert all(read(tile.path) == log.files[tile.path] for tile in tiles_of(log.edge.size))


def test_a_tile_that_nobody_has_under_the_root_is_refused() -> None:
    """Neither is it taken from another history, nor passed over."""
    log, other = MemoryLog().grow(numbered(0, 600)), MemoryLog().grow(numbered(600, 1200))
    read = rooted(
        lambda path: [(other if "/000" in path and "/1/" not in path else log).files[path]],
        600,
        log.edge.root,
    )

    assert read("tile/0/001") == log.files["tile/0/001"]
    for path in ("tile/0/000", "tile/entries/000"):
        with pytest.raises(LogInvalid):
            read(path)


def test_two_full_levels() -> None:
    """The tree gets its third level with entry 65,536."""
    sizes = (65_535, 65_536, 65_537)
    log = MemoryLog()
    leaves = [leaf_hash(entry) for entry in numbered(0, max(sizes))]
    for before, size in pairwise((0, *sizes)):
        log.grow(numbered(before, size))

        assert log.edge.root == mth(leaves[:size])
        assert log.edge == read_edge(log.read, size, log.edge.root)
    assert len(log.files["tile/1/000"]) == 8192
    assert log.files["tile/2/000.p/1"] == mth(leaves[:65_536])


def test_nothing_is_written_for_no_entries() -> None:
    """A checkpoint may be signed again without new tiles."""
    edge = MemoryLog().grow(numbered(0, 300)).edge

    assert append(edge, []) == (edge, [])


def test_ten_million_entries_are_not_read_to_append_one() -> None:
    """Four files are read, and the partial tile and bundle of the leaves are written."""
    size, random = 10_000_000, Random(1)
    entries = tuple(numbered(size - size % 256, size))
    rows = [tuple(leaf_hash(entry) for entry in entries)]
    rows += [tuple(random.randbytes(32) for _ in range(size // 256**n % 256)) for n in (1, 2)]
    edge, log = Edge(size, entries, tuple(rows)), MemoryLog()
    for level, row in enumerate(rows):
        log.files[Tile(level, size // 256 ** (level + 1), len(row)).path] = b"".join(row)
    log.files[Tile("entries", size // 256, len(entries)).path] = b"".join(
        len(entry).to_bytes(2) + entry for entry in entries
    )

    assert read_edge(log.read, size, edge.root) == edge
    assert log.reads <= 4
    grown, written = append(edge, [b"one more"])
    assert [tile.path for tile, _ in written] == [
        "tile/entries/x039/062.p/129",
        "tile/0/x039/062.p/129",
    ]
    assert grown.root == _from_the_right([*rows[2], *rows[1], *rows[0], leaf_hash(b"one more")])
    assert edge.root != grown.root


def _from_the_right(hashes: list[bytes]) -> bytes:
    """Return the root over 10,000,001 leaves, of which the higher rows are given for 256**n."""
    counts = [2] * (10_000_000 >> 16) + [1] * (10_000_000 >> 8 & 255)
    weights = [256**n for n in counts] + [1] * (len(hashes) - len(counts))
    stack: list[tuple[int, bytes]] = []
    for weight, each in zip(weights, hashes, strict=True):
        stack.append((weight, each))
        while len(stack) > 1 and stack[-2][0] == stack[-1][0]:
            (_, right), (size, left) = stack.pop(), stack.pop()
            stack.append((2 * size, sha256(b"\1" + left + right).digest()))
    root = stack.pop()[1]
    while stack:
        root = sha256(b"\1" + stack.pop()[1] + root).digest()
    return root


@pytest.fixture(scope="module")
def log() -> MemoryLog:
    """A log of 70,000 entries, for which a checkpoint was signed after 66,000 too."""
    return MemoryLog().grow(numbered(0, 66_000)).grow(numbered(66_000, 70_000))


@given(st.sampled_from([66_000, 70_000]), st.data())
def test_paths_come_from_few_tiles(log: MemoryLog, size: int, data: st.DataObject) -> None:
    """Each proves what it should, in every tree whose tiles the log has."""
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    root = stored_ranges(log.read, size)(0, size)
    log.reads = 0
    path = inclusion_path(stored_ranges(log.read, size), index, size)

    assert log.reads <= 6
    assert root_from(leaf_hash(b"%d" % index), index, size, path) == root
    log.reads = 0
    path = consistency_path(stored_ranges(log.read, size), old, size)
    assert log.reads <= 6
    assert roots_from(stored_ranges(log.read, size)(0, old), old, size, path)[1] == root


@given(st.integers(0, 70_000), st.data())
def test_what_may_go_is_not_needed(log: MemoryLog, minimum: int, data: st.DataObject) -> None:
    """Every entry and every tree from the minimum on can be proved from what is left."""
    kept = {
        path: file
        for path, file in log.files.items()
        if path == "checkpoint" or not may_go(Tile.parse(path), 70_000, minimum)
    }
    pruned = MemoryLog(edge=log.edge, files=kept)
    index = data.draw(st.integers(min(minimum, 69_999), 69_999))
    old = data.draw(st.integers(max(minimum, 1), 70_000))
    path = inclusion_path(stored_ranges(pruned.read, 70_000), index, 70_000)

    assert root_from(leaf_hash(b"%d" % index), index, 70_000, path) == log.edge.root
    ranges = stored_ranges(pruned.read, 70_000)
    path = consistency_path(ranges, old, 70_000)
    assert roots_from(ranges(0, old), old, 70_000, path)[1] == log.edge.root


def test_a_partial_tile_that_was_deleted_is_read_from_the_full_one() -> None:
    """The log grew, and deleted it, after the checkpoint was read."""
    log = MemoryLog().grow(numbered(0, 300))
    old = log.edge
    log.grow(numbered(300, 600))
    for path in [path for path in log.files if ".p/44" in path]:
        del log.files[path]

    assert read_edge(log.read, 300, old.root) == old


@pytest.mark.parametrize("path", ["tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/001.p/44"])
@pytest.mark.parametrize("change", ["missing", "short", "long", "flipped"])
def test_an_edge_that_was_changed_is_refused(path: str, change: str) -> None:
    """A log does not grow from what its checkpoint does not cover."""
    log = MemoryLog().grow(numbered(0, 300))
    good = log.files.pop(path)
    if change != "missing":
        flipped = good[:-1] + bytes([good[-1] ^ 1])
        log.files[path] = {"short": good[:-1], "long": good + b"\0", "flipped": flipped}[change]

    with pytest.raises(LogInvalid):
        read_edge(log.read, 300, log.edge.root)

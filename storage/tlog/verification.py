"""A whole log, verified from its files: entries, tiles, checkpoint, and what it was before."""

from collections.abc import Iterator
from dataclasses import replace

from storage.errors import LogInvalid
from storage.tlog.checkpoints import (
    Checkpoint,
    Opened,
    Trust,
    check_succession,
    open_checkpoint,
    verify_consistency,
)
from storage.tlog.merkle import consistency_path, root_hash
from storage.tlog.tiles import WIDTH, Tile, width_of
from storage.tlog.tree import Read, read_edge, read_entries, read_hashes, stored_ranges

CHECKPOINT = "checkpoint"
"""The path of the signed checkpoint."""


def verify_log(
    read: Read, trust: Trust, *, old: Checkpoint | None = None, minimum: int = 0
) -> Opened:
    """Verify a log from its files, and that it only grew since an old checkpoint of it.

    ``minimum`` is the index of the first entry that the log still serves. Raises LogInvalid, which
    says what is wrong: an entry, a tile, the checkpoint; or that it is another log than the old one
    was of, or that it was truncated or forked since.
    """
    opened = open_log(read, trust)
    new = opened.checkpoint
    if old is not None:
        check_succession(old, new)
    for _ in read_log(read, new, minimum=minimum):
        pass
    if old is not None:
        if 0 < old.size < minimum:
            raise LogInvalid(
                f"The log no longer has what would show its state at {old.size} entries.",
                advice=f"Use a checkpoint of at least {minimum} entries.",
            )
        path = consistency_path(stored_ranges(read, new.size), old.size, new.size)
        verify_consistency(old, new, path)
    return opened


def open_log(read: Read, trust: Trust) -> Opened:
    """Return the checkpoint of a log, if it is signed as is required. Raises LogInvalid."""
    try:
        signed = read(CHECKPOINT)
    except FileNotFoundError as error:
        raise LogInvalid("The log has no checkpoint.") from error
    return open_checkpoint(signed, trust)


def verify_leftover(read: Read, tile: Tile, size: int) -> None:
    """Verify that a tile or bundle from before a log grew is the start of what is there now.

    The log has ``size`` entries, and its files were verified. Raises LogInvalid: the file is from
    another history of the log, or damaged.
    """
    now = Tile(0 if tile.level == "entries" else tile.level, tile.index)
    hashes = read_hashes(read, replace(now, width=width_of(now.level, now.index, size)))
    if tile.level == "entries":
        read_entries(read, tile, hashes)
    elif read_hashes(read, tile) != hashes[: tile.width]:
        raise LogInvalid(f"{tile.path} is not the start of what the log has there now.")


def read_log(
    read: Read, checkpoint: Checkpoint, *, minimum: int = 0
) -> Iterator[tuple[int, list[bytes]]]:
    """Yield the entries of a log, a bundle at a time, with the index of the first of each.

    All that is yielded was verified before, from the root of the checkpoint down. One bundle and
    one tile per level are in memory. Bundles that end before ``minimum`` are left out. Raises
    LogInvalid at the first that is not as the checkpoint says.
    """
    if not 0 <= minimum <= checkpoint.size:
        raise LogInvalid(
            f"The log has {checkpoint.size} entries, and cannot begin with entry {minimum}."
        )
    edge = read_edge(read, checkpoint.size, checkpoint.root)
    for level in range(len(edge.levels) - 1, 0, -1):
        first = checkpoint.size // WIDTH ** (level + 1) * WIDTH
        for n, root in enumerate(edge.levels[level]):
            yield from _read_tile(read, Tile(level - 1, first + n), root, minimum)
    if edge.entries:
        yield checkpoint.size - len(edge.entries), list(edge.entries)


def _read_tile(
    read: Read, tile: Tile, root: bytes, minimum: int
) -> Iterator[tuple[int, list[bytes]]]:
    """Yield the entries under a full tile, which must have that root."""
    if tile.end <= minimum:
        return
    hashes = read_hashes(read, tile)
    if root_hash(hashes) != root:
        raise LogInvalid(f"{tile.path} does not have the hash that the tile above it has for it.")
    assert isinstance(tile.level, int)
    if tile.level == 0:
        bundle = Tile("entries", tile.index)
        yield tile.index * WIDTH, read_entries(read, bundle, hashes)
        return
    for n, below in enumerate(hashes):
        yield from _read_tile(read, Tile(tile.level - 1, tile.index * WIDTH + n), below, minimum)

"""What somebody can do to a log who has all of its bytes and the key that signs it.

Each function gets the entries of a log, and how many of them somebody else has seen; it returns
what the log shall have been. ``rewrite`` makes a log of that, in which everything fits.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from storage.tlog.checkpoints import Checkpoint, sign_checkpoint
from storage.tlog.notes import parse_note
from storage.tlog.tiles import Tile, decode_bundle, tiles_of
from storage.tlog.tree import Edge, append

History = Callable[[list[bytes], int], list[bytes]]
_OTHER = b"what never happened"


def _edited(at: int, entries: list[bytes]) -> list[bytes]:
    changed = bytearray(entries[at])
    changed[-1] ^= 1
    return [*entries[:at], bytes(changed), *entries[at + 1 :]]


def _without(at: int, entries: list[bytes]) -> list[bytes]:
    return entries[:at] + entries[at + 1 :]


def _swapped(a: int, b: int, entries: list[bytes]) -> list[bytes]:
    entries = list(entries)
    entries[a], entries[b] = entries[b], entries[a]
    return entries


SEEN: dict[str, History] = {
    "edit the first": lambda entries, _: _edited(0, entries),
    "edit one in the middle": lambda entries, seen: _edited(seen // 2, entries),
    "edit the last that was seen": lambda entries, seen: _edited(seen - 1, entries),
    "drop the first": lambda entries, _: _without(0, entries),
    "drop one in the middle": lambda entries, seen: _without(seen // 2, entries),
    "drop the last that was seen": lambda entries, seen: _without(seen - 1, entries),
    "drop one, and fill it up": lambda entries, seen: [*_without(seen // 2, entries), _OTHER],
    "reorder two": lambda entries, seen: _swapped(0, seen - 1, entries),
    "reorder across the edge": lambda entries, seen: _swapped(seen - 1, seen, entries),
    "back-date one": lambda entries, seen: [*entries[: seen // 2], _OTHER, *entries[seen // 2 :]],
    "put one before all": lambda entries, _: [_OTHER, *entries],
    "say one twice": lambda entries, _: [entries[0], *entries],
    "fork": lambda entries, seen: [*entries[: seen - 1], *[_OTHER] * len(entries)],
    "truncate": lambda entries, seen: entries[: seen - 1],
    "empty": lambda *_: [],
    "write anew": lambda entries, _: [_OTHER] * len(entries),
}
"""What touches an entry that was seen."""

UNSEEN: dict[str, History] = {
    "edit": lambda entries, seen: _edited(seen, entries),
    "drop": lambda entries, seen: _without(seen, entries),
    "reorder": lambda entries, seen: _swapped(seen, len(entries) - 1, entries),
    "add": lambda entries, seen: [*entries[:seen], _OTHER, *entries[seen:]],
    "truncate": lambda entries, seen: entries[:seen],
    "fork": lambda entries, seen: [*entries[:seen], *[_OTHER] * len(entries)],
}
"""The same with what nobody else has seen."""


def checkpoint_of(folder: Path) -> Checkpoint:
    """Return what the log in a folder states."""
    return Checkpoint.parse(parse_note((folder / "checkpoint").read_bytes()).text)


def entries_of(folder: Path) -> list[bytes]:
    """Return all entries of the log in a folder."""
    size = checkpoint_of(folder).size
    bundles = (tile for tile in tiles_of(size) if tile.level == "entries")
    return [e for tile in bundles for e in decode_bundle((folder / tile.path).read_bytes())]


def rewrite(folder: Path, entries: list[bytes], key: Ed25519PrivateKey) -> None:
    """Make the log in a folder one of these entries, signed with its key."""
    origin = checkpoint_of(folder).origin
    shutil.rmtree(folder)
    edge, written = append(Edge(), entries)
    for tile, data in written:
        _write(folder, tile, data)
    folder.mkdir(exist_ok=True)
    signed = sign_checkpoint(Checkpoint(origin, edge.size, edge.root), key)
    (folder / "checkpoint").write_bytes(signed)


def _write(folder: Path, tile: Tile, data: bytes) -> None:
    (folder / tile.path).parent.mkdir(parents=True, exist_ok=True)
    (folder / tile.path).write_bytes(data)

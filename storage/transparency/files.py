"""A region's log as the files of c2sp.org/tlog-tiles."""

from collections.abc import Iterator
from dataclasses import dataclass

from storage.catalog import checkpoints
from storage.catalog.checkpoints import SignedRoot
from storage.region import OpenRegion
from storage.tlog.tiles import may_go, tiles_of
from storage.tlog.verification import CHECKPOINT
from storage.transparency.cosigning import cosigned
from storage.transparency.reading import reader, signed_note


@dataclass(frozen=True, slots=True)
class Published:
    """The newest published checkpoint, the note with its cosignatures, and the first entry."""

    root: SignedRoot
    note: bytes
    minimum: int


def published(region: OpenRegion) -> Published | None:
    """Return what the log shows to others now. None: nothing was published yet."""
    with region.catalog.begin() as connection:
        root = checkpoints.published(connection, region.log_trust)
        if root is None:
            return None
        note = signed_note(root, cosigned(region, connection, root))
        return Published(root, note, checkpoints.minimum(connection))


def files_of(region: OpenRegion, log: Published) -> Iterator[tuple[str, bytes]]:
    """Yield each file of the log with its path; the checkpoint last.

    So a copy that is interrupted has no checkpoint that promises more than is there. Raises
    BackendError if a file cannot be read, FileNotFoundError if it is missing.
    """
    read = reader(region)
    for tile in tiles_of(log.root.size):
        if tile.width < 256 or not may_go(tile, log.root.size, log.minimum):
            yield tile.path, read(tile.path)
    yield CHECKPOINT, log.note

"""The files of a region's log, read from its backends."""

from storage.catalog import checkpoints, objects
from storage.catalog.checkpoints import Range, SignedRoot
from storage.errors import BackendError, BackendUnavailable, KeyAbsent
from storage.model import ReplicaState
from storage.objects.transfer import fetch, read_order
from storage.region import OpenRegion
from storage.tlog.tiles import HASH, Tile, decode_bundle, encode_bundle
from storage.tlog.tree import Read

_TRIES = 3  # a worker may purge an object just when a wider tile has replaced it


def reader(region: OpenRegion) -> Read:
    """Return a function that reads tiles and bundles by their paths.

    It raises FileNotFoundError for one that the log does not have, and BackendError if no backend
    gives it.
    """

    def read(path: str) -> bytes:
        wanted = Tile.parse(path)
        last: BackendError | None = None
        for _ in range(_TRIES):
            with region.catalog.begin() as connection:
                found = checkpoints.where_is(connection, wanted)
            if found is None:
                raise FileNotFoundError(path)
            try:
                return narrowed(_fetch(region, found), found.tile, wanted)
            except KeyAbsent as error:
                last = error
        assert last is not None
        raise last

    return read


def narrowed(data: bytes, tile: Tile, wanted: Tile) -> bytes:
    """Return a tile or bundle from a wider one of the same place, which begins with it."""
    if tile.width == wanted.width:
        return data
    if wanted.level == "entries":
        return encode_bundle(decode_bundle(data)[: wanted.width])
    return data[: wanted.width * HASH]


def signed_note(root: SignedRoot, cosignatures: dict[str, str]) -> bytes:
    """Return a checkpoint as it is given to others: with the lines of its witnesses."""
    return "".join([root.note, *cosignatures.values()]).encode()


def _fetch(region: OpenRegion, found: Range) -> bytes:
    with region.catalog.begin() as connection:
        stored = objects.replicas_of(connection, [found.object_id], [ReplicaState.STORED])
    last: BackendError | None = None
    for replica, patience in read_order(region, stored.get(found.object_id, [])):
        stop = found.start + found.length
        try:
            data = fetch(region, replica, patience, found.start, stop)
        except BackendError as error:
            last = error
            continue
        if len(data) == found.length:
            return data
        last = BackendUnavailable(replica.backend, "an object with tiles of the log is cut")
    raise last or KeyAbsent("")

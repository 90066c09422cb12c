"""The files of a region's log, read from its backends."""

from collections.abc import Iterator

from storage.catalog import checkpoints, objects
from storage.catalog.checkpoints import Range, SignedRoot
from storage.errors import BackendError, BackendUnavailable, KeyAbsent, LogInvalid
from storage.model import ReplicaState
from storage.objects.transfer import fetch, read_order
from storage.region import OpenRegion
from storage.tlog.tiles import HASH, Tile, decode_bundle, encode_bundle
from storage.tlog.tree import Read, Several

_TRIES = 3  # a worker may purge an object just when a wider tile has replaced it


def reader(region: OpenRegion) -> Read:
    """Return a function that reads tiles and bundles by their paths.

    It raises FileNotFoundError for one that the log does not have, BackendError if no backend gives
    it, and LogInvalid if the catalog names nothing but places where there is none.
    """

    def read(path: str) -> bytes:
        return next(_found(region, path))

    return read


def several(region: OpenRegion) -> Several:
    """Return a function that reads what a tile or bundle may be. It raises what ``reader`` does.

    Any login can say that a tile is somewhere. Who has a hash of it chooses.
    """
    return lambda path: list(dict.fromkeys(_found(region, path)))


def _found(region: OpenRegion, path: str) -> Iterator[bytes]:
    """Yield what is at the places where a tile may be; raise if that is nothing."""
    wanted, found = Tile.parse(path), False
    last: BackendError | LogInvalid | None = None
    for _ in range(_TRIES):
        with region.catalog.begin() as connection:
            places = checkpoints.where_is(connection, wanted)
        if not places:
            raise FileNotFoundError(path)
        for place in places:
            try:
                yield narrowed(_fetch(region, place), place.tile, wanted)
                found = True
            except (BackendError, LogInvalid) as error:
                last = error
        if found:
            return
        if not isinstance(last, KeyAbsent):
            break
    assert last is not None
    raise last


def narrowed(data: bytes, tile: Tile, wanted: Tile) -> bytes:
    """Return a tile or bundle from a wider one of the same place, which begins with it.

    Raises LogInvalid if it is no bundle.
    """
    if wanted.level != "entries":
        return data[: wanted.width * HASH]
    try:
        return encode_bundle(decode_bundle(data)[: wanted.width])
    except ValueError as error:
        raise LogInvalid(f"Where {tile.path} should be is no bundle: {error}.") from error


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

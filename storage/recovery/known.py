"""What a restored catalog has of its log: only what the hashes of its lines show.

Any login of a process can add lines and checkpoints to it, and let the lines get numbers, until its
recovery begins.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from sqlalchemy import Connection

from storage.catalog import checkpoints, log
from storage.catalog.checkpoints import SignedRoot
from storage.errors import BackendError, LogInvalid
from storage.region import OpenRegion
from storage.tlog.tree import Edge, append, believed_edge
from storage.transparency.reading import reader


def newest_known(region: OpenRegion, connection: Connection) -> SignedRoot | None:
    """Return the newest checkpoint of which the catalog has the lines.

    Where their roots cannot be computed, because the tiles before the first line are not there, it
    is the newest one that has no more lines than the catalog.
    """
    begin = checkpoints.minimum(connection)
    whole = checkpoints.whole(connection, region.log_trust)
    edge = _edge_before(region, begin)
    if edge is not None:
        lines = log.all_numbered(connection, begin, log.following(connection))
        entries = (line.commitment for line in lines)
        rising = sorted((root for root in whole if root.size >= begin), key=lambda x: x.size)
        found = list(_rooted(edge, entries, rising))
        if found or not begin:
            return found[-1] if found else None
    return whole[0] if whole else None


def _edge_before(region: OpenRegion, begin: int) -> Edge | None:
    """Return the edge of the log before its first line. None: it cannot be read."""
    try:
        return believed_edge(reader(region), begin)
    except (BackendError, LogInvalid):
        return None


def _rooted(
    edge: Edge, entries: Iterable[bytes], rising: Sequence[SignedRoot]
) -> Iterator[SignedRoot]:
    """Yield those of the checkpoints that have the root of the entries, as many as it has."""
    left = iter(entries)
    for root in rising:
        missing = root.size - edge.size
        edge, _ = append(edge, list(islice(left, missing)))
        if (edge.size, edge.root) == (root.size, root.root):
            yield root

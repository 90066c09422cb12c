"""Object locks that others set: how long they keep what we were refused to delete."""

from collections.abc import Iterator

from storage.catalog import drains
from storage.errors import BackendError
from storage.policy import Locked, longest
from storage.ports import ObjectLock
from storage.region import OpenRegion

_MOST = 8  # replicas that are looked at


def find_locked(region: OpenRegion, backend: str) -> Locked | None:
    """Return how long locks keep the replicas that a backend refused to delete.

    Looks at a few of them. None: it says nothing of a lock, or does not answer.
    """
    with region.catalog.begin() as connection:
        keys = drains.undeleted(connection, backend, _MOST + 1)
    found = [(lock.until, lock.held) for lock in _locks(region, backend, keys[:_MOST])]
    return longest(found, complete=len(found) == len(keys))


def _locks(region: OpenRegion, backend: str, keys: list[str]) -> Iterator[ObjectLock]:
    try:
        for key in keys:
            found = region.backends[backend].find_lock(key)
            if found is not None:
                yield found
    except BackendError:
        return

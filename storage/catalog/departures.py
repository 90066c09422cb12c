"""Which backends the replicas of a catalog are on, whatever the topology says."""

from collections.abc import Collection

from sqlalchemy import Connection, func, select

from storage.catalog import tables as t
from storage.catalog.counting import count_up_to
from storage.model import ReplicaState

r = t.replica.c

COUNTED = 1_000_000


def elsewhere(connection: Connection, known: Collection[str]) -> dict[str, int]:
    """Return the replicas that are not gone on backends other than these, counted to a million.

    The names are found with one look at an index for each, however many replicas there are.
    """
    names = select(func.min(r.backend).label("backend")).cte("names", recursive=True)
    after = select(func.min(r.backend)).where(r.backend > names.c.backend).scalar_subquery()
    names = names.union_all(select(after).where(names.c.backend.is_not(None)))
    found = connection.scalars(select(names.c.backend).where(names.c.backend.is_not(None))).all()
    return {
        name: count
        for name in found
        if name not in known and (count := count_left(connection, name))
    }


def count_left(connection: Connection, backend: str) -> int:
    """Return how many replicas of a backend are not gone, up to a million."""
    left = select(r.id).where(r.backend == backend, r.state != ReplicaState.GONE)
    return count_up_to(connection, left, COUNTED)

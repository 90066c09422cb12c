"""Everything that a catalog knows to be on backends, in the order of keys."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import Connection, select

from storage.catalog import tables as t
from storage.catalog.objects import ObjectState
from storage.model import ReplicaState

o, r = t.object_.c, t.replica.c

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class KnownReplica:
    """A replica, and the object that it is of."""

    key: str
    backend: str
    attempt: UUID
    state: ReplicaState
    object_id: UUID
    object_state: ObjectState
    day: date | None


def all_replicas(connection: Connection) -> Iterator[KnownReplica]:
    """Every replica, keys ascending byte by byte, in constant memory; all of one moment."""
    query = (
        select(r.key, r.backend, r.id, r.state, o.id, o.state, o.day)
        .join(t.object_, o.id == r.object_id)
        .order_by(r.key.collate("C"))
    )
    with connection.execute(query, execution_options={"yield_per": _PAGE}) as rows:
        for x in rows:
            yield KnownReplica(x[0], x[1], x[2], ReplicaState(x[3]), x[4], ObjectState(x[5]), x[6])

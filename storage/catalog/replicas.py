"""Every replica that a catalog knows, in the order of keys."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import Connection, select

from storage.catalog import tables as t
from storage.catalog.kinds import ObjectState
from storage.model import ReplicaState

o, r = t.object_.c, t.replica.c

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class KnownReplica:
    """A replica with the state and expiry day of its object."""

    key: str
    backend: str
    replica: UUID
    state: ReplicaState
    object_id: UUID
    object_state: ObjectState
    day: date | None


def all_replicas(connection: Connection) -> Iterator[KnownReplica]:
    """Yield every replica, keys ascending byte by byte, from one snapshot, in constant memory."""
    query = (
        select(r.key, r.backend, r.id, r.state, o.id, o.state, o.day)
        .join(t.object_, o.id == r.object_id)
        .order_by(r.key.collate("C"))
    )
    with connection.execute(query, execution_options={"yield_per": _PAGE}) as rows:
        for x in rows:
            yield KnownReplica(x[0], x[1], x[2], ReplicaState(x[3]), x[4], ObjectState(x[5]), x[6])

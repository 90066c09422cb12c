"""The numbers of a region's status. Counts of records stop at a million."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, any_, func, literal, select

from storage.catalog import sweeps
from storage.catalog import tables as t
from storage.catalog.counting import count_up_to
from storage.catalog.kinds import ObjectKind, ObjectState
from storage.model import BackendState, ErasureState, ReplicaState

COUNTED = 1_000_000

e, o, r, s = t.erasure.c, t.object_.c, t.replica.c, t.scrub.c


@dataclass(frozen=True, slots=True)
class Totals:
    """What is stored, and the erasures that are not complete."""

    records: int
    files: int
    bytes: int
    open_erasures: int
    deferred_erasures: int


def totals(connection: Connection) -> Totals:
    """Return the totals of the region."""
    stored = select(func.coalesce(func.sum(o.size), 0)).where(o.state == ObjectState.STORED)
    unfinished, deferred = connection.execute(
        select(func.count(), func.count().filter(e.state == ErasureState.DEFERRED)).where(
            e.state != ErasureState.COMPLETE
        )
    ).one()
    return Totals(
        records=count_up_to(connection, select(t.record.c.uid), COUNTED),
        files=count_up_to(connection, select(t.file.c.uid), COUNTED),
        bytes=int(connection.scalar(stored) or 0),
        open_erasures=unfinished,
        deferred_erasures=deferred,
    )


def backend(connection: Connection, name: str, late: datetime) -> BackendState:
    """Return the state of one backend. What has been due to go since before ``late`` is overdue."""
    stored, size = connection.execute(
        select(func.count(), func.coalesce(func.sum(o.size), 0))
        .select_from(t.replica)
        .join(t.object_, o.id == r.object_id)
        .where(r.backend == name, r.state == ReplicaState.STORED, o.state == ObjectState.STORED)
    ).one()
    purging, oldest = connection.execute(
        select(func.count().filter(o.kind != ObjectKind.CANARY), func.min(r.purging_since))
        .select_from(t.replica)
        .join(t.object_, o.id == r.object_id)
        .where(r.backend == name, r.state == ReplicaState.PURGING)
    ).one()
    scrub = connection.execute(
        select(s.finished, s.unrepaired).where(s.backend == name)
    ).one_or_none()
    return BackendState(
        name,
        stored,
        int(size),
        _missing(connection, name),
        purging,
        oldest if oldest is not None and oldest < late else None,
        scrub.finished if scrub else None,
        scrub.unrepaired if scrub else 0,
        sweeps.count_orphans(connection, name),
    )


def _missing(connection: Connection, name: str) -> int:
    """Return how many replicas are still to be made on a backend."""
    here = and_(r.object_id == o.id, r.backend == name, r.state == ReplicaState.STORED)
    query = (
        select(func.count())
        .select_from(t.object_)
        .outerjoin(t.replica, here)
        .where(o.replicate_at.is_not(None), literal(name) == any_(o.backends), r.id.is_(None))
    )
    return connection.scalar(query) or 0

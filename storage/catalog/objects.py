"""Objects on backends and their replicas: announced, stored, purged, gone.

Invariant 2: a row is committed before the first byte is sent. A replica is one attempt to write
one object to one backend, under a key of its own. So a write that lands late cannot restore what
the purge of another replica removed.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import Connection, Select, func, select, update
from sqlalchemy.dialects.postgresql import insert

from storage.catalog import hold_predicate, holds, stages
from storage.catalog import tables as t
from storage.catalog.kinds import ObjectKind, ObjectState, key_of, replica_of
from storage.model import ReplicaState
from storage.policy import may_destroy

o, r = t.object_.c, t.replica.c

_LIVE = (ReplicaState.WRITING, ReplicaState.STORED)

Schedule = Literal["replicate_at", "compact_at"]
"""What is to be done with a stored object, by the column that says when."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """A whole row of an object."""

    id: UUID
    kind: ObjectKind
    state: ObjectState
    day: date | None
    tenant: str | None
    backends: tuple[str, ...]
    size: int | None
    digest: bytes | None
    family: UUID
    number: int | None = None


@dataclass(frozen=True, slots=True)
class ObjectSummary:
    """The kind, state and expiry day of an object."""

    kind: ObjectKind
    state: ObjectState
    day: date | None


@dataclass(frozen=True, slots=True)
class Replica:
    """A replica: its backend, its key and its state."""

    id: UUID
    object_id: UUID
    backend: str
    key: str
    state: ReplicaState
    land_by: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class NewObject:
    """An object that is about to be written."""

    id: UUID
    kind: ObjectKind
    day: date | None
    tenant: str | None
    backends: tuple[str, ...]
    announced: datetime
    deadline: datetime
    family: UUID | None = None  # of the pack that this one compacts
    number: int | None = None  # of a ledger entry


Targets = Mapping[str, tuple[UUID, datetime]]
"""For each backend the id of a replica, and when a write of it has landed at the latest."""


def announce(
    connection: Connection, given: Sequence[tuple[NewObject, Targets]]
) -> list[list[Replica]]:
    """Insert one or more objects, each with a replica per backend, all ``writing``."""
    stages.insert_objects(connection, [_as_row(new) for new, _ in given])
    return add_replicas(connection, given)


def _as_row(new: NewObject) -> dict[str, object]:
    return {
        "id": new.id,
        "kind": new.kind,
        "state": ObjectState.WRITING,
        "day": new.day,
        "tenant": new.tenant,
        "backends": list(new.backends),
        "announced": new.announced,
        "deadline": new.deadline,
        "family": new.family or new.id,
        "number": new.number,
    }


def add_replicas(
    connection: Connection, given: Sequence[tuple[NewObject, Targets]]
) -> list[list[Replica]]:
    """Insert more replicas of objects, one per backend, still ``writing``."""
    found = [
        [
            Replica(i, new.id, backend, _key_of(new, i), ReplicaState.WRITING, land_by, 0)
            for backend, (i, land_by) in targets.items()
        ]
        for new, targets in given
    ]
    made = [replica for some in found for replica in some]
    if made:
        connection.execute(
            insert(t.replica),
            [
                {
                    "id": replica.id,
                    "object_id": replica.object_id,
                    "backend": replica.backend,
                    "key": replica.key,
                    "state": replica.state,
                    "land_by": replica.land_by,
                }
                for replica in made
            ],
        )
    return found


def _key_of(new: NewObject, replica: UUID) -> str:
    return key_of(new.kind, new.id, replica, day=new.day, number=new.number)


def adopt(connection: Connection, new: NewObject, at: Mapping[str, str], land_by: datetime) -> None:
    """Insert an object that backends already have; ``at``: its keys, each with its backend.

    It is ``writing`` until it is finished or marked for purge. If it was marked for purge
    meanwhile, these replicas are purged too: their rows may have been pruned already.
    """
    values = _as_row(new)
    connection.execute(insert(t.object_).values(values).on_conflict_do_nothing())
    live = lock(connection, [new.id])[new.id].state in (ObjectState.WRITING, ObjectState.STORED)
    due = None if live else land_by
    same = {
        "object_id": new.id,
        "state": ReplicaState.STORED if live else ReplicaState.PURGING,
        "land_by": land_by,
        "next_attempt": due,
        "purging_since": due,
    }
    rows = [{"id": replica_of(k), "backend": name, "key": k, **same} for k, name in at.items()]
    if rows:
        query = insert(t.replica)
        connection.execute(
            query.on_conflict_do_update(
                index_elements=["id"],
                set_={"state": query.excluded.state, "land_by": query.excluded.land_by},
                where=r.state == ReplicaState.WRITING,
            ),
            rows,
        )


def record_results(
    connection: Connection, stored: Collection[UUID], failed: Mapping[UUID, str], now: datetime
) -> None:
    """Record which replicas were acknowledged, and send the others to the purge queue.

    ``failed``: replica to error code. An acknowledged write has landed and cannot land again,
    because nothing is sent twice under one key.
    """
    if stored:
        connection.execute(
            update(t.replica)
            .where(r.id.in_(stored), r.state == ReplicaState.WRITING)
            .values(state=ReplicaState.STORED, land_by=now)
        )
    for replica, error in failed.items():
        connection.execute(
            update(t.replica)
            .where(r.id == replica, r.state.in_(_LIVE))
            .values(
                state=ReplicaState.PURGING, next_attempt=now, purging_since=now, last_error=error
            )
        )


def renew(
    connection: Connection,
    object_id: UUID,
    replicas: Sequence[UUID],
    deadline: datetime,
    land_by: datetime,
) -> bool:
    """Extend the deadline of a write of these replicas. False: it was abandoned."""
    connection.execute(
        update(t.object_)
        .where(o.id == object_id, o.state == ObjectState.WRITING)
        .values(deadline=deadline)
    )
    done = connection.execute(
        update(t.replica)
        .where(r.id.in_(replicas), r.state == ReplicaState.WRITING)
        .values(land_by=land_by)
    )
    return done.rowcount == len(replicas)


def mark_for_purge(connection: Connection, object_ids: Collection[UUID], now: datetime) -> int:
    """Mark objects and all their replicas for purge; return the count.

    Objects that are ``purging`` or ``gone`` stay as they are. Raises Held if a record under a hold
    needs one of them.
    """
    if not object_ids:
        return 0
    holds.share(connection)
    found = lock(connection, list(object_ids))
    live = {i: x for i, x in found.items() if x.state in (ObjectState.WRITING, ObjectState.STORED)}
    needed = hold_predicate.needed(connection, {i: x.day for i, x in live.items()})
    for i, x in live.items():
        may_destroy(what="object", state=x.state, held=i in needed, now=now).demand()
    if not live:
        return 0
    connection.execute(
        update(t.object_)
        .where(o.id.in_(live))
        .values(state=ObjectState.PURGING, compact_at=None, replicate_at=None)
    )
    connection.execute(
        update(t.replica)
        .where(r.object_id.in_(live), r.state.in_(_LIVE))
        .values(state=ReplicaState.PURGING, next_attempt=now, purging_since=now)
    )
    return len(live)


def lock_stored_key(connection: Connection, key_id: UUID) -> bool:
    """Return whether a key is stored. If so, it is not purged as unused until the commit."""
    query = select(o.state).where(o.id == key_id).with_for_update(read=True)
    return connection.scalar(query) == ObjectState.STORED


def find_object(
    connection: Connection, object_id: UUID, *, lock: bool = False
) -> StoredObject | None:
    """Return one object. ``lock``: no other transaction changes it until the commit."""
    query = select(t.object_).where(o.id == object_id)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        return None
    return StoredObject(
        row.id,
        ObjectKind(row.kind),
        ObjectState(row.state),
        row.day,
        row.tenant,
        tuple(row.backends),
        row.size,
        row.digest,
        row.family,
        row.number,
    )


def replicas_of(
    connection: Connection, object_ids: Iterable[UUID], states: Collection[ReplicaState]
) -> dict[UUID, list[Replica]]:
    """Return the replicas of objects that are in one of the states, by object."""
    found: dict[UUID, list[Replica]] = {}
    rows = connection.execute(
        select(r.id, r.object_id, r.backend, r.key, r.state, r.land_by, r.attempts).where(
            r.object_id.in_(list(object_ids)), r.state.in_(states)
        )
    )
    for x in rows:
        found.setdefault(x[1], []).append(
            Replica(x[0], x[1], x[2], x[3], ReplicaState(x[4]), x[5], x[6])
        )
    return found


def due(column: Schedule, now: datetime) -> Select[UUID]:
    """SQL: stored objects that are to be replicated or compacted now."""
    return select(o.id).where(t.object_.c[column] <= now, o.state == ObjectState.STORED)


def claim_due(
    connection: Connection, column: Schedule, now: datetime, lease_until: datetime, limit: int
) -> list[UUID]:
    """Lease a batch of due objects until ``lease_until``. They are due again then."""
    some = due(column, now).order_by(t.object_.c[column]).limit(limit)
    query = (
        update(t.object_)
        .where(o.id.in_(some.with_for_update(skip_locked=True).scalar_subquery()))
        .values({column: lease_until})
        .returning(o.id)
    )
    return list(connection.scalars(query))


def schedule(
    connection: Connection, object_id: UUID, column: Schedule, at: datetime | None
) -> None:
    """Set when the object is to be replicated or compacted; None: never."""
    connection.execute(update(t.object_).where(o.id == object_id).values({column: at}))


def compact_by(connection: Connection, object_id: UUID, at: datetime) -> None:
    """Schedule a compaction at that time, unless an earlier one is scheduled."""
    connection.execute(
        update(t.object_)
        .where(o.id == object_id, o.state == ObjectState.STORED)
        .values(compact_at=func.least(o.compact_at, at))
    )


def mark_corrupt(connection: Connection, replica: UUID, now: datetime) -> None:
    """Mark a stored replica with bad bytes for purge, and have the object replicated again."""
    object_id = connection.execute(
        update(t.replica)
        .where(r.id == replica, r.state == ReplicaState.STORED)
        .values(
            state=ReplicaState.PURGING, next_attempt=now, purging_since=now, last_error="Corrupt"
        )
        .returning(r.object_id)
    ).scalar_one_or_none()
    if object_id is not None:
        connection.execute(
            update(t.object_)
            .where(o.id == object_id, o.state == ObjectState.STORED)
            .values(replicate_at=now)
        )


def lock(connection: Connection, object_ids: Sequence[UUID]) -> dict[UUID, ObjectSummary]:
    """Lock objects until the transaction ends, in the order of their ids.

    Of two erasures that empty one pack, the second then sees the deletions of the first.
    """
    return _summarize(connection, _by_id(object_ids).order_by(o.id).with_for_update())


def summaries_of(connection: Connection, object_ids: Collection[UUID]) -> dict[UUID, ObjectSummary]:
    """Return kind, state and expiry day of objects, without locking them."""
    return _summarize(connection, _by_id(object_ids))


def _by_id(object_ids: Collection[UUID]) -> Select[UUID, str, str, date | None]:
    return select(o.id, o.kind, o.state, o.day).where(o.id.in_(object_ids))


def _summarize(
    connection: Connection, query: Select[UUID, str, str, date | None]
) -> dict[UUID, ObjectSummary]:
    rows = connection.execute(query)
    return {x[0]: ObjectSummary(ObjectKind(x[1]), ObjectState(x[2]), x[3]) for x in rows}

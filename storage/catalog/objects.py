"""Objects on backends, and their replicas: announced, stored, purged, gone.

Invariant 2: a row is committed before the first byte is sent. A replica is one attempt to write
one object to one backend under a key of its own, so an attempt that lands late cannot bring back
what another attempt's purge has removed.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Connection, Select, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert

from storage.catalog import holds
from storage.catalog import tables as t
from storage.model import ReplicaState
from storage.policy import may_destroy

o, r = t.object_.c, t.replica.c


class ObjectKind(StrEnum):
    """What an object holds."""

    PACK = "pack"
    DAY_KEY = "day_key"
    FILE_KEY = "file_key"
    CANARY = "canary"
    LEDGER = "ledger"
    HELD = "held"  # records of one tenant that a hold keeps beyond their day
    HOLD_KEY = "hold_key"


class ObjectState(StrEnum):
    """The life of an object."""

    WRITING = "writing"
    STORED = "stored"
    PURGING = "purging"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as the catalog knows it."""

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
    """What an object is, and how far."""

    kind: ObjectKind
    state: ObjectState
    day: date | None


@dataclass(frozen=True, slots=True)
class Replica:
    """A replica row: where it is, and how it stands."""

    id: UUID
    object_id: UUID
    backend: str
    key: str
    state: ReplicaState
    land_by: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class NewObject:
    """What is about to be written."""

    id: UUID
    kind: ObjectKind
    day: date | None
    tenant: str | None
    backends: tuple[str, ...]
    announced: datetime
    deadline: datetime
    family: UUID | None = None  # of the pack that this one compacts
    number: int | None = None  # of an entry of the ledger


def new_id(now: datetime, entropy: bytes) -> UUID:
    """An id that sorts by time (RFC 9562, version 7), of 10 random bytes."""
    milliseconds = int(now.timestamp() * 1000).to_bytes(6)
    raw = bytearray(milliseconds + entropy[:10])
    raw[6] = raw[6] & 0x0F | 0x70
    raw[8] = raw[8] & 0x3F | 0x80
    return UUID(bytes=bytes(raw))


def key_of(new: NewObject, attempt: UUID) -> str:
    """The key of an attempt: kind, day or number, object, attempt. Nothing personal."""
    partition = str(new.day or "kept") if new.number is None else numbered(new.number)
    return f"{new.kind}/{partition}/{new.id.hex}-{attempt.hex}"


def replica_of(key: str) -> UUID:
    """The attempt that a key is of."""
    return UUID(key[-32:])


def numbered(number: int) -> str:
    """The part of a key that says the number of a ledger's entry, so that keys sort by it."""
    return f"{number:016d}"


def announce(
    connection: Connection, new: NewObject, attempts: Mapping[str, tuple[UUID, datetime]]
) -> list[Replica]:
    """Insert the object and a replica per backend: its id, and when it has landed at the latest."""
    connection.execute(insert(t.object_).values(_as_row(new)))
    return add_replicas(connection, new, attempts)


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
    connection: Connection, new: NewObject, attempts: Mapping[str, tuple[UUID, datetime]]
) -> list[Replica]:
    """Insert one more replica, still to be written, per backend."""
    made = [
        Replica(number, new.id, backend, key_of(new, number), ReplicaState.WRITING, land_by, 0)
        for backend, (number, land_by) in attempts.items()
    ]
    if made:
        connection.execute(
            insert(t.replica),
            [
                {
                    "id": a.id,
                    "object_id": a.object_id,
                    "backend": a.backend,
                    "key": a.key,
                    "state": a.state,
                    "land_by": a.land_by,
                }
                for a in made
            ],
        )
    return made


def adopt(connection: Connection, new: NewObject, at: Mapping[str, str], land_by: datetime) -> None:
    """Know of an object that backends hold: ``at`` are its keys, with the backend of each.

    It counts as being written until somebody finishes or dooms it.
    """
    values = _as_row(new)
    connection.execute(insert(t.object_).values(values).on_conflict_do_nothing())
    rows = [
        {
            "id": replica_of(key),
            "object_id": new.id,
            "backend": backend,
            "key": key,
            "state": ReplicaState.STORED,
            "land_by": land_by,
        }
        for key, backend in at.items()
    ]
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
    """Say which attempts were acknowledged; the others must go. ``failed``: id to error code.

    What was acknowledged has landed, and cannot land again: nothing sends it twice.
    """
    if stored:
        connection.execute(
            update(t.replica)
            .where(r.id.in_(stored), r.state == ReplicaState.WRITING)
            .values(state=ReplicaState.STORED, land_by=now)
        )
    for number, error in failed.items():
        connection.execute(
            update(t.replica)
            .where(r.id == number, r.state.in_((ReplicaState.WRITING, ReplicaState.STORED)))
            .values(
                state=ReplicaState.PURGING, next_attempt=now, purging_since=now, last_error=error
            )
        )


def finish(
    connection: Connection,
    object_id: UUID,
    size: int,
    digest: bytes,
    *,
    replicate_at: datetime | None,
    compact_at: datetime | None = None,
) -> bool:
    """Compare and set writing to stored. False: it was abandoned meanwhile, and nothing changed."""
    done = connection.execute(
        update(t.object_)
        .where(o.id == object_id, o.state == ObjectState.WRITING)
        .values(
            state=ObjectState.STORED,
            size=size,
            digest=digest,
            replicate_at=replicate_at,
            compact_at=compact_at,
        )
    )
    return done.rowcount == 1


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
    """These objects must go, with every replica, by the purge queue. Says how many it were.

    Those that are on their way out already, or gone, are left as they are. Raises Held if a record
    under a hold needs one of them.
    """
    if not object_ids:
        return 0
    holds.share(connection)
    found = lock(connection, list(object_ids))
    there = {i: x for i, x in found.items() if x.state in (ObjectState.WRITING, ObjectState.STORED)}
    needed = holds.needed(connection, {i: x.day for i, x in there.items()})
    for i, x in there.items():
        may_destroy(what="object", state=x.state, held=i in needed, now=now).demand()
    if not there:
        return 0
    connection.execute(
        update(t.object_)
        .where(o.id.in_(there))
        .values(state=ObjectState.PURGING, compact_at=None, replicate_at=None)
    )
    connection.execute(
        update(t.replica)
        .where(r.object_id.in_(there), r.state.in_((ReplicaState.WRITING, ReplicaState.STORED)))
        .values(state=ReplicaState.PURGING, next_attempt=now, purging_since=now)
    )
    return len(there)


def mark_unused_keys(
    connection: Connection,
    now: datetime,
    ids: Collection[UUID] | None = None,
    *,
    before: datetime | None = None,
    limit: int = 1000,
    kind: ObjectKind = ObjectKind.FILE_KEY,
) -> int:
    """Keys that no row uses must go: these, or all that were announced before a moment.

    ``kind``: file keys, or hold keys.
    """
    used_by = t.held if kind is ObjectKind.HOLD_KEY else t.file
    query = select(o.id).where(
        o.kind == kind,
        o.state == ObjectState.STORED,
        ~exists().where(used_by.c.key_id == o.id),
    )
    if ids is not None:
        query = query.where(o.id.in_(ids))
    if before is not None:
        query = query.where(o.announced < before)
    query = query.limit(limit).with_for_update(of=t.object_, skip_locked=True)
    locked = connection.scalars(query).all()
    # asked again under the lock: the row may have been committed in between
    used = set(connection.scalars(select(used_by.c.key_id).where(used_by.c.key_id.in_(locked))))
    return mark_for_purge(connection, [key for key in locked if key not in used], now)


def lock_stored_key(connection: Connection, key_id: UUID) -> bool:
    """Whether a key is stored; then nobody dooms it as unused until the transaction ends."""
    query = select(o.state).where(o.id == key_id).with_for_update(read=True)
    return connection.scalar(query) == ObjectState.STORED


def abandon_stale(connection: Connection, now: datetime, limit: int) -> int:
    """Give up on objects still being written after their deadline. Their writer then loses.

    Not on entries of the ledger: what they tell may have been acknowledged before a restore.
    """
    stale = connection.scalars(
        select(o.id)
        .where(o.state == ObjectState.WRITING, o.deadline < now, o.kind != ObjectKind.LEDGER)
        .order_by(o.deadline)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    return mark_for_purge(connection, stale, now)


def find_object(
    connection: Connection, object_id: UUID, *, lock: bool = False
) -> StoredObject | None:
    """One object; ``lock``: nobody else changes it until the transaction ends."""
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
    """The replicas of objects that are in one of these states."""
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


def claim_due(
    connection: Connection, column: str, now: datetime, lease_until: datetime, limit: int
) -> list[UUID]:
    """Take objects whose ``replicate_at`` or ``compact_at`` has come, until ``lease_until``."""
    due_at = t.object_.c[column]
    due = (
        select(o.id)
        .where(due_at <= now, o.state == ObjectState.STORED)
        .order_by(due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return list(
        connection.scalars(
            update(t.object_)
            .where(o.id.in_(due.scalar_subquery()))
            .values({column: lease_until})
            .returning(o.id)
        )
    )


def schedule(connection: Connection, object_id: UUID, column: str, at: datetime | None) -> None:
    """When the object is to be replicated or compacted next; None: it need not."""
    connection.execute(update(t.object_).where(o.id == object_id).values({column: at}))


def mark_corrupt(connection: Connection, attempt: UUID, now: datetime) -> None:
    """A stored replica gave back bad bytes: purge it, and make another."""
    done = connection.execute(
        update(t.replica)
        .where(r.id == attempt, r.state == ReplicaState.STORED)
        .values(
            state=ReplicaState.PURGING, next_attempt=now, purging_since=now, last_error="Corrupt"
        )
        .returning(r.object_id)
    ).scalar_one_or_none()
    if done is not None:
        connection.execute(
            update(t.object_)
            .where(o.id == done, o.state == ObjectState.STORED)
            .values(replicate_at=now)
        )


def lock(connection: Connection, object_ids: Sequence[UUID]) -> dict[UUID, ObjectSummary]:
    """Keep objects as they are until the transaction ends, in one order for all.

    Two erasures that empty one pack then see each other's deletions, one after the other.
    """
    return _known(connection, _by_id(object_ids).order_by(o.id).with_for_update())


def known(connection: Connection, object_ids: Collection[UUID]) -> dict[UUID, ObjectSummary]:
    """What these objects are."""
    return _known(connection, _by_id(object_ids))


def _by_id(object_ids: Collection[UUID]) -> Select[UUID, str, str, date | None]:
    return select(o.id, o.kind, o.state, o.day).where(o.id.in_(object_ids))


def _known(
    connection: Connection, query: Select[UUID, str, str, date | None]
) -> dict[UUID, ObjectSummary]:
    rows = connection.execute(query)
    return {x[0]: ObjectSummary(ObjectKind(x[1]), ObjectState(x[2]), x[3]) for x in rows}


def compact_by(connection: Connection, object_id: UUID, at: datetime) -> None:
    """Compact then, unless it is to be compacted earlier."""
    connection.execute(
        update(t.object_)
        .where(o.id == object_id, o.state == ObjectState.STORED)
        .values(compact_at=func.least(o.compact_at, at))
    )

"""The purge queue: replicas that must go, until they are seen absent and their rows are pruned."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, Select, and_, bindparam, exists, func, null, or_, select, update

from regions.fields import Located
from storage.catalog import tables as t
from storage.catalog.kinds import ObjectKind, ObjectState
from storage.catalog.objects import Replica, lock
from storage.model import ReplicaState

o, r = t.object_.c, t.replica.c


@dataclass(frozen=True, slots=True)
class Visibility:
    """The kinds of trace that a backend lists (``seen``), and who runs the backend.

    ``located``: how it is known where it stands. ``attested``: the kinds that it does not list, and
    that a person attests to be impossible. ``posture``: when its posture was read, and the findings
    that are not ok (None: it has none).
    """

    sub_processor: str
    located: Located
    seen: tuple[str, ...]
    attested: tuple[str, ...]
    posture: dict[str, object] | None = None


def due(now: datetime) -> Select[UUID]:
    """SQL: replicas whose purge is to be tried now."""
    return select(r.id).where(r.state == ReplicaState.PURGING, r.next_attempt <= now)


def postponed(connection: Connection, now: datetime, most: int) -> tuple[int, datetime | None]:
    """Return how many purges are to be tried later, up to ``most``, and the time of the first.

    Canaries do not count: a purge looks for them some minutes after every opening.
    """
    some = (
        select(r.next_attempt)
        .join(t.object_, o.id == r.object_id)
        .where(
            r.state == ReplicaState.PURGING,
            r.next_attempt > now,
            o.kind != ObjectKind.CANARY,
        )
        .order_by(r.next_attempt)
        .limit(most)
        .subquery()
        .c
    )
    count, first = connection.execute(
        select(func.count(), func.min(some.next_attempt)).select_from(some.next_attempt.table)
    ).one()
    return count, first


def claim(
    connection: Connection, now: datetime, lease_until: datetime, limit: int
) -> list[Replica]:
    """Lease a batch of due replicas until ``lease_until``. They are due again then."""
    some = due(now).order_by(r.next_attempt).limit(limit).with_for_update(skip_locked=True)
    rows = connection.execute(
        update(t.replica)
        .where(r.id.in_(some.scalar_subquery()))
        .values(next_attempt=lease_until, attempts=r.attempts + 1)
        .returning(r.id, r.object_id, r.backend, r.key, r.state, r.land_by, r.attempts)
    )
    return [Replica(x[0], x[1], x[2], x[3], ReplicaState(x[4]), x[5], x[6]) for x in rows]


@dataclass(frozen=True, slots=True)
class Retry:
    """A replica that was not seen absent, and when to try again."""

    replica: UUID
    error: str | None
    at: datetime


def retry_later(connection: Connection, retries: Sequence[Retry]) -> None:
    """Set when to purge these replicas again. Tries never end."""
    if retries:
        connection.execute(
            update(t.replica)
            .where(r.id == bindparam("i"), r.state == ReplicaState.PURGING)
            .values(next_attempt=bindparam("n"), last_error=bindparam("e")),
            [{"i": x.replica, "e": x.error, "n": x.at} for x in retries],
        )


def mark_gone(
    connection: Connection,
    replica: Replica,
    visibility: Visibility,
    now: datetime,
    *,
    control: UUID | None,
) -> None:
    """Record that a replica was seen absent. With its last replica the object is ``gone`` too.

    ``control``: the object that the backend listed meanwhile. It and the visibility are
    stored for receipts, because the topology may change later. The object is
    locked first: otherwise two transactions that purge the last two replicas miss each other.
    """
    lock(connection, [replica.object_id])
    connection.execute(
        update(t.replica)
        .where(r.id == replica.id, r.state == ReplicaState.PURGING)
        .values(
            state=ReplicaState.GONE,
            gone_at=now,
            next_attempt=None,
            last_error=None,
            sub_processor=visibility.sub_processor,
            located=visibility.located,
            seen=list(visibility.seen),
            attested=list(visibility.attested),
            control=control,
            posture=null() if visibility.posture is None else visibility.posture,
        )
    )
    left = exists().where(r.object_id == replica.object_id, r.state != ReplicaState.GONE)
    connection.execute(
        update(t.object_)
        .where(o.id == replica.object_id, o.state == ObjectState.PURGING, ~left)
        .values(state=ObjectState.GONE, gone_at=now, absence=t.absence.next_value())
    )


def mark_landed(connection: Connection, replicas: Collection[UUID], now: datetime) -> None:
    """Note that every request to write these replicas has been answered: none can land later."""
    connection.execute(
        update(t.replica).where(r.id.in_(replicas), r.land_by > now).values(land_by=now)
    )


def old_objects(now: datetime) -> Select[UUID]:
    """SQL: objects that are gone, that cannot land any more, and that no erasure waits for.

    Objects of a day whose rows still exist are excluded: erasures find them through the rows.
    """
    e, d = t.erasure_object.c, t.day.c
    has_rows = exists().where(d.day == o.day, d.state == "expiring")
    landing = and_(r.object_id == o.id, or_(r.state != ReplicaState.GONE, r.land_by >= now))
    return select(o.id).where(
        o.state == ObjectState.GONE,
        o.gone_at <= now,
        ~exists().where(e.object_id == o.id),
        ~has_rows,
        ~exists().where(landing),
    )


def prune_objects(connection: Connection, now: datetime, limit: int) -> int:
    """Delete the rows of a batch of old objects with their replicas; return the count."""
    query = old_objects(now).limit(limit).with_for_update(skip_locked=True)
    some = connection.scalars(query).all()
    if some:
        connection.execute(t.object_.delete().where(o.id.in_(some)))
    return len(some)


def old_replicas(now: datetime) -> Select[UUID]:
    """SQL: replicas that are gone, and cannot land any more, of objects that are not gone.

    Those of which an open erasure needs the evidence are excluded.
    """
    e = t.erasure_object.c
    return (
        select(r.id)
        .join(t.object_, o.id == r.object_id)
        .where(
            r.state == ReplicaState.GONE,
            r.land_by < now,
            o.state != ObjectState.GONE,
            ~exists().where(e.object_id == r.object_id),
        )
    )


def prune_replicas(connection: Connection, now: datetime, limit: int) -> int:
    """Delete the rows of a batch of old replicas; return the count.

    Otherwise a long outage would leave a row for each of its failed writes.
    """
    some = (
        old_replicas(now)
        .order_by(r.gone_at)
        .limit(limit)
        .with_for_update(of=t.replica, skip_locked=True)
    )
    return connection.execute(t.replica.delete().where(r.id.in_(some.scalar_subquery()))).rowcount

"""The purge queue: replicas on their way out, seen absent, and in the end forgotten."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, and_, bindparam, exists, or_, select, update

from storage.catalog import tables as t
from storage.catalog.objects import ObjectState, Replica, lock
from storage.model import ReplicaState

o, r = t.object_.c, t.replica.c


@dataclass(frozen=True, slots=True)
class Visibility:
    """What a look at a backend can show: kinds of trace that it lists, and whose backend it is.

    ``attested``: the kinds that it does not list, and that a person vouches cannot be there.
    """

    sub_processor: str
    seen: tuple[str, ...]
    attested: tuple[str, ...]


def claim(
    connection: Connection, now: datetime, lease_until: datetime, limit: int
) -> list[Replica]:
    """Take due replicas off the purge queue until ``lease_until``: then they are due again."""
    due = (
        select(r.id)
        .where(r.state == ReplicaState.PURGING, r.next_attempt <= now)
        .order_by(r.next_attempt)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = connection.execute(
        update(t.replica)
        .where(r.id.in_(due.scalar_subquery()))
        .values(next_attempt=lease_until, attempts=r.attempts + 1)
        .returning(r.id, r.object_id, r.backend, r.key, r.state, r.land_by, r.attempts)
    )
    return [Replica(x[0], x[1], x[2], x[3], ReplicaState(x[4]), x[5], x[6]) for x in rows]


@dataclass(frozen=True, slots=True)
class Retry:
    """A replica that is still there, or nobody can say; it is tried again ``at`` some time."""

    attempt: UUID
    error: str | None
    at: datetime


def retry_later(connection: Connection, some: Sequence[Retry]) -> None:
    """Try these again. There is no last time."""
    if some:
        connection.execute(
            update(t.replica)
            .where(r.id == bindparam("a"), r.state == ReplicaState.PURGING)
            .values(next_attempt=bindparam("n"), last_error=bindparam("e")),
            [{"a": x.attempt, "e": x.error, "n": x.at} for x in some],
        )


def mark_gone(connection: Connection, attempt: Replica, look: Visibility, now: datetime) -> None:
    """The replica has been seen absent; with its last replica the object is gone too.

    How that is known is noted for receipts: what the topology says later is no evidence. The
    object is locked first: two last replicas that go at once must not miss each other.
    """
    lock(connection, [attempt.object_id])
    connection.execute(
        update(t.replica)
        .where(r.id == attempt.id, r.state == ReplicaState.PURGING)
        .values(
            state=ReplicaState.GONE,
            gone_at=now,
            next_attempt=None,
            last_error=None,
            sub_processor=look.sub_processor,
            seen=list(look.seen),
            attested=list(look.attested),
        )
    )
    left = exists().where(r.object_id == attempt.object_id, r.state != ReplicaState.GONE)
    connection.execute(
        update(t.object_)
        .where(o.id == attempt.object_id, o.state == ObjectState.PURGING, ~left)
        .values(state=ObjectState.GONE, gone_at=now)
    )


def prune_gone(connection: Connection, now: datetime, limit: int) -> int:
    """Forget objects that are gone, landed for good, and awaited by no erasure.

    Not those of a day that goes and has its rows yet: they name them, and erasures read them.
    """
    e, d = t.erasure_object.c, t.day.c
    has_rows = exists().where(d.day == o.day, d.state == "expiring")
    forgettable = connection.scalars(
        select(o.id)
        .where(
            o.state == ObjectState.GONE,
            o.gone_at <= now,
            ~exists().where(e.object_id == o.id),
            ~has_rows,
            ~exists().where(and_(r.object_id == o.id, or_(r.state != "gone", r.land_by >= now))),
        )
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    if forgettable:
        connection.execute(t.object_.delete().where(o.id.in_(forgettable)))
    return len(forgettable)


def prune_replicas(connection: Connection, now: datetime, limit: int) -> int:
    """Forget attempts that are gone of objects that are not: else a long outage leaves them all.

    Only those that cannot land any more, and that no open erasure has to give account of.
    """
    e = t.erasure_object.c
    old = (
        select(r.id)
        .join(t.object_, o.id == r.object_id)
        .where(
            r.state == ReplicaState.GONE,
            r.land_by < now,
            o.state != ObjectState.GONE,
            ~exists().where(e.object_id == r.object_id),
        )
        .order_by(r.gone_at)
        .limit(limit)
        .with_for_update(of=t.replica, skip_locked=True)
    )
    return connection.execute(t.replica.delete().where(r.id.in_(old.scalar_subquery()))).rowcount

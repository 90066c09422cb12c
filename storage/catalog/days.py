"""Expiry days and their partitions: made ahead, detached without blocking readers, dropped.

A plain DROP of a partition takes ACCESS EXCLUSIVE on the parent, and so waits for and blocks every
reader of the region. DETACH CONCURRENTLY does not block them. It runs outside a transaction;
FINALIZE completes what a crash interrupted.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Connection,
    Date,
    Integer,
    Row,
    Select,
    String,
    any_,
    bindparam,
    exists,
    func,
    or_,
    select,
    text,
    update,
)

from storage.catalog import hold_predicate, holds
from storage.catalog import tables as t
from storage.catalog.engine import Catalog
from storage.catalog.kinds import ObjectState
from storage.catalog.times import DETACHING
from storage.policy import Destruction, may_destroy

d, o = t.day.c, t.object_.c
_PARTITIONS = text("""
    SELECT c.oid::regclass::text, i.inhdetachpending
    FROM pg_class c JOIN pg_class r ON r.oid = 'record'::regclass AND r.relowner = c.relowner
    LEFT JOIN pg_inherits i ON i.inhparent = r.oid AND i.inhrelid = c.oid
    WHERE c.relname = ANY (:names) AND c.relkind = 'r'
""")


class DayState(StrEnum):
    """The life of an expiry day."""

    OPEN = "open"
    EXPIRING = "expiring"
    DROPPED = "dropped"  # the partition is gone; packs and day keys may still exist


@dataclass(frozen=True, slots=True)
class Overdue:
    """A day that has come and is not finished."""

    day: date
    state: DayState


def partitions(connection: Connection, days: Iterable[date]) -> Sequence[Row[str, bool | None]]:
    """Return the tables of expiry days: name, and if attached, whether detaching has begun.

    They are in a schema of their own; those from before revision 0023 are beside the others.
    """
    names = [f"record_{day:%Y%m%d}" for day in days]
    return connection.execute(_PARTITIONS, {"names": names}).all()


def make(connection: Connection, days: Iterable[date]) -> int:
    """Create the partitions that are missing; return the count.

    A function of the catalog does it: logins that write records may not change tables.
    """
    made = missing(connection, list(days))
    for day in made:
        connection.execute(select(func.make_partition(day)))
    return len(made)


def lock_making(connection: Connection) -> None:
    """Until the transaction ends, no other process makes partitions."""
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('partitions', 0))"))


def missing(connection: Connection, wanted: Collection[date]) -> list[date]:
    """Return those of the days that have no partition, ascending."""
    known = connection.scalars(select(d.day).where(d.day.in_(wanted)))
    return sorted(set(wanted) - set(known))


def is_open(connection: Connection, day: date) -> bool:
    """Return whether records may be added to the day. It stays so until the transaction ends."""
    return connection.scalar(_state(), {"day": day}) == DayState.OPEN


@cache
def _state() -> Select[str]:
    return select(d.state).where(d.day == bindparam("day")).with_for_update(read=True)


def horizon(connection: Connection) -> date | None:
    """Return the last day that has a partition."""
    last: date | None = connection.scalar(select(func.max(d.day)).where(d.state == DayState.OPEN))
    return last


def to_begin(now: datetime) -> Select[date]:
    """SQL: open days that are over."""
    return select(d.day).where(d.day <= now.date(), d.state == DayState.OPEN)


def to_advance(now: datetime) -> Select[date]:
    """SQL: days that expire, and that no worker has leased."""
    return (
        select(d.day)
        .where(d.day <= now.date(), d.state != DayState.OPEN)
        .where(or_(d.next_attempt.is_(None), d.next_attempt <= now))
    )


def begin_expiry(connection: Connection, now: datetime) -> date | None:
    """Turn the oldest day to begin to ``expiring``: no record is added to it any more.

    The number of the last hold is noted: a later hold keeps nothing of the day.
    """
    holds.share(connection)
    oldest = to_begin(now).order_by(d.day).limit(1).with_for_update(skip_locked=True)
    day: date | None = connection.scalar(oldest)
    if day is not None:
        connection.execute(
            update(t.day)
            .where(d.day == day)
            .values(state=DayState.EXPIRING, expiring_at=now, holds=holds.last_number())
        )
    return day


def began(connection: Connection, day: date) -> datetime | None:
    """Return when the day began to expire."""
    return connection.scalar(select(d.expiring_at).where(d.day == day))


def count_overdue(connection: Connection, moment: datetime) -> int:
    """Return how many days were over before that moment and still have records or objects."""
    late = overdue(moment).subquery()
    return connection.scalar(select(func.count()).select_from(late)) or 0


def overdue(moment: datetime) -> Select[date]:
    """SQL: days that were over before that moment and still have records or objects."""
    rows = exists().where(t.record.c.expiry_day == d.day)
    left = exists().where(o.day == d.day, o.state != ObjectState.GONE)
    return select(d.day).where(d.day < moment.date(), or_(rows, left))


def claim_due(
    connection: Connection, now: datetime, lease_until: datetime, limit: int
) -> list[Overdue]:
    """Lease a batch of days to advance until ``lease_until``; return them, oldest first."""
    some = to_advance(now).order_by(d.day).limit(limit).with_for_update(skip_locked=True)
    rows = connection.execute(
        update(t.day)
        .where(d.day.in_(some.scalar_subquery()))
        .values(next_attempt=lease_until)
        .returning(d.day, d.state)
    )
    return sorted((Overdue(x[0], DayState(x[1])) for x in rows), key=lambda due: due.day)


def reschedule(connection: Connection, day: date, at: datetime) -> None:
    """Set when the day is to be advanced again."""
    connection.execute(update(t.day).where(d.day == day).values(next_attempt=at))


def purgeable_objects(
    connection: Connection, day: date, kinds: Iterable[str], limit: int
) -> list[UUID]:
    """Return objects of the day that are to be purged and contain no held records."""
    holds.share(connection)
    given = {"day": day, "kinds": list(kinds), "limit": limit}
    return list(connection.scalars(_purgeable(), given))


@cache
def _purgeable() -> Select[Any]:
    day = bindparam("day", type_=Date)
    return (
        select(o.id)
        .where(
            o.day == day,
            o.kind == any_(bindparam("kinds", type_=ARRAY(String))),
            or_(o.state == ObjectState.WRITING, o.state == ObjectState.STORED),
            ~hold_predicate.in_held_pack(o.id, day),
        )
        .order_by(o.id)
        .limit(bindparam("limit", type_=Integer))
    )


def has_held_rows(connection: Connection, day: date) -> bool:
    """Return whether any record of the day is held."""
    holds.share(connection)
    return bool(hold_predicate.held_packs(connection, day, 1))


def may_drop(connection: Connection, due: Overdue, now: datetime) -> Destruction:
    """Return whether the rows of a day may be dropped.

    The answer stays true: of a day that expires, the set of held records only shrinks.
    """
    held = has_held_rows(connection, due.day)
    return may_destroy(what="partition", state=due.state, held=held, now=now, day=due.day)


def drop_partition(catalog: Catalog, day: date, destruction: Destruction) -> None:
    """Detach the day's partition without blocking readers, and drop it. Safe to repeat.

    The caller has leased the day. Raises CatalogUnavailable if an old reader does not end in time,
    and what ``destruction.demand`` raises.
    """
    destruction.demand()
    with catalog.begin() as connection:
        found = partitions(connection, [day])
    for name, pending in found:
        if pending is not None:
            how = "FINALIZE" if pending else "CONCURRENTLY"
            catalog.execute_alone(f"ALTER TABLE record DETACH PARTITION {name} {how}", DETACHING)
        with catalog.begin() as connection:
            connection.execute(text(f"DROP TABLE IF EXISTS {name}"))


def mark_dropped(connection: Connection, day: date, now: datetime) -> None:
    """Record that the partition is gone."""
    connection.execute(
        update(t.day)
        .where(d.day == day, d.state == DayState.EXPIRING)
        .values(state=DayState.DROPPED, dropped_at=now)
    )


def unfinished(connection: Connection, day: date) -> int:
    """Return how many objects of the day are not gone."""
    query = select(func.count()).where(o.day == day, o.state != ObjectState.GONE)
    return connection.scalar(query) or 0


def delete(connection: Connection, day: date) -> None:
    """Delete the row of a day of which nothing is left."""
    connection.execute(t.day.delete().where(d.day == day, d.state == DayState.DROPPED))

"""Expiry days and their partitions: made ahead, detached without stopping readers, dropped.

A plain DROP of a partition takes ACCESS EXCLUSIVE on the parent and so waits for, and blocks,
every reader of the region. DETACH CONCURRENTLY waits for nobody who matters; it runs outside a
transaction, and what a crash leaves of it is finished by FINALIZE.
"""

from collections.abc import Collection, Iterable
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
    Engine,
    Integer,
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
from sqlalchemy.sql.dml import ReturningUpdate

from storage.catalog import holds
from storage.catalog import tables as t
from storage.policy import Permit, may_destroy

d, o = t.day.c, t.object_.c


class DayState(StrEnum):
    """The life of an expiry day."""

    OPEN = "open"
    EXPIRING = "expiring"
    DROPPED = "dropped"  # the partition is gone; packs and day keys may not be, yet


@dataclass(frozen=True, slots=True)
class Overdue:
    """A day that has come, and is not done."""

    day: date
    state: DayState


def partition_name(day: date) -> str:
    """The table of one expiry day."""
    return f"record_{day:%Y%m%d}"


def make(connection: Connection, days: Iterable[date]) -> int:
    """Make the partitions of days that have none. Readers and writers of other days go on.

    The database does it itself: what writes records may not change tables.
    """
    known = set(connection.scalars(select(d.day)))
    made = sorted(set(days) - known)
    for day in made:
        connection.execute(select(func.make_partition(day)))
    return len(made)


def lock_making(connection: Connection) -> None:
    """One process makes partitions at a time; the others find them made."""
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('partitions', 0))"))


def missing(connection: Connection, wanted: Collection[date]) -> bool:
    """Whether any of these days has no partition."""
    there = connection.scalar(select(func.count()).where(d.day.in_(wanted))) or 0
    return there < len(wanted)


def is_open(connection: Connection, day: date) -> bool:
    """Whether records may be added to the day; it stays so until the transaction ends."""
    query = select(d.state).where(d.day == day).with_for_update(read=True)
    return connection.scalar(query) == DayState.OPEN


def horizon(connection: Connection) -> date | None:
    """The last day that has a partition."""
    last: date | None = connection.scalar(select(func.max(d.day)).where(d.state == DayState.OPEN))
    return last


def begin_expiry(connection: Connection, now: datetime) -> date | None:
    """Turn the oldest day that has come to ``expiring``: nobody adds to it any more.

    It notes which holds came before: no later one keeps anything of it.
    """
    holds.share(connection)
    day: date | None = connection.scalar(_come(), {"today": now.date()})
    if day is not None:
        connection.execute(
            update(t.day)
            .where(d.day == day)
            .values(state=DayState.EXPIRING, expiring_at=now, holds=holds.last_number())
        )
    return day


@cache
def _come() -> Select[Any]:
    return (
        select(d.day)
        .where(d.day <= bindparam("today", type_=Date), d.state == DayState.OPEN)
        .order_by(d.day)
        .limit(1)
        .with_for_update(skip_locked=True)
    )


def began(connection: Connection, day: date) -> datetime | None:
    """When the day began to expire."""
    return connection.scalar(select(d.expiring_at).where(d.day == day))


def overdue(connection: Connection, moment: datetime) -> int:
    """How many days were over before that moment, and still have records or objects."""
    rows = exists().where(t.record.c.expiry_day == d.day)
    there = exists().where(o.day == d.day, o.state != "gone")
    query = select(func.count()).where(d.day < moment.date(), or_(rows, there))
    return connection.scalar(query) or 0


def claim_due(
    connection: Connection, now: datetime, lease_until: datetime, limit: int
) -> list[Overdue]:
    """Take days that have come and are not done, oldest first, until ``lease_until``."""
    given = {"today": now.date(), "now": now, "lease": lease_until, "limit": limit}
    rows = connection.execute(_claim(), given)
    return sorted((Overdue(x[0], DayState(x[1])) for x in rows), key=lambda due: due.day)


@cache
def _claim() -> ReturningUpdate[Any]:
    now = bindparam("now", type_=d.next_attempt.type)
    some = (
        select(d.day)
        .where(d.day <= bindparam("today", type_=Date), d.state != DayState.OPEN)
        .where(or_(d.next_attempt.is_(None), d.next_attempt <= now))
        .order_by(d.day)
        .limit(bindparam("limit", type_=Integer))
        .with_for_update(skip_locked=True)
    )
    return (
        update(t.day)
        .where(d.day.in_(some.scalar_subquery()))
        .values(next_attempt=bindparam("lease", type_=d.next_attempt.type))
        .returning(d.day, d.state)
    )


def reschedule(connection: Connection, day: date, at: datetime) -> None:
    """Done with the day for now; look again then."""
    connection.execute(update(t.day).where(d.day == day).values(next_attempt=at))


def objects_to_go(
    connection: Connection, day: date, kinds: Iterable[str], limit: int
) -> list[UUID]:
    """Ids of objects of the day that are not on their way out yet, and hold nothing held."""
    holds.share(connection)
    given = {"day": day, "kinds": list(kinds), "limit": limit}
    return list(connection.scalars(_to_go(), given))


@cache
def _to_go() -> Select[Any]:
    day = bindparam("day", type_=Date)
    return (
        select(o.id)
        .where(
            o.day == day,
            o.kind == any_(bindparam("kinds", type_=ARRAY(String))),
            or_(o.state == "writing", o.state == "stored"),
            ~holds.in_held_pack(o.id, day),
        )
        .order_by(o.id)
        .limit(bindparam("limit", type_=Integer))
    )


def may_drop(connection: Connection, due: Overdue, now: datetime) -> Permit:
    """Whether the rows of a day may go. Of a day that expires, ever less is held: so it stays."""
    held = holds_rows(connection, due.day)
    return may_destroy(what="partition", state=due.state, held=held, now=now, day=due.day)


def holds_rows(connection: Connection, day: date) -> bool:
    """Whether anything is held among the rows of the day."""
    holds.share(connection)
    return bool(holds.packs_held(connection, day, 1))


def drop_partition(engine: Engine, day: date, permit: Permit) -> None:
    """Detach the day's partition without blocking anybody, and drop it. Safe to repeat.

    The caller has claimed the day. Raises OperationalError if an old reader is waited for in vain,
    and what ``permit.demand`` raises.
    """
    permit.demand()
    name = partition_name(day)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET lock_timeout = '10s'"))
        try:
            pending = connection.execute(
                text(
                    "SELECT i.inhdetachpending FROM pg_inherits i "
                    "JOIN pg_class c ON c.oid = i.inhrelid "
                    "WHERE i.inhparent = 'record'::regclass AND c.relname = :name"
                ),
                {"name": name},
            ).one_or_none()
            if pending is not None:
                how = "FINALIZE" if pending[0] else "CONCURRENTLY"
                connection.execute(text(f"ALTER TABLE record DETACH PARTITION {name} {how}"))
            connection.execute(text(f"DROP TABLE IF EXISTS {name}"))
            connection.execute(text("RESET lock_timeout"))
        except BaseException:
            connection.invalidate()  # the setting goes with it, also if it is lost already
            raise


def mark_dropped(connection: Connection, day: date, now: datetime) -> None:
    """The partition is gone."""
    connection.execute(
        update(t.day)
        .where(d.day == day, d.state == DayState.EXPIRING)
        .values(state=DayState.DROPPED, dropped_at=now)
    )


def unfinished(connection: Connection, day: date) -> int:
    """How many objects of an expiry day are not gone yet."""
    query = select(func.count()).where(o.day == day, o.state != "gone")
    return connection.scalar(query) or 0


def delete(connection: Connection, day: date) -> None:
    """Everything of the day is gone: so is the day."""
    connection.execute(t.day.delete().where(d.day == day, d.state == DayState.DROPPED))

"""Legal holds. A hold is a predicate over rows: placing one writes no row per record.

Who places or releases a hold owns one lock of the region; who destroys shares it, and asks what is
held in a later statement. So of a hold and what destroys the same records one comes first, and the
other sees it. For an expiry day it is decided when the day turns to ``expiring``: a hold that has
a higher number than the day noted then came too late for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    CompoundSelect,
    Connection,
    Date,
    Integer,
    Select,
    Table,
    Uuid,
    and_,
    any_,
    bindparam,
    exists,
    func,
    literal,
    or_,
    select,
    text,
    true,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from regions.model import DataClass
from storage.catalog import tables as t
from storage.events import NewHold
from storage.model import ErasureState, ExpiringDay, Hold, ScopeKind

COUNTED = 10_000  # then it is "or more"

d, e, f, h = t.day.c, t.erasure.c, t.fence.c, t.hold.c

_SCOPES = (ScopeKind.TENANT, ScopeKind.SUBJECT, ScopeKind.GROUP, ScopeKind.RECORD)
_LATER_THAN_ALL = 2**62


@dataclass(frozen=True, slots=True)
class Named:
    """A hold that knows the name of whom it is about, sealed."""

    id: UUID
    tenant: str
    scope: ScopeKind
    sealed_name: bytes


def own(connection: Connection) -> None:
    """Until the transaction ends, nothing is destroyed in the region, and no hold placed."""
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('holds', 0))"))


def share(connection: Connection) -> None:
    """Until the transaction ends, no hold is placed or released.

    What is held, asked in a *later* statement, then stays true until the commit.
    """
    connection.execute(text("SELECT pg_advisory_xact_lock_shared(hashtextextended('holds', 0))"))


def held(table: Table, *where: ColumnElement[bool]) -> ColumnElement[bool]:
    """SQL: whether a hold in force covers the row of ``record``, ``file`` or ``held``.

    ``where`` narrows the holds.
    """

    def some(scope: ScopeKind) -> ColumnElement[bool]:
        covers = and_(h.released.is_(None), _matches(table, scope), _in_time(table), *where)
        return exists().where(covers).correlate(table)

    return and_(_any_in_force(), or_(*(some(scope) for scope in _SCOPES)))


def covered(
    table: Table, column: ColumnElement[Any], *where: ColumnElement[bool], in_time: bool = True
) -> CompoundSelect[Any]:
    """SQL: a column of each row that a hold in force covers, once per hold; ``where`` narrows it.

    Not ``in_time``: of rows for which the hold came too late.
    """
    time = _in_time(table) if in_time else ~_in_time(table)
    joined = (and_(h.released.is_(None), _matches(table, scope), time, *where) for scope in _SCOPES)
    return union_all(*(select(column).select_from(t.hold).join(table, on) for on in joined))


def needed(connection: Connection, objects: Mapping[UUID, date | None]) -> set[UUID]:
    """Those of the objects that hold, or wrap the key of, what a hold in force covers.

    ``objects``: each with its expiry day.
    """
    if not connection.scalar(_in_force_at_all()):
        return set()
    days = sorted({day for day in objects.values() if day is not None})
    given = {"ids": list(objects), "days": days}
    return set(connection.scalars(_needed(), given))


@cache
def _needed() -> Select[Any]:
    ids = bindparam("ids", type_=ARRAY(Uuid))
    days = bindparam("days", type_=ARRAY(Date))
    day_keys = exists().where(t.object_.c.id == any_(ids), t.object_.c.kind == "day_key")
    r, on_day = t.record.c, t.record.c.expiry_day == any_(days)
    parts = [
        covered(t.record, r.object_id, on_day, r.object_id == any_(ids)),
        covered(t.record, r.key_id, on_day, r.key_id == any_(ids), day_keys),  # it has no index
    ]
    for table in (t.file, t.held):
        parts += [covered(table, c, c == any_(ids)) for c in (table.c.object_id, table.c.key_id)]
    some = union_all(*(part.subquery().select() for part in parts)).subquery()
    return select(some.c[0]).distinct()


def packs_held(connection: Connection, day: date, limit: int) -> list[UUID]:
    """Packs of an expiry day in which something is held."""
    if not connection.scalar(_in_force_at_all()):
        return []
    return list(connection.scalars(_packs(), {"day": day, "limit": limit}))


@cache
def _in_force_at_all() -> Select[Any]:
    return select(_any_in_force())


@cache
def _packs() -> Select[Any]:
    some = _packs_held(bindparam("day", type_=Date)).subquery()
    return select(some.c[0]).distinct().order_by(some.c[0]).limit(bindparam("limit", type_=Integer))


def _packs_held(day: ColumnElement[date]) -> CompoundSelect[Any]:
    return covered(t.record, t.record.c.object_id, t.record.c.expiry_day == day)


def in_held_pack(pack: ColumnElement[Any], day: ColumnElement[date]) -> ColumnElement[bool]:
    """SQL: something is held in the pack of that day."""
    return and_(_any_in_force(), pack.in_(_packs_held(day)))


def add(connection: Connection, new: NewHold) -> bool:
    """Insert it, with the next number. The caller owns the lock.

    False: it is there already, and stays as it is.
    """
    number = select(func.coalesce(func.max(h.number), 0) + 1).scalar_subquery()
    new_here = connection.scalar(
        insert(t.hold)
        .values(
            id=new.id,
            number=number,
            tenant=new.tenant,
            scope=new.scope,
            sought=list(new.sought) or None,
            sealed_name=new.sealed_name,
            classes=[c.value for c in new.classes] or None,
            minted_from=new.minted_from,
            minted_to=new.minted_to,
            cutoff=new.cutoff,
            matter=new.matter,
            authority=new.authority,
            issuer=new.issuer,
            placed=new.placed,
            review=new.review,
        )
        .on_conflict_do_nothing(index_elements=["id"])
        .returning(h.id)
    )
    return new_here is not None


def release(connection: Connection, hold: UUID, why: str, now: datetime) -> bool:
    """It covers nothing any more. The caller owns the lock. False: it was released already."""
    done = connection.execute(
        update(t.hold)
        .where(h.id == hold, h.released.is_(None))
        .values(released=now, released_why=why)
    )
    return done.rowcount == 1


def named(connection: Connection) -> list[Named]:
    """Holds in force that cover what is stored later about somebody."""
    rows = connection.execute(
        select(h.id, h.tenant, h.scope, h.sealed_name)
        .where(h.released.is_(None), h.sealed_name.is_not(None))
        .order_by(h.number)
    )
    return [Named(x[0], x[1], ScopeKind(x[2]), x[3]) for x in rows]


def set_match_values(connection: Connection, hold: UUID, sought: Sequence[bytes]) -> None:
    """These are all the pseudonyms of whom the hold is about."""
    connection.execute(update(t.hold).where(h.id == hold).values(sought=list(sought)))


def take_released(connection: Connection) -> tuple[UUID, str] | None:
    """The oldest released hold whose matters are to be resumed, locked, and its tenant."""
    row = connection.execute(
        select(h.id, h.tenant)
        .where(h.released.is_not(None), h.resumed.is_(None))
        .order_by(h.released)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).one_or_none()
    return None if row is None else (row[0], row[1])


def mark_resumed(connection: Connection, hold: UUID, now: datetime) -> None:
    """All that it kept goes its way."""
    connection.execute(update(t.hold).where(h.id == hold).values(resumed=now))


def prune(connection: Connection, before: datetime, limit: int) -> int:
    """Forget holds that were released before then, with who looked, the oldest first.

    By a function of the catalog: nobody's login may delete one by itself. Those that an erasure
    names which is still known stay, and the newest: the next has to get a higher number.
    """
    return connection.scalar(select(func.forget_holds(before, limit))) or 0


def last_number() -> ColumnElement[int]:
    """SQL: the number of the newest hold."""
    return select(func.coalesce(func.max(h.number), 0)).scalar_subquery()


def count(connection: Connection, hold: UUID) -> int:
    """How many records the hold keeps, as far as that is counted."""
    return sum(
        counted(connection, covered(table, table.c.uid, h.id == hold))
        for table in (t.record, t.file, t.held)
    )


def too_late_for(connection: Connection, hold: UUID) -> list[ExpiringDay]:
    """Days that had begun to expire when the hold came, with records that it would cover."""
    days = connection.scalars(select(d.day).where(d.state == "expiring").order_by(d.day)).all()
    found = []
    for day in days:
        where = [h.id == hold, t.record.c.expiry_day == day]
        records = counted(connection, covered(t.record, t.record.c.uid, *where, in_time=False))
        if records:
            found.append(ExpiringDay(day, records))
    return found


def begun_erasures(connection: Connection, hold: UUID) -> list[UUID]:
    """Open erasures that may have deleted what the hold would cover, before it came.

    Two subjects or two groups do not overlap; anything else may.
    """
    overlapping = or_(
        f.scope != h.scope,
        f.scope.in_((ScopeKind.TENANT, ScopeKind.RECORD)),
        f.value == any_(h.sought),
    )
    return list(
        connection.scalars(
            select(e.id)
            .join(t.fence, f.erasure_id == e.id)
            .join(t.hold, h.tenant == f.tenant)
            .where(h.id == hold, e.state != ErasureState.COMPLETE, e.deleted > 0, overlapping)
            .distinct()
            .order_by(e.id)
        )
    )


def in_force(connection: Connection, tenant: str) -> list[UUID]:
    """The holds on a tenant that are in force, oldest first."""
    query = select(h.id).where(h.tenant == tenant, h.released.is_(None)).order_by(h.number)
    return list(connection.scalars(query))


def count_in_force(connection: Connection, today: date) -> tuple[int, int]:
    """How many holds are in force, and how many of them should have been reviewed before today."""
    row = connection.execute(
        select(func.count(), func.count().filter(h.review < today)).where(h.released.is_(None))
    ).one()
    return row[0], row[1]


def show(connection: Connection, region: str, ids: Sequence[UUID]) -> list[Hold]:
    """Holds, oldest first."""
    rows = connection.execute(
        select(t.hold).where(h.id == any_(literal(list(ids), ARRAY(Uuid)))).order_by(h.number)
    )
    return [
        Hold(
            x.id,
            region,
            x.tenant,
            ScopeKind(x.scope),
            tuple(DataClass(name) for name in x.classes or ()),
            x.minted_from,
            x.minted_to,
            x.cutoff is None,
            x.matter,
            x.authority,
            x.issuer,
            x.placed,
            x.review,
            x.released,
            x.released_why,
        )
        for x in rows
    ]


def page(
    connection: Connection, *, tenant: str | None, released: bool, after: UUID | None, limit: int
) -> list[UUID]:
    """Ids of holds, newest first, before one of them; ``released``: those too."""
    query = select(h.id).order_by(h.id.desc()).limit(limit)
    if tenant is not None:
        query = query.where(h.tenant == tenant)
    if not released:
        query = query.where(h.released.is_(None))
    return list(connection.scalars(query if after is None else query.where(h.id < after)))


@cache
def _any_in_force() -> ColumnElement[bool]:
    """SQL: asked once per statement, so that a region without holds pays nothing per row."""
    other = t.hold.alias("any_hold")
    return exists().where(other.c.released.is_(None))


@cache
def _matches(table: Table, scope: ScopeKind) -> ColumnElement[bool]:
    """SQL: the row is what a hold of that scope is about. One index probe per scope."""
    c = table.c
    by: dict[ScopeKind, ColumnElement[bool]] = {
        ScopeKind.TENANT: true(),
        ScopeKind.SUBJECT: c.subject == any_(h.sought),
        ScopeKind.GROUP: c.grp == any_(h.sought),
        ScopeKind.RECORD: c.uid == any_(h.sought),
    }
    return and_(
        h.tenant == c.tenant,
        h.scope == scope.value,
        by[scope],
        or_(h.classes.is_(None), c.data_class == any_(h.classes)),
        or_(h.minted_from.is_(None), c.minted >= h.minted_from),
        or_(h.minted_to.is_(None), c.minted < h.minted_to),
        or_(h.cutoff.is_(None), c.minted <= h.cutoff),
    )


@cache
def _in_time(table: Table) -> ColumnElement[bool]:
    """SQL: the hold came before the row's day turned to ``expiring``, if it has."""
    if table is not t.record:
        return true()
    noted = select(d.holds).where(d.day == table.c.expiry_day).correlate(table).scalar_subquery()
    return h.number <= func.coalesce(noted, _LATER_THAN_ALL)


def counted(connection: Connection, rows: CompoundSelect[Any]) -> int:
    """How many there are, up to ``COUNTED``."""
    some = rows.limit(COUNTED).subquery()
    return connection.scalar(select(func.count()).select_from(some)) or 0

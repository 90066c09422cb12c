"""Legal holds: placed, released, resumed, pruned.

Placing or releasing a hold owns one lock of the region. Destroying anything shares that lock, and
asks what is held in a later statement. So a hold and the destruction of what it covers are in one
order, and the later one sees the earlier. For an expiry day this is decided when the day turns to
``expiring``: a hold with a higher number than the day noted then was placed too late.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    CompoundSelect,
    Connection,
    Select,
    Uuid,
    any_,
    exists,
    func,
    literal,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from regions.model import DataClass
from storage.catalog import tables as t
from storage.catalog.counting import count_up_to
from storage.catalog.hold_predicate import covered
from storage.events import NewHold
from storage.model import ErasureState, ExpiringDay, Hold, ScopeKind

COUNTED = 10_000
"""Records are counted up to this; it means that many or more."""

d, e, f, h = t.day.c, t.erasure.c, t.fence.c, t.hold.c


@dataclass(frozen=True, slots=True)
class Named:
    """A hold in force with the sealed name of its subject or group."""

    id: UUID
    tenant: str
    scope: ScopeKind
    sealed_name: bytes


def own(connection: Connection) -> None:
    """Until the transaction ends, nothing is destroyed in the region, and no hold is placed."""
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('holds', 0))"))


def share(connection: Connection) -> None:
    """Until the transaction ends, no hold is placed or released.

    What is held, asked in a *later* statement, then stays true until the commit.
    """
    connection.execute(text("SELECT pg_advisory_xact_lock_shared(hashtextextended('holds', 0))"))


def add(connection: Connection, new: NewHold) -> bool:
    """Insert the hold with the next number. The caller owns the lock.

    False: the hold exists already and stays as it is.
    """
    number = select(func.coalesce(func.max(h.number), 0) + 1).scalar_subquery()
    inserted = connection.scalar(
        insert(t.hold)
        .values(
            id=new.id,
            number=number,
            tenant=new.tenant,
            scope=new.scope,
            match_values=list(new.match_values) or None,
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
    return inserted is not None


def release(connection: Connection, hold: UUID, why: str, now: datetime) -> bool:
    """Release a hold: it covers nothing any more. The caller owns the lock.

    False: it was released already.
    """
    done = connection.execute(
        update(t.hold)
        .where(h.id == hold, h.released.is_(None))
        .values(released=now, released_why=why)
    )
    return done.rowcount == 1


def named(connection: Connection) -> list[Named]:
    """Return the holds in force that cover what is stored later about a subject or group."""
    rows = connection.execute(
        select(h.id, h.tenant, h.scope, h.sealed_name)
        .where(h.released.is_(None), h.sealed_name.is_not(None))
        .order_by(h.number)
    )
    return [Named(x[0], x[1], ScopeKind(x[2]), x[3]) for x in rows]


def set_match_values(connection: Connection, hold: UUID, match_values: Sequence[bytes]) -> None:
    """Replace the pseudonyms that the hold matches."""
    connection.execute(update(t.hold).where(h.id == hold).values(match_values=list(match_values)))


def to_resume() -> Select[UUID]:
    """SQL: released holds of which not everything was resumed yet."""
    return select(h.id).where(h.released.is_not(None), h.resumed.is_(None))


def lock_next_to_resume(connection: Connection) -> tuple[UUID, str] | None:
    """Lock the oldest hold to resume; return it with its tenant."""
    row = connection.execute(
        to_resume()
        .with_only_columns(h.id, h.tenant)
        .order_by(h.released)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).one_or_none()
    return None if row is None else (row[0], row[1])


def mark_resumed(connection: Connection, hold: UUID, now: datetime) -> None:
    """Record that everything the hold deferred was resumed."""
    connection.execute(update(t.hold).where(h.id == hold).values(resumed=now))


def old(before: datetime) -> Select[UUID]:
    """SQL: holds released before then, as ``prune`` selects them.

    Excluded are holds that a known erasure names, and the newest: the next number must be higher.
    """
    newest = select(func.max(h.number)).scalar_subquery()
    return select(h.id).where(
        h.released < before,
        h.resumed.is_not(None),
        h.number < newest,
        ~exists().where(t.deferral.c.hold_id == h.id),
    )


def prune(connection: Connection, before: datetime, limit: int) -> int:
    """Delete a batch of old holds with their audit entries, oldest first; return the count.

    A function of the catalog does it: no login may delete a hold itself.
    """
    return connection.scalar(select(func.forget_holds(before, limit))) or 0


def last_number() -> ColumnElement[int]:
    """SQL: the number of the newest hold."""
    return select(func.coalesce(func.max(h.number), 0)).scalar_subquery()


def count(connection: Connection, hold: UUID) -> int:
    """Return how many records the hold covers, up to ``COUNTED`` per table."""
    return sum(
        counted(connection, covered(table, table.c.uid, h.id == hold))
        for table in (t.record, t.file, t.held)
    )


def counted(connection: Connection, rows: CompoundSelect[Any]) -> int:
    """Return how many rows a query gives, up to ``COUNTED``."""
    return count_up_to(connection, rows, COUNTED)


def days_placed_too_late_for(connection: Connection, hold: UUID) -> list[ExpiringDay]:
    """Return days that began to expire before the hold, with records that it would cover."""
    days = connection.scalars(select(d.day).where(d.state == "expiring").order_by(d.day)).all()
    found = []
    for day in days:
        where = [h.id == hold, t.record.c.expiry_day == day]
        rows = covered(t.record, t.record.c.uid, *where, placed_in_time=False)
        records = counted(connection, rows)
        if records:
            found.append(ExpiringDay(day, records))
    return found


def erasures_placed_too_late_for(connection: Connection, hold: UUID) -> list[UUID]:
    """Return open erasures that may have deleted what the hold would cover, before it was placed.

    Two subjects or two groups do not overlap. Any other two scopes may.
    """
    overlapping = or_(
        f.scope != h.scope,
        f.scope.in_((ScopeKind.TENANT, ScopeKind.RECORD)),
        f.value == any_(h.match_values),
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
    """Return the holds on a tenant that are in force, oldest first."""
    query = select(h.id).where(h.tenant == tenant, h.released.is_(None)).order_by(h.number)
    return list(connection.scalars(query))


def count_in_force(connection: Connection, today: date) -> tuple[int, int]:
    """Return how many holds are in force, and how many of those have a review date before today."""
    row = connection.execute(
        select(func.count(), func.count().filter(h.review < today)).where(h.released.is_(None))
    ).one()
    return row[0], row[1]


def show(connection: Connection, region: str, ids: Sequence[UUID]) -> list[Hold]:
    """Return holds, oldest first."""
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
    """Return ids of holds, newest first, that come after one; ``released``: those too."""
    query = select(h.id).order_by(h.id.desc()).limit(limit)
    if tenant is not None:
        query = query.where(h.tenant == tenant)
    if not released:
        query = query.where(h.released.is_(None))
    return list(connection.scalars(query if after is None else query.where(h.id < after)))

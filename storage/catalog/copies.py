"""Copies at processors: announced, delivered, requested back, confirmed deleted.

Invariant 2 applies to them too: the ledger entry and then the row are committed before the first
byte is sent. The row has the pseudonyms of its record, so that an erasure finds it even if the
record's own row is deleted. ``next_attempt`` *is* the queue, also for what a crash leaves behind.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import (
    Connection,
    Row,
    Select,
    and_,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from regions.model import DataClass
from storage.catalog import deletions, erasures, fences
from storage.catalog import tables as t
from storage.catalog.erasures import OpenErasure
from storage.catalog.fences import FenceQuery
from storage.events import NewCopy
from storage.model import Copy, CopyState, ProcessorState

c, ec = t.processor_copy.c, t.erasure_copy.c

_SENT = (CopyState.ANNOUNCED, CopyState.DELIVERED)
_OPEN = c.state != CopyState.CONFIRMED

How = Literal["acknowledged", "attested"]


@dataclass(frozen=True, slots=True)
class Due:
    """A copy whose deletion is to be requested now."""

    id: UUID
    processor: str
    state: CopyState
    announced: datetime
    land_by: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The evidence that a copy is deleted: whose, how, since when, and the digest of the proof."""

    copy: UUID
    processor: str
    how: How
    acknowledged: datetime
    digest: bytes


def announce(connection: Connection, new: NewCopy) -> bool:
    """Insert the row. Unless ``delivered`` is called, the copy is requested back.

    False: the copy exists already and stays as it is. The caller shares the tenant's lock.
    """
    inserted = connection.scalar(
        insert(t.processor_copy)
        .values(
            id=new.id,
            tenant=new.tenant,
            uid=new.uid,
            data_class=new.data_class,
            expiry_day=new.expiry_day,
            origin=new.origin,
            subject=new.subject,
            grp=new.group,
            ancestors=list(new.ancestors) or None,
            processor=new.processor,
            state=CopyState.ANNOUNCED,
            announced=new.announced,
            land_by=new.land_by,
            deadline=new.deadline,
            lead=new.lead,
            next_attempt=new.land_by,
        )
        .on_conflict_do_nothing()
        .returning(c.id)
    )
    if inserted is None:
        return False
    _await(connection, new)
    return True


def _await(connection: Connection, new: NewCopy) -> None:
    """Make erasures that cover it wait: a restored catalog may have planned them without it."""
    uids = (new.uid, *new.ancestors)
    subjects, groups = (() if name is None else (name,) for name in (new.subject, new.group))
    query = FenceQuery(new.tenant, uids, subjects, groups, new.origin)
    covering = fences.covering(connection, [query]).get(0)
    if covering:
        waiting = erasures.open_among(connection, covering)
        _wait_for(connection, [(erasure, new.id) for erasure in waiting])


def _wait_for(connection: Connection, pairs: Sequence[tuple[UUID, UUID]]) -> None:
    """Insert pairs of an erasure and a copy that it waits for."""
    if pairs:
        rows = [{"erasure_id": erasure, "copy_id": copy} for erasure, copy in pairs]
        connection.execute(insert(t.erasure_copy), rows)


def delivered(connection: Connection, copy: UUID, now: datetime, ask_at: datetime) -> bool:
    """Record that the copy arrived and cannot arrive again.

    False: it was requested back in the meantime.
    """
    done = connection.execute(
        update(t.processor_copy)
        .where(c.id == copy, c.state == CopyState.ANNOUNCED)
        .values(state=CopyState.DELIVERED, land_by=now, next_attempt=ask_at)
    )
    return done.rowcount == 1


def delivery_failed(connection: Connection, copy: UUID, error: str, now: datetime) -> None:
    """Record that the delivery has an unknown outcome: the copy is due to be requested back."""
    connection.execute(
        update(t.processor_copy)
        .where(c.id == copy, c.state == CopyState.ANNOUNCED)
        .values(next_attempt=now, last_error=error)
    )


def await_covered(
    connection: Connection, erasure: OpenErasure, now: datetime, asking: timedelta, limit: int
) -> int:
    """Make the erasure wait for a batch of copies that it covers, and request them back at once.

    Return the count. No copy that it covers can be announced later, because ``announce`` comes
    after a check of the fence.
    """
    noted = exists().where(ec.erasure_id == erasure.id, ec.copy_id == c.id)
    found = connection.scalars(
        select(c.id)
        .where(deletions.in_erasure(t.processor_copy, erasure))
        .where(_OPEN, ~noted)
        .order_by(c.id)
        .limit(limit)
        .with_for_update()
    ).all()
    if not found:
        return 0
    _wait_for(connection, [(erasure.id, copy) for copy in found])
    connection.execute(
        update(t.processor_copy)
        .where(c.id.in_(found), c.state.in_(_SENT))
        .values(
            state=CopyState.REQUESTED,
            requested=now,
            next_attempt=now,
            deadline=func.least(c.deadline, literal(now + asking) + c.lead),
        )
    )
    return len(found)


def due(now: datetime, ending: Sequence[str] = ()) -> Select[UUID]:
    """SQL: copies whose deletion is to be requested now; all of them at ``ending`` processors."""
    due_now = c.next_attempt <= now
    if ending:
        due_now = or_(due_now, and_(c.processor.in_(ending), c.state == CopyState.DELIVERED))
    return select(c.id).where(_OPEN, due_now)


def claim(
    connection: Connection,
    now: datetime,
    lease_until: datetime,
    limit: int,
    *,
    ending: Sequence[str] = (),
) -> list[Due]:
    """Lease a batch of due copies until ``lease_until``. They are due again then.

    From then on each of them is ``requested`` until it is confirmed.
    """
    some = due(now, ending).order_by(c.next_attempt).limit(limit).with_for_update(skip_locked=True)
    rows = connection.execute(
        update(t.processor_copy)
        .where(c.id.in_(some.scalar_subquery()))
        .values(
            state=CopyState.REQUESTED,
            requested=func.coalesce(c.requested, now),
            next_attempt=lease_until,
            attempts=c.attempts + 1,
        )
        .returning(c.id, c.processor, c.state, c.announced, c.land_by, c.attempts)
    )
    return [Due(row[0], row[1], CopyState(row[2]), *row[3:]) for row in rows]


def ask_later(connection: Connection, copy: UUID, error: str | None, at: datetime) -> None:
    """Set when to request a copy again that is not confirmed. Tries never end."""
    connection.execute(
        update(t.processor_copy)
        .where(c.id == copy, c.state == CopyState.REQUESTED)
        .values(next_attempt=at, last_error=error)
    )


def confirm(
    connection: Connection,
    copy: UUID,
    how: How,
    digest: bytes,
    now: datetime,
    *,
    actor: str | None = None,
) -> bool:
    """Record that the copy is deleted, and clear its pseudonyms. False: it was confirmed before."""
    done = connection.execute(
        update(t.processor_copy)
        .where(c.id == copy, _OPEN)
        .values(
            state=CopyState.CONFIRMED,
            requested=func.coalesce(c.requested, now),
            acknowledged=now,
            how=how,
            digest=digest,
            actor=actor,
            next_attempt=None,
            last_error=None,
            subject=None,
            grp=None,
            ancestors=None,
        )
    )
    return done.rowcount == 1


def delivery_is_over(connection: Connection, copy: UUID, now: datetime) -> bool:
    """Return whether the delivery cannot take effect any more."""
    return bool(connection.scalar(select(c.land_by < now).where(c.id == copy)))


def confirmations(connection: Connection, erasure: UUID) -> list[Confirmation]:
    """Return the evidence for every copy that an erasure waited for."""
    rows = connection.execute(
        select(c.id, c.processor, c.how, c.acknowledged, c.digest)
        .join(t.erasure_copy, ec.copy_id == c.id)
        .where(ec.erasure_id == erasure, c.state == CopyState.CONFIRMED)
        .order_by(c.processor, c.id)
    )
    return [Confirmation(*row) for row in rows]


def show(connection: Connection, copy: UUID) -> Copy | None:
    """Return one copy."""
    row = connection.execute(select(t.processor_copy).where(c.id == copy)).one_or_none()
    return None if row is None else _copy(row)


def page(
    connection: Connection, after: UUID | None, limit: int, *, processor: str | None = None
) -> list[Copy]:
    """Return copies that are not confirmed, oldest first, after one of them."""
    query = select(t.processor_copy).where(_OPEN).order_by(c.id).limit(limit)
    if after is not None:
        query = query.where(c.id > after)
    if processor is not None:
        query = query.where(c.processor == processor)
    return [_copy(row) for row in connection.execute(query)]


def states(
    connection: Connection, processors: Sequence[str], now: datetime, most: int
) -> list[ProcessorState]:
    """Return the counts of each processor, and of others that still have copies.

    At most ``most`` copies are counted in all.
    """
    some = select(c.processor, c.state, c.deadline).where(_OPEN).limit(most).subquery().c
    late = some.deadline <= now
    counted = {
        row[0]: ProcessorState(*row)
        for row in connection.execute(
            select(
                some.processor,
                func.count(),
                func.count().filter(some.state == CopyState.REQUESTED),
                func.count().filter(late),
                func.min(some.deadline).filter(late),
            ).group_by(some.processor)
        )
    }
    names = [*processors, *sorted(counted.keys() - set(processors))]
    return [counted.get(name, ProcessorState(name, 0, 0, 0, None)) for name in names]


def left_at(tenant: str, processor: str) -> Select[UUID]:
    """SQL: copies of a tenant at a processor that are not confirmed to be deleted."""
    return select(c.id).where(c.tenant == tenant, c.processor == processor, _OPEN)


def ask_back(connection: Connection, tenant: str, processor: str, now: datetime) -> None:
    """Have the deletion of a tenant's copies at a processor requested now."""
    connection.execute(
        update(t.processor_copy)
        .where(
            c.tenant == tenant,
            c.processor == processor,
            c.state == CopyState.DELIVERED,
            c.next_attempt > now,
        )
        .values(next_attempt=now)
    )


def old() -> Select[UUID]:
    """SQL: confirmed copies that no erasure waits for."""
    return select(c.id).where(c.state == CopyState.CONFIRMED, ~exists().where(ec.copy_id == c.id))


def prune(connection: Connection, limit: int) -> int:
    """Delete the rows of a batch of old copies; return the count."""
    some = old().limit(limit).with_for_update(skip_locked=True)
    return connection.execute(
        delete(t.processor_copy).where(c.id.in_(some.scalar_subquery()))
    ).rowcount


def _copy(row: Row[object]) -> Copy:
    m = row._mapping
    return Copy(
        m["id"],
        m["tenant"],
        m["processor"],
        DataClass(m["data_class"]),
        CopyState(m["state"]),
        m["announced"],
        m["deadline"],
        m["requested"],
        m["attempts"],
        m["next_attempt"],
        m["last_error"],
        m["acknowledged"],
        m["how"],
        m["digest"],
    )

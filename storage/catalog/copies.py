"""Copies at processors: announced, delivered, asked back, confirmed to be gone.

Invariant 2 holds for them too: a row is committed before the first byte leaves, and before that the
ledger has it. The row knows whom the copy is about in the words of its record, so that an erasure
finds it when the record's own row is gone already. ``next_attempt`` *is* the queue: whatever a
crash leaves behind is due then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import Connection, Row, and_, delete, exists, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from regions.model import DataClass
from storage.catalog import erasures, fences, records
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
    """A copy whose deletion is to be asked for now."""

    id: UUID
    processor: str
    state: CopyState
    announced: datetime
    land_by: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What is known of a copy that is gone: by whom, how, since when, with which digest."""

    copy: UUID
    processor: str
    how: How
    acknowledged: datetime
    digest: bytes


def announce(connection: Connection, new: NewCopy) -> bool:
    """Insert the row. Until ``delivered`` is told otherwise, nobody uses the copy: it goes.

    False: it is there already, however far it is, and stays as it is. The caller shares the
    tenant's lock.
    """
    new_here = connection.scalar(
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
    if new_here is None:
        return False
    _await(connection, new)
    return True


def _await(connection: Connection, new: NewCopy) -> None:
    """Erasures that cover it wait for it: a restored catalog may have planned them without it."""
    uids = (new.uid, *new.ancestors)
    subjects, groups = (() if name is None else (name,) for name in (new.subject, new.group))
    probe = FenceQuery(new.tenant, uids, subjects, groups, new.origin)
    covering = fences.covering(connection, [probe]).get(0)
    if covering:
        waiting = erasures.open_among(connection, covering)
        _wait_for(connection, [(erasure, new.id) for erasure in waiting])


def _wait_for(connection: Connection, pairs: Sequence[tuple[UUID, UUID]]) -> None:
    """Erasures, and the copy that each waits for."""
    if pairs:
        rows = [{"erasure_id": erasure, "copy_id": copy} for erasure, copy in pairs]
        connection.execute(insert(t.erasure_copy), rows)


def delivered(connection: Connection, copy: UUID, now: datetime, ask_at: datetime) -> bool:
    """It has arrived, and nothing of it can arrive again. False: it was asked back meanwhile."""
    done = connection.execute(
        update(t.processor_copy)
        .where(c.id == copy, c.state == CopyState.ANNOUNCED)
        .values(state=CopyState.DELIVERED, land_by=now, next_attempt=ask_at)
    )
    return done.rowcount == 1


def delivery_failed(connection: Connection, copy: UUID, error: str, now: datetime) -> None:
    """Whether it has arrived is not known: it has to go, from now on."""
    connection.execute(
        update(t.processor_copy)
        .where(c.id == copy, c.state == CopyState.ANNOUNCED)
        .values(next_attempt=now, last_error=error)
    )


def await_covered(
    connection: Connection, erasure: OpenErasure, now: datetime, asking: timedelta, limit: int
) -> int:
    """The erasure waits for the copies that it covers; they are asked back at once.

    Says how many were noted, up to ``limit``. No copy that it covers can be handed over later: who
    announces one has looked for the fence.
    """
    noted = exists().where(ec.erasure_id == erasure.id, ec.copy_id == c.id)
    found = connection.scalars(
        select(c.id)
        .where(
            records.in_erasure(
                t.processor_copy, erasure.tenant, erasure.scope, erasure.sought, erasure.cutoff
            )
        )
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


def claim(
    connection: Connection,
    now: datetime,
    lease_until: datetime,
    limit: int,
    *,
    ending: Sequence[str] = (),
) -> list[Due]:
    """Take due copies off the queue until ``lease_until``: then they are due again.

    From here on each of them has to go, and is asked for until it is known to be gone. At
    processors that are ``ending`` all are due.
    """
    due_now = c.next_attempt <= now
    if ending:
        due_now = or_(due_now, and_(c.processor.in_(ending), c.state == CopyState.DELIVERED))
    due = (
        select(c.id)
        .where(_OPEN, due_now)
        .order_by(c.next_attempt)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = connection.execute(
        update(t.processor_copy)
        .where(c.id.in_(due.scalar_subquery()))
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
    """It is still there, or nobody can say: ask again. There is no last time."""
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
    """It is gone. The row forgets whom it was about. False: that was known already."""
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
    """Whether nothing of it can arrive any more."""
    return bool(connection.scalar(select(c.land_by < now).where(c.id == copy)))


def confirmations(connection: Connection, erasure: UUID) -> list[Confirmation]:
    """What is known of every copy that an erasure has waited for."""
    rows = connection.execute(
        select(c.id, c.processor, c.how, c.acknowledged, c.digest)
        .join(t.erasure_copy, ec.copy_id == c.id)
        .where(ec.erasure_id == erasure, c.state == CopyState.CONFIRMED)
        .order_by(c.processor, c.id)
    )
    return [Confirmation(*row) for row in rows]


def show(connection: Connection, copy: UUID) -> Copy | None:
    """One copy."""
    row = connection.execute(select(t.processor_copy).where(c.id == copy)).one_or_none()
    return None if row is None else _copy(row)


def page(
    connection: Connection, after: UUID | None, limit: int, *, processor: str | None = None
) -> list[Copy]:
    """Copies that are not known to be gone, oldest first, after one of them."""
    query = select(t.processor_copy).where(_OPEN).order_by(c.id).limit(limit)
    if after is not None:
        query = query.where(c.id > after)
    if processor is not None:
        query = query.where(c.processor == processor)
    return [_copy(row) for row in connection.execute(query)]


def states(
    connection: Connection, processors: Sequence[str], now: datetime, most: int
) -> list[ProcessorState]:
    """Each processor, and every other that still has something. Counts stop at ``most`` in all."""
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


def prune(connection: Connection, limit: int) -> int:
    """Forget copies that are gone and awaited by no erasure."""
    over = (
        select(c.id)
        .where(c.state == CopyState.CONFIRMED, ~exists().where(ec.copy_id == c.id))
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return connection.execute(
        delete(t.processor_copy).where(c.id.in_(over.scalar_subquery()))
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

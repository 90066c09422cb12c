"""Deferrals: which hold keeps how much of what an erasure covers, since when and until when."""

from collections import Counter
from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, Table, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert

from storage.catalog import deletions, hold_predicate, holds
from storage.catalog import tables as t
from storage.catalog.erasures import OpenErasure
from storage.model import ErasureState

e, f, h = t.deferral.c, t.erasure.c, t.hold.c


def count_held(connection: Connection, erasure: OpenErasure) -> dict[UUID, int]:
    """Return how many records of the erasure each hold in force keeps, up to a limit per table.

    Counted page by page: a hold may keep few of many. The caller shares the lock of the holds.
    """
    found = Counter[UUID]()
    in_force = holds.in_force(connection, erasure.tenant)
    # ``record`` first: a row that is relocated in between is then found in ``held``
    for table in deletions.tables_of(erasure) if in_force else ():
        found += _count_in(connection, table, erasure, in_force)
    return dict(found)


def _count_in(
    connection: Connection, table: Table, erasure: OpenErasure, in_force: Collection[UUID]
) -> Counter[UUID]:
    covered = deletions.in_erasure(table, erasure)
    counts = Counter[UUID]()
    with deletions.pages(connection, table, covered) as pages:
        for page in pages:
            some = deletions.in_page(table, page)
            kept = hold_predicate.covered(table, h.id, h.id.in_(in_force), covered, some).subquery()
            query = select(kept.c[0], func.count()).group_by(kept.c[0])
            counts.update({row[0]: row[1] for row in connection.execute(query)})
            if min(counts[hold] for hold in in_force) >= holds.COUNTED:
                break
    return Counter({hold: min(count, holds.COUNTED) for hold, count in counts.items()})


def defer(connection: Connection, erasure: UUID, kept_by: dict[UUID, int], now: datetime) -> None:
    """Make the erasure wait for these holds. It keeps its match values."""
    again = insert(t.deferral)
    connection.execute(
        again.on_conflict_do_update(  # deferred again at the same time
            index_elements=["erasure_id", "hold_id", "since"],
            set_={"until": None, "records": again.excluded.records},
        ),
        [
            {"erasure_id": erasure, "hold_id": hold, "since": now, "records": count}
            for hold, count in kept_by.items()
        ],
    )
    connection.execute(update(t.erasure).where(f.id == erasure).values(state=ErasureState.DEFERRED))


def resume(
    connection: Connection, tenant: str | None, since: datetime, now: datetime, limit: int
) -> list[UUID]:
    """Have a batch of deferred erasures planned again. Another hold may defer them again.

    ``tenant``: only those of that tenant. ``since``: those that were deferred by then, which leaves
    out what another worker has just deferred again.
    """
    open_since = exists().where(e.erasure_id == f.id, e.until.is_(None), e.since <= since)
    some = select(f.id).where(f.state == ErasureState.DEFERRED, open_since)
    if tenant is not None:
        some = some.where(f.tenant == tenant)
    batch = some.order_by(f.requested, f.id).limit(limit).with_for_update()
    waiting = connection.scalars(
        update(t.erasure)
        .where(f.id.in_(batch.scalar_subquery()))
        .values(state=ErasureState.FENCED)
        .returning(f.id)
    ).all()
    ended = update(t.deferral).where(e.erasure_id.in_(waiting), e.until.is_(None))
    connection.execute(ended.values(until=now))
    return list(waiting)


def ended(connection: Connection, erasure: UUID) -> list[tuple[UUID, int, datetime, datetime]]:
    """Return each hold that deferred the erasure: how many records, from when until when."""
    rows = connection.execute(
        select(e.hold_id, e.records, e.since, e.until)
        .where(e.erasure_id == erasure, e.until.is_not(None))
        .order_by(e.since, e.hold_id)
    )
    return [(row[0], row[1], row[2], row[3]) for row in rows]

"""What holds keep of what erasures cover: who defers what, since when and until when."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.postgresql import insert

from storage.catalog import holds, records
from storage.catalog import tables as t
from storage.catalog.erasures import OpenErasure
from storage.model import ErasureState

e, f, h = t.deferral.c, t.erasure.c, t.hold.c


def count_held(connection: Connection, erasure: OpenErasure) -> dict[UUID, int]:
    """How many records of the erasure each hold in force keeps, as far as that is counted.

    The caller shares the lock of the holds.
    """
    found = {}
    for hold in holds.in_force(connection, erasure.tenant):
        # ``record`` first: a row that is carried meanwhile is then found in ``held``
        count = sum(
            holds.counted(
                connection,
                holds.covered(
                    table,
                    table.c.uid,
                    h.id == hold,
                    records.in_erasure(
                        table, erasure.tenant, erasure.scope, erasure.sought, erasure.cutoff
                    ),
                ),
            )
            for table in (t.record, t.file, t.held)
        )
        if count:
            found[hold] = count
    return found


def defer(connection: Connection, erasure: UUID, kept_by: dict[UUID, int], now: datetime) -> None:
    """The erasure waits for these holds, and still knows whom it is about."""
    again = insert(t.deferral)
    connection.execute(
        again.on_conflict_do_update(  # deferred anew in the same moment
            index_elements=["erasure_id", "hold_id", "since"],
            set_={"until": None, "records": again.excluded.records},
        ),
        [
            {"erasure_id": erasure, "hold_id": hold, "since": now, "records": count}
            for hold, count in kept_by.items()
        ],
    )
    connection.execute(update(t.erasure).where(f.id == erasure).values(state=ErasureState.DEFERRED))


def resume(connection: Connection, tenant: str, now: datetime) -> list[UUID]:
    """Erasures of a tenant that were deferred are planned again; a hold may defer them again."""
    waiting = connection.scalars(
        update(t.erasure)
        .where(f.tenant == tenant, f.state == ErasureState.DEFERRED)
        .values(state=ErasureState.FENCED)
        .returning(f.id)
    ).all()
    ended = update(t.deferral).where(e.erasure_id.in_(waiting), e.until.is_(None))
    connection.execute(ended.values(until=now))
    return list(waiting)


def ended(connection: Connection, erasure: UUID) -> list[tuple[UUID, int, datetime, datetime]]:
    """Which holds have deferred it: how many records, from when until when."""
    rows = connection.execute(
        select(e.hold_id, e.records, e.since, e.until)
        .where(e.erasure_id == erasure, e.until.is_not(None))
        .order_by(e.since, e.hold_id)
    )
    return [(row[0], row[1], row[2], row[3]) for row in rows]

"""Moving records: carried out of their day by a hold, compacted into another pack, found again.

The rows follow the bytes. Nothing is destroyed here: a row that goes from one table is in another.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Connection,
    LargeBinary,
    Table,
    Text,
    func,
    literal,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from storage.catalog import holds
from storage.catalog import tables as t
from storage.catalog.records import Row, row_of, values_of


@dataclass(frozen=True, slots=True)
class MovedRecord:
    """Where a record's bytes lie, in whichever object this is about."""

    tenant: str
    uid: bytes
    start: int
    length: int


def held_rows_in_pack(connection: Connection, day: date, pack: UUID) -> list[Row]:
    """What is held of a pack, in the order of the bytes."""
    where = [*_within(t.record, day, pack), holds.held(t.record)]
    rows = connection.execute(select(t.record).where(*where).order_by(t.record.c.start))
    return [row_of(row) for row in rows]


def move_to_held(connection: Connection, source: UUID, rows: Sequence[Row]) -> bool:
    """Move rows of a pack and day to ``held``, as they are to be there: every one, or none.

    One that is not there any more, or not held, stops them all.
    """
    c, day = t.record.c, rows[0].id.day
    with connection.begin_nested() as savepoint:
        taken = connection.execute(
            t.record.delete().where(
                *_within(t.record, day, source),
                c.tenant == rows[0].tenant,
                c.uid.in_([row.id.unique for row in rows]),
                holds.held(t.record),
            )
        )
        if taken.rowcount != len(rows):
            savepoint.rollback()
            return False
        connection.execute(insert(t.held), [values_of(row) for row in rows])
    return True


def rows_in_object(
    connection: Connection, table: Table, day: date | None, object_id: UUID
) -> list[Row]:
    """The records of ``record`` or ``held`` that an object still holds, in order of their bytes."""
    c = table.c
    rows = connection.execute(
        select(table).where(*_within(table, day, object_id)).order_by(c.start)
    )
    return [row_of(row) for row in rows]


def move_rows(
    connection: Connection,
    table: Table,
    day: date | None,
    source: UUID,
    *,
    target: UUID,
    starts: Mapping[int, int],
) -> int:
    """Point records from one pack to another. Says how many were still there to be moved."""
    c = table.c
    g = (
        func.unnest(
            literal(list(starts), ARRAY(BigInteger)),
            literal(list(starts.values()), ARRAY(BigInteger)),
        )
        .table_valued("was", "start")
        .render_derived(name="given")
        .c
    )
    moved = connection.execute(
        update(table)
        .where(*_within(table, day, source), c.start == g.was)
        .values(object_id=target, start=g.start)
    )
    return moved.rowcount


def covered_by_holds(connection: Connection, rows: Sequence[Row]) -> list[Row]:
    """Those of the rows that a hold in force would cover, were they in ``held``."""
    c = t.held.c
    given = [(row.id.day, row.tenant, row.id.unique) for row in rows]
    covered = select(c.expiry_day, c.tenant, c.uid).where(
        tuple_(c.expiry_day, c.tenant, c.uid).in_(given), holds.held(t.held)
    )
    with connection.begin_nested() as attempt:  # what a hold covers is said of rows that are there
        values = [values_of(row) for row in rows]
        connection.execute(insert(t.held).on_conflict_do_nothing(), values)
        found = {tuple(x) for x in connection.execute(covered)}
        attempt.rollback()
    return [row for row, name in zip(rows, given, strict=True) if name in found]


def restore_held_rows(
    connection: Connection, rows: Sequence[Row], homeless: Collection[UUID]
) -> int:
    """Have rows in ``held``, as they are to be there, and not in ``record``. Says how many.

    Not those that ``held`` has already, but in one of the objects that are ``homeless``.
    """
    c, query = t.record.c, insert(t.held)
    new = {name: query.excluded[name] for name in ("object_id", "start", "key_id", "wrapped_key")}
    kept = connection.execute(
        query.on_conflict_do_update(
            index_elements=["expiry_day", "tenant", "uid"],
            set_=new,
            where=t.held.c.object_id.in_(homeless),
        ).returning(t.held.c.expiry_day, t.held.c.tenant, t.held.c.uid),
        [values_of(row) for row in rows],
    ).all()
    names = [tuple(x) for x in kept]
    connection.execute(
        t.record.delete().where(
            c.expiry_day.in_({day for day, _, _ in names}),  # it alone prunes partitions
            tuple_(c.expiry_day, c.tenant, c.uid).in_(names),
        )
    )
    return len(names)


def restore_moved_rows(
    connection: Connection,
    day: date,
    target: UUID,
    moved: Sequence[MovedRecord],
    homeless: Collection[UUID],
) -> int:
    """Point records of objects that are ``homeless`` to where their bytes are. Says how many."""
    c = t.record.c
    arrays = [
        literal([m.tenant for m in moved], ARRAY(Text)),
        literal([m.uid for m in moved], ARRAY(LargeBinary)),
        literal([m.start for m in moved], ARRAY(BigInteger)),
        literal([m.length for m in moved], ARRAY(BigInteger)),
    ]
    named = func.unnest(*arrays).table_valued("tenant", "uid", "start", "length")
    g = named.render_derived(name="moved").c
    found = connection.execute(
        update(t.record)
        .where(
            c.expiry_day == day,
            c.object_id.in_(homeless),
            c.tenant == g.tenant,
            c.uid == g.uid,
            c.length == g.length,
        )
        .values(object_id=target, start=g.start)
    )
    return found.rowcount


def _within(table: Table, day: date | None, object_id: UUID) -> list[ColumnElement[bool]]:
    inside = [table.c.object_id == object_id]
    return [table.c.expiry_day == day, *inside] if table is t.record else inside

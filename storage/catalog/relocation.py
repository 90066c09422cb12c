"""Relocation of records: out of an expiring day for a hold, or into a compacted pack.

The rows follow the bytes. Nothing is destroyed: a row that leaves one table is in another.
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

from storage.catalog import hold_predicate
from storage.catalog import tables as t
from storage.catalog.records import Row, row_of, values_of


@dataclass(frozen=True, slots=True)
class RelocatedRecord:
    """The range of a record's bytes in the object that contains it now."""

    tenant: str
    uid: bytes
    start: int
    length: int


def held_rows_in_pack(connection: Connection, day: date, pack: UUID) -> list[Row]:
    """Return the held records of a pack, in order of their bytes."""
    where = [*_within(t.record, day, pack), hold_predicate.held(t.record)]
    rows = connection.execute(select(t.record).where(*where).order_by(t.record.c.start))
    return [row_of(row) for row in rows]


def move_to_held(connection: Connection, source: UUID, rows: Sequence[Row]) -> bool:
    """Replace rows of a pack and day by these rows in ``held``: all, or none.

    False: one of them is deleted or not held any more, and nothing changed.
    """
    c, day = t.record.c, rows[0].id.day
    with connection.begin_nested() as savepoint:
        taken = connection.execute(
            t.record.delete().where(
                *_within(t.record, day, source),
                c.tenant == rows[0].tenant,
                c.uid.in_([row.id.unique for row in rows]),
                hold_predicate.held(t.record),
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
    """Return the rows of an object in ``record`` or ``held``, in order of their bytes."""
    c = table.c
    rows = connection.execute(
        select(table).where(*_within(table, day, object_id)).order_by(c.start)
    )
    return [row_of(row) for row in rows]


def relocate_rows(
    connection: Connection,
    table: Table,
    day: date | None,
    source: UUID,
    *,
    target: UUID,
    starts: Mapping[int, int],
) -> int:
    """Point rows from one pack to another; return how many rows still existed."""
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
    relocated = connection.execute(
        update(table)
        .where(*_within(table, day, source), c.start == g.was)
        .values(object_id=target, start=g.start)
    )
    return relocated.rowcount


def covered_by_holds(connection: Connection, rows: Sequence[Row]) -> list[Row]:
    """Return those of the rows that a hold in force would cover in ``held``."""
    c = t.held.c
    given = [(row.id.day, row.tenant, row.id.unique) for row in rows]
    covered = select(c.expiry_day, c.tenant, c.uid).where(
        tuple_(c.expiry_day, c.tenant, c.uid).in_(given), hold_predicate.held(t.held)
    )
    with connection.begin_nested() as savepoint:  # a hold covers only rows that exist
        values = [values_of(row) for row in rows]
        connection.execute(insert(t.held).on_conflict_do_nothing(), values)
        found = {tuple(x) for x in connection.execute(covered)}
        savepoint.rollback()
    return [row for row, name in zip(rows, given, strict=True) if name in found]


def restore_held_rows(
    connection: Connection, rows: Sequence[Row], homeless: Collection[UUID]
) -> int:
    """Insert rows into ``held`` and delete them from ``record``; return the count.

    A row that ``held`` has already is replaced only if its object is ``homeless``.
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


def restore_relocated_rows(
    connection: Connection,
    day: date,
    target: UUID,
    relocated: Sequence[RelocatedRecord],
    homeless: Collection[UUID],
) -> int:
    """Point rows of ``homeless`` objects to the object that has their bytes; return the count."""
    c = t.record.c
    arrays = [
        literal([m.tenant for m in relocated], ARRAY(Text)),
        literal([m.uid for m in relocated], ARRAY(LargeBinary)),
        literal([m.start for m in relocated], ARRAY(BigInteger)),
        literal([m.length for m in relocated], ARRAY(BigInteger)),
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

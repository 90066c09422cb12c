"""Records: rows of content. Those that expire lie in ``record``, the others in ``file``.

A row holds the only copy of the wrapped record key, so a record whose row is deleted cannot be
opened any more, wherever its bytes are. (Of what is in ``held`` its object has a copy too.)
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any, cast
from uuid import UUID

import psycopg
from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Connection,
    Date,
    Integer,
    LargeBinary,
    Select,
    Table,
    Text,
    and_,
    bindparam,
    exists,
    func,
    literal,
    or_,
    select,
    tuple_,
)
from sqlalchemy import Row as SqlRow
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from regions.model import DataClass
from storage.catalog import holds
from storage.catalog import tables as t
from storage.model import RecordId, ScopeKind
from storage.policy import may_destroy

f = t.fence.c
_MANY = 32  # rows from which COPY pays
_PAGE = 1000
_COPY_TYPES = {"timestamp with time zone": "timestamptz", "bigint": "int8", "boolean": "bool"}

Columns = ReadOnlyColumnCollection[str, Column[object]]


@dataclass(frozen=True, slots=True)
class Row:
    """A record as the catalog knows it."""

    id: RecordId
    tenant: str
    origin: datetime
    written: datetime
    subject: bytes | None
    group: bytes | None
    ancestors: tuple[bytes, ...]
    object_id: UUID
    start: int
    length: int
    size: int
    streamed: bool
    incomplete: bool
    key_id: UUID
    wrapped_key: bytes
    sealed_metadata: bytes | None
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Found:
    """A row, and whether an erasure covers it."""

    row: Row
    fenced: bool


def table_of(day: date | None) -> Table:
    """Where a record of that expiry day lies."""
    return t.file if day is None else t.record


def find(connection: Connection, tenant: str, record_id: RecordId) -> Found | None:
    """A record and its fences, in one statement."""
    return find_all(connection, [(tenant, record_id)]).get((tenant, record_id.unique))


def find_all(
    connection: Connection, names: Collection[tuple[str, RecordId]]
) -> dict[tuple[str, bytes], Found]:
    """Several records at once, by tenant and unique part. An id of another class finds nothing."""
    found: dict[tuple[str, bytes], Found] = {}
    for table in (t.file, t.record):
        some = [(name, i) for name, i in names if table_of(i.day) is table]
        if not some:
            continue
        classes = {(name, i.unique): i.data_class for name, i in some}
        given = {
            "tenants": [name for name, _ in some],
            "uids": [i.unique for _, i in some],
            "named_days": [i.day for _, i in some],
            "days": sorted({i.day for _, i in some if i.day}),
        }
        for row in connection.execute(_find(table), given):
            day = row.expiry_day if table is t.record else None
            known = Found(_row(row._mapping, day), row.fenced)
            if known.row.id.data_class is classes[row.tenant, row.uid]:
                found[row.tenant, row.uid] = known
    return found


@cache
def _find(table: Table) -> Select[object]:
    c = table.c
    columns = [c.tenant, c.uid]
    arrays = [
        bindparam("tenants", type_=ARRAY(Text)),
        bindparam("uids", type_=ARRAY(LargeBinary)),
    ]
    query = select(table, fenced(table).label("fenced"))
    if table is t.record:
        columns.append(c.expiry_day)
        arrays.append(bindparam("named_days", type_=ARRAY(Date)))
        # the days alone prune partitions; the triples alone would not
        query = query.where(c.expiry_day == func.any(bindparam("days", type_=ARRAY(Date))))
    given = func.unnest(*arrays).table_valued(*(column.name for column in columns))
    return query.where(tuple_(*columns).in_(select(*given.render_derived(name="named").c)))


def add(connection: Connection, day: date | None, rows: Sequence[Row]) -> set[tuple[str, bytes]]:
    """Insert rows of one expiry day. Gives tenant and unique part of those that were new."""
    if len(rows) >= _MANY and _copied(connection, day, rows):
        return {(row.tenant, row.id.unique) for row in rows}
    table = table_of(day)
    added = connection.execute(
        insert(table).on_conflict_do_nothing().returning(table.c.tenant, table.c.uid),
        [values_of(row) for row in rows],
    )
    return {(x[0], x[1]) for x in added}


def _copied(connection: Connection, day: date | None, rows: Sequence[Row]) -> bool:
    """COPY them, which takes a quarter of the time. False, and nothing done, if one is there."""
    values = [values_of(row) for row in rows]
    table, columns = table_of(day), list(values[0])
    types = [str(table.c[name].type.compile(connection.dialect)) for name in columns]
    statement = f"COPY {table.name} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)"
    savepoint = connection.begin_nested()
    try:
        cursor = cast(psycopg.Connection, connection.connection.driver_connection).cursor()
        with cursor, cursor.copy(statement) as copy:
            copy.set_types([_COPY_TYPES.get(name.lower(), name.lower()) for name in types])
            for value in values:
                copy.write_row(tuple(value.values()))
    except psycopg.errors.UniqueViolation:
        savepoint.rollback()
        return False
    except psycopg.OperationalError as error:
        raise OperationalError(statement, None, error) from error
    savepoint.commit()
    return True


@cache
def fenced(table: Table) -> ColumnElement[bool]:
    """SQL: whether an erasure covers the row. One index probe per scope."""
    c = table.c

    def probe(scope: ScopeKind, value: ColumnElement[bool]) -> ColumnElement[bool]:
        return exists().where(
            f.tenant == c.tenant, f.scope == scope.value, value, f.cutoff >= c.origin
        )

    own = func.array_append(func.coalesce(c.ancestors, literal([], ARRAY(LargeBinary))), c.uid)
    return or_(
        probe(ScopeKind.TENANT, f.value == b""),
        probe(ScopeKind.SUBJECT, f.value == c.subject),
        probe(ScopeKind.GROUP, f.value == c.grp),
        probe(ScopeKind.RECORD, f.value == func.any(own)),
    )


def delete_scope(
    connection: Connection,
    table: Table,
    tenant: str,
    scope: ScopeKind,
    *,
    sought: Sequence[bytes],
    cutoff: datetime,
    now: datetime,
    limit: int,
) -> list[tuple[UUID, UUID]]:
    """Delete up to ``limit`` rows that an erasure covers and no hold; gives object and key of each.

    A row that a compaction moves at the same moment is waited for, and deleted where it is then.
    The caller shares the lock of the holds.
    """
    c = table.c
    day = literal(None, Date) if table is t.file else c.expiry_day
    covered = in_erasure(table, tenant, scope, sought, cutoff)
    held = holds.held(table)
    found: dict[date | None, list[bytes]] = {}
    for row in connection.execute(
        select(day, c.uid, held.label("held")).where(covered, ~held).limit(limit).with_for_update()
    ):
        may_destroy(what="record", state="erased", held=row.held, now=now).demand()
        found.setdefault(row[0], []).append(row[1])
    gone: list[tuple[UUID, UUID]] = []
    for one_day, uids in sorted(found.items(), key=str):
        # by day and name: a join with the rows that were found may scan every partition
        where = [c.tenant == tenant, c.uid.in_(uids)]
        if one_day is not None:
            where.append(c.expiry_day == one_day)
        deleted = connection.execute(table.delete().where(*where).returning(c.object_id, c.key_id))
        gone += [(x[0], x[1]) for x in deleted]
    return gone


def delete_released(
    connection: Connection, tenant: str, now: datetime, limit: int
) -> list[tuple[UUID, UUID]]:
    """Delete rows of ``held`` that no hold in force covers; gives object and key of each.

    What an erasure covers is left to it: it has to know where the bytes are. The caller shares the
    lock of the holds.
    """
    c, held = t.held.c, holds.held(t.held)
    names = []
    for row in connection.execute(
        select(c.expiry_day, c.uid, held.label("held"))
        .where(c.tenant == tenant, ~held, ~fenced(t.held))
        .limit(limit)
        .with_for_update()
    ):
        may_destroy(what="record", state="released", held=row.held, now=now).demand()
        names.append((row.expiry_day, row.uid))
    gone = connection.execute(
        t.held.delete()
        .where(c.tenant == tenant, tuple_(c.expiry_day, c.uid).in_(names))
        .returning(c.object_id, c.key_id)
    )
    return [(x[0], x[1]) for x in gone]


def under_hold(
    connection: Connection,
    hold: UUID,
    tenant: str,
    *,
    only: RecordId | None = None,
    after: RecordId | None = None,
    limit: int = 1,
) -> list[Row]:
    """Records that one hold keeps, in the order of their minting; erased and expired ones too."""
    given: dict[str, object] = {"hold": hold, "tenant": tenant, "limit": limit}
    if only is not None:
        given |= {"uid": only.unique, "data_class": only.data_class.value, "day": only.day}
    if after is not None:
        given |= {"minted": after.minted, "last": after.unique}
    found: list[Row] = []
    for table in (t.record, t.file, t.held):
        query = _under_hold(table, only=only is not None, after=after is not None)
        found += [row_of(row) for row in connection.execute(query, given)]
    return sorted(found, key=lambda row: (row.id.minted, row.id.unique))[:limit]


@cache
def _under_hold(table: Table, *, only: bool, after: bool) -> Select[Any]:
    c = table.c
    where = [c.tenant == bindparam("tenant"), holds.held(table, t.hold.c.id == bindparam("hold"))]
    if only:
        where += [c.uid == bindparam("uid"), c.data_class == bindparam("data_class")]
    if only and table is t.record:
        where.append(c.expiry_day == bindparam("day"))
    if after:
        last = tuple_(bindparam("minted", type_=c.minted.type), bindparam("last", type_=c.uid.type))
        where.append(tuple_(c.minted, c.uid) > last)
    limit = bindparam("limit", type_=Integer)
    return select(table).where(*where).order_by(c.minted, c.uid).limit(limit)


def in_erasure(
    table: Table, tenant: str, scope: ScopeKind, sought: Sequence[bytes], cutoff: datetime
) -> ColumnElement[bool]:
    """SQL: an erasure of that scope covers the row, whatever holds there may be."""
    c = table.c
    return and_(c.tenant == tenant, c.origin <= cutoff, _in_scope(c, scope, sought))


def live(
    connection: Connection, table: Table, day: date | None, object_ids: Sequence[UUID]
) -> dict[UUID, int]:
    """How many records each object still holds. ``day``: theirs, in ``record``."""
    c = table.c
    where: list[ColumnElement[bool]] = [c.object_id.in_(object_ids)]
    if table is t.record:
        where.append(c.expiry_day == day)
    counted = connection.execute(
        select(c.object_id, func.count()).where(*where).group_by(c.object_id)
    )
    return {x[0]: x[1] for x in counted}


def needing(
    connection: Connection, day: date | None, object_id: UUID
) -> Iterator[tuple[str, RecordId]]:
    """Records that no erasure covers and that cannot be opened without a pack or a key object."""
    table = table_of(day)
    c = table.c
    where = [or_(c.object_id == object_id, c.key_id == object_id), ~fenced(table)]
    if day is not None:
        where.append(c.expiry_day == day)
    query = select(c.tenant, c.data_class, c.born, c.minted, c.uid).where(*where)
    for x in connection.execute(query, execution_options={"yield_per": _PAGE}):
        yield x[0], RecordId(DataClass(x[1]), x[2], x[3], day, x[4])


def page(
    connection: Connection,
    tenant: str,
    *,
    data_class: DataClass | None,
    subjects: Sequence[bytes],
    groups: Sequence[bytes],
    after: RecordId | None,
    now: datetime,
    limit: int,
) -> list[Row]:
    """Readable records of a tenant in the order of their minting, after one of them."""
    found: list[Row] = []
    for table in (t.record, t.file):
        c = table.c
        where = [c.tenant == tenant, ~fenced(table)]
        if table is t.record:
            where.append(c.expiry_day > now.date())
        if data_class is not None:
            where.append(c.data_class == data_class.value)
        if subjects:
            where.append(c.subject.in_(subjects))
        if groups:
            where.append(c.grp.in_(groups))
        if after is not None:
            where.append(
                tuple_(c.minted, c.uid) > tuple_(literal(after.minted), literal(after.unique))
            )
        rows = connection.execute(
            select(table).where(*where).order_by(c.minted, c.uid).limit(limit)
        )
        found += [_row(x._mapping, x.expiry_day if table is t.record else None) for x in rows]
    return sorted(found, key=lambda row: (row.id.minted, row.id.unique))[:limit]


def _in_scope(c: Columns, scope: ScopeKind, sought: Sequence[bytes]) -> ColumnElement[bool]:
    match scope:
        case ScopeKind.SUBJECT:
            return c.subject.in_(sought)
        case ScopeKind.GROUP:
            return c.grp.in_(sought)
        case ScopeKind.RECORD:
            derived = c.ancestors.op("&&")(literal(list(sought), ARRAY(LargeBinary)))
            return or_(c.uid.in_(sought), and_(c.ancestors.is_not(None), derived))
        case _:
            return literal(True)


def row_of(found: SqlRow[Any]) -> Row:
    """A whole row of ``record``, ``file`` or ``held``."""
    return _row(found._mapping, found._mapping.get("expiry_day"))


def _row(m: object, day: date | None) -> Row:
    x = dict(m)  # type: ignore[call-overload]
    record_id = RecordId(DataClass(x["data_class"]), x["born"], x["minted"], day, x["uid"])
    return Row(
        record_id,
        x["tenant"],
        x["origin"],
        x["written"],
        x["subject"],
        x["grp"],
        tuple(x["ancestors"] or ()),
        x["object_id"],
        x["start"],
        x["length"],
        x["size"],
        x["streamed"],
        x["incomplete"],
        x["key_id"],
        x["wrapped_key"],
        x["sealed_metadata"],
        x["fingerprint"],
    )


def values_of(row: Row) -> dict[str, object]:
    """The columns of a row."""
    expiry = {} if row.id.day is None else {"expiry_day": row.id.day}
    return {
        **expiry,
        "uid": row.id.unique,
        "tenant": row.tenant,
        "data_class": row.id.data_class.value,
        "born": row.id.region,
        "minted": row.id.minted,
        "origin": row.origin,
        "written": row.written,
        "subject": row.subject,
        "grp": row.group,
        "ancestors": list(row.ancestors) or None,
        "object_id": row.object_id,
        "start": row.start,
        "length": row.length,
        "size": row.size,
        "streamed": row.streamed,
        "incomplete": row.incomplete,
        "key_id": row.key_id,
        "wrapped_key": row.wrapped_key,
        "sealed_metadata": row.sealed_metadata,
        "fingerprint": row.fingerprint,
    }

"""Rows of records: ``record`` for those that expire, ``file`` for those that do not.

A row contains the only copy of the wrapped record key. So a record whose row is deleted cannot be
opened any more, wherever its bytes are. (For rows in ``held``, the object contains a copy too.)
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import cache
from itertools import product
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
    null,
    or_,
    select,
    text,
    tuple_,
)
from sqlalchemy import Row as SqlRow
from sqlalchemy import cast as cast_to
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.sql.elements import Grouping

from regions.model import DataClass
from storage.catalog import hold_predicate
from storage.catalog import tables as t
from storage.catalog.copying import COLUMNS, in_binary
from storage.catalog.kinds import ObjectKind
from storage.model import UNIQUE, Origin, RecordId, ScopeKind

f = t.fence.c
_MANY = 32  # rows from which COPY pays
_PAGE = 1000
# The planner has no samples of pseudonyms, so it takes each subject for a small one, which may be
# sorted. Without sorting it follows the index, which only sorts what has the same moment.
_IN_ORDER = text("SET LOCAL enable_sort = off")

Columns = ReadOnlyColumnCollection[str, Column[object]]


@dataclass(frozen=True, slots=True)
class Row:
    """A row of ``record``, ``file`` or ``held``."""

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
    sealed_flags: bytes | None = None
    origin_date: date | None = None
    origin_source: bytes | None = None
    metadata_version: int = 0
    readable_until: datetime | None = None  # as its writer said

    @property
    def taken_from(self) -> Origin | None:
        """The origin of data from before Domicile."""
        if self.origin_date is None or self.origin_source is None:
            return None
        return Origin(self.origin_date, self.origin_source)

    @property
    def came_in(self) -> date:
        """The UTC day on which its data came in: it belongs to the epoch of that day."""
        derived = self.origin.date()
        return derived if self.origin_date is None else min(derived, self.origin_date)


@dataclass(frozen=True, slots=True)
class Found:
    """A row, whether an erasure covers it, and what its tenant set as retention."""

    row: Row
    fenced: bool
    retention: Mapping[DataClass, int] = field(default_factory=dict)


def table_of(day: date | None) -> Table:
    """Return the table for records of that expiry day."""
    return t.file if day is None else t.record


def find(connection: Connection, tenant: str, record_id: RecordId) -> Found | None:
    """Return a record, and whether it is fenced, in one statement."""
    return find_all(connection, [(tenant, record_id)]).get((tenant, record_id.unique))


def find_all(
    connection: Connection, names: Collection[tuple[str, RecordId]]
) -> dict[tuple[str, bytes], Found]:
    """Return several records by tenant and unique part. An id of another class finds nothing."""
    found: dict[tuple[str, bytes], Found] = {}
    for table in (t.file, t.record):
        some = [(name, i) for name, i in names if table_of(i.day) is table]
        if not some:
            continue
        classes = {(name, i.unique): i.data_class for name, i in some}
        for row in connection.execute(_find(table), _named(some)):
            known = found_of(row, table)
            if known.row.id.data_class is classes[row.tenant, row.uid]:
                found[row.tenant, row.uid] = known
    return found


def _named(names: Sequence[tuple[str, RecordId]]) -> dict[str, object]:
    """Return the parameters of ``_find``: a thousand texts and dates take long to write."""
    tenants = {tenant: n for n, tenant in enumerate({name for name, _ in names}, 1)}
    days = {day: n for n, day in enumerate(sorted({i.day for _, i in names if i.day}), 1)}
    return {
        "tenants": list(tenants),
        "days": list(days),
        "of": [tenants[name] for name, _ in names],
        "on": [days[i.day] if i.day else 0 for _, i in names],
        "uids": b"".join([i.unique for _, i in names]),
    }


@cache
def _find(table: Table) -> Select[object]:
    """Select records: the n-th of tenant number ``of[n]``, day number ``on[n]``, n-th 16 bytes."""
    c = table.c
    tenants, days = bindparam("tenants", type_=ARRAY(Text)), bindparam("days", type_=ARRAY(Date))
    given = (
        func.unnest(bindparam("of", type_=ARRAY(Integer)), bindparam("on", type_=ARRAY(Integer)))
        .table_valued("of", "on", with_ordinality="n")
        .render_derived(name="named")
    ).c
    uids = bindparam("uids", type_=LargeBinary)
    uid = func.substring(uids, cast_to((given.n - 1) * UNIQUE + 1, Integer), UNIQUE)
    named, columns = [Grouping(tenants)[given.of], uid], [c.tenant, c.uid]
    query = with_fences(table)
    if table is t.record:
        columns.append(c.expiry_day)
        named.append(Grouping(days)[given.on])
        # the days alone prune partitions; the triples alone would not
        query = query.where(c.expiry_day == func.any(days))
    return query.where(tuple_(*columns).in_(select(*named)))


@cache
def with_fences(table: Table) -> Select[Any]:
    """Select rows, whether an erasure covers each, and the retention that its tenant set."""
    h = t.tenant.c
    own = select(h.retention).where(h.id == table.c.tenant).scalar_subquery()
    return select(table, fenced(table).label("fenced"), own.label("own_retention"))


def found_of(row: SqlRow[Any], table: Table) -> Found:
    """Convert a row of ``with_fences``."""
    day = row.expiry_day if table is t.record else None
    retention = {DataClass(name): n for name, n in (row.own_retention or {}).items()}
    return Found(_row(row._mapping, day), row.fenced, retention)


def add(connection: Connection, day: date | None, rows: Sequence[Row]) -> set[tuple[str, bytes]]:
    """Insert rows of one expiry day. Return tenant and unique part of those that were new."""
    if day is not None and len(rows) >= _MANY and _copied(connection, rows):
        return {(row.tenant, row.id.unique) for row in rows}
    table = table_of(day)
    added = connection.execute(
        insert(table).on_conflict_do_nothing().returning(table.c.tenant, table.c.uid),
        [values_of(row) for row in rows],
    )
    return {(x[0], x[1]) for x in added}


def _copied(connection: Connection, rows: Sequence[Row]) -> bool:
    """Insert with COPY, in a tenth of the time. False: a row exists, nothing was inserted."""
    statement = f"COPY record ({', '.join(COLUMNS)}) FROM STDIN (FORMAT BINARY)"
    savepoint = connection.begin_nested()
    try:
        cursor = cast(psycopg.Connection, connection.connection.driver_connection).cursor()
        with cursor, cursor.copy(statement) as copy:
            for some in in_binary(rows):
                copy.write(some)
    except psycopg.errors.UniqueViolation:
        savepoint.rollback()
        return False
    except psycopg.OperationalError as error:
        raise OperationalError(statement, None, error) from error
    savepoint.commit()
    return True


@cache
def fenced(table: Table) -> ColumnElement[bool]:
    """SQL: whether an erasure covers the row. One index lookup per scope.

    Also one by a retention that was shortened: it may be longer again before the row is deleted.
    """
    c = table.c
    ended = exists().where(
        f.tenant == c.tenant,
        f.scope == ScopeKind.CLASS.value,
        f.value == func.convert_to(c.data_class, "UTF8"),
        f.cutoff >= c.minted,
    )
    return or_(ended, requested(table))


@cache
def requested(table: Table) -> ColumnElement[bool]:
    """SQL: whether a requested erasure covers the row."""
    c = table.c
    left = and_(  # an event whose floor was not over
        c.data_class == DataClass.EVENT.value,
        f.spared_from.is_not(None),
        c.minted > f.spared_from,
    )

    def by(scope: ScopeKind, value: ColumnElement[bool]) -> ColumnElement[bool]:
        return exists().where(
            f.tenant == c.tenant, f.scope == scope.value, value, f.cutoff >= c.origin, ~left
        )

    own = func.array_append(func.coalesce(c.ancestors, literal([], ARRAY(LargeBinary))), c.uid)
    return or_(
        by(ScopeKind.TENANT, f.value == b""),
        by(ScopeKind.SUBJECT, f.value == c.subject),
        by(ScopeKind.GROUP, f.value == c.grp),
        by(ScopeKind.RECORD, f.value == func.any(own)),
    )


def find_with_holds(
    connection: Connection, tenant: str, record_id: RecordId
) -> tuple[Found, bool] | None:
    """Return a record, also one that a hold keeps past its day, and whether a hold covers it."""
    for table in (table_of(record_id.day), t.held):
        c = table.c
        where = [c.tenant == tenant, c.uid == record_id.unique]
        where.append(c.data_class == record_id.data_class.value)
        if record_id.day is not None and "expiry_day" in c:
            where.append(c.expiry_day == record_id.day)
        kept = hold_predicate.held(table)
        query = select(table, fenced(table).label("fenced"), kept.label("kept")).where(*where)
        row = connection.execute(query).one_or_none()
        if row is not None:
            return Found(row_of(row), row.fenced), row.kept
    return None


def under_hold(
    connection: Connection,
    hold: UUID,
    tenant: str,
    *,
    only: RecordId | None = None,
    after: RecordId | None = None,
    limit: int = 1,
) -> list[Row]:
    """Return records that one hold covers, in order of minting, also erased and expired ones."""
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
    where = [
        c.tenant == bindparam("tenant"),
        hold_predicate.held(table, t.hold.c.id == bindparam("hold")),
    ]
    if only:
        where += [c.uid == bindparam("uid"), c.data_class == bindparam("data_class")]
    if only and table is t.record:
        where.append(c.expiry_day == bindparam("day"))
    if after:
        last = tuple_(bindparam("minted", type_=c.minted.type), bindparam("last", type_=c.uid.type))
        where.append(tuple_(c.minted, c.uid) > last)
    limit = bindparam("limit", type_=Integer)
    return select(table).where(*where).order_by(c.minted, c.uid).limit(limit)


def live(
    connection: Connection, table: Table, day: date | None, object_ids: Sequence[UUID]
) -> dict[UUID, int]:
    """Return how many records each object still contains. ``day``: that of the objects."""
    c = table.c
    where: list[ColumnElement[bool]] = [c.object_id.in_(object_ids)]
    if table is t.record:
        where.append(c.expiry_day == day)
    counted = connection.execute(
        select(c.object_id, func.count()).where(*where).group_by(c.object_id)
    )
    return {x[0]: x[1] for x in counted}


def keys_in_use(connection: Connection, table: Table, keys: Collection[UUID]) -> set[UUID]:
    """Return those of the key objects that rows of the table use."""
    key_id = table.c.key_id
    return set(connection.scalars(select(key_id).where(key_id.in_(keys))))


def needing(
    connection: Connection, kind: ObjectKind, day: date | None, object_id: UUID
) -> Iterator[tuple[str, RecordId]]:
    """Yield records that are not to be destroyed and need this object, for their bytes or key.

    A hold keeps a record that is erased, or past its day.
    """
    table = kind.rows(day)
    c = table.c
    expiry = c.expiry_day if "expiry_day" in c else null()
    kept = hold_predicate.held(table)
    where = [
        or_(c.object_id == object_id, c.key_id == object_id),
        kept if table is t.held else or_(~fenced(table), kept),
    ]
    if day is not None:
        where.append(c.expiry_day == day)
    query = select(c.tenant, c.data_class, c.born, c.minted, expiry, c.uid).where(*where)
    for x in connection.execute(query, execution_options={"yield_per": _PAGE}):
        yield x[0], RecordId(DataClass(x[1]), x[2], x[3], x[4], x[5])


Span = tuple[datetime | None, datetime | None]
"""From a time on, until before another one."""


@dataclass(frozen=True, slots=True)
class Narrow:
    """Which records of a tenant are listed. None and (): all.

    ``subjects``, ``groups``: pseudonyms of one name under every key. ``flagged``: those that have a
    flag, or have none. ``minted``: those of that time. ``ended``: of a class, those minted earlier
    are not listed.
    """

    data_class: DataClass | None = None
    subjects: Sequence[bytes] = ()
    groups: Sequence[bytes] = ()
    flagged: bool | None = None
    minted: Span = (None, None)
    ended: Mapping[DataClass, datetime] = field(default_factory=dict)

    def of(self, c: Columns) -> list[ColumnElement[bool]]:
        """SQL: the conditions on the columns of a table of records."""
        where: list[ColumnElement[bool]] = []
        if self.data_class is not None:
            where.append(c.data_class == self.data_class.value)
        if self.subjects:
            where.append(c.subject.in_(self.subjects))
        if self.groups:
            where.append(c.grp.in_(self.groups))
        if self.flagged is not None:
            where.append((c.sealed_flags.is_not if self.flagged else c.sealed_flags.is_)(None))
        first, last = self.minted
        if first is not None:
            where.append(c.minted >= first)
        if last is not None:
            where.append(c.minted < last)
        return [*where, *not_ended(c, self.ended)]


def not_ended(c: Columns, ended: Mapping[DataClass, datetime]) -> list[ColumnElement[bool]]:
    """SQL: the conditions that reading has not ended by the retention of today, by class."""
    return [
        or_(c.data_class != data_class.value, and_(c.minted >= before, _came_in(c, before)))
        for data_class, before in sorted(ended.items())
    ]


def not_over(c: Columns, now: datetime) -> ColumnElement[bool]:
    """SQL: that reading has not ended at the moment that its writer named."""
    return or_(c.readable_until.is_(None), c.readable_until > now)


def _came_in(c: Columns, since: datetime) -> ColumnElement[bool]:
    """SQL: that data from before Domicile came in at that moment or later, by its origin date."""
    first = (since - timedelta(microseconds=1)).date() + timedelta(days=1)
    return or_(c.origin_date.is_(None), c.origin_date >= first)


def page(
    connection: Connection,
    tenant: str,
    narrow: Narrow,
    *,
    after: RecordId | None,
    now: datetime,
    limit: int,
    newest: bool = False,
) -> list[Row]:
    """Return readable records of a tenant in order of minting, after one of them.

    ``newest``: those that were minted last come first.

    A page of a subject or of a group reads as many rows as it has, for each version of the
    pseudonym, however many these have. Until the transaction ends, the planner avoids sorts.
    """
    found: list[Row] = []
    # one query for each version of a pseudonym: only of one name is an index in order of minting
    each = (
        [replace(narrow, subjects=(one,)) for one in narrow.subjects]
        or [replace(narrow, groups=(one,)) for one in narrow.groups]
        or [narrow]
    )
    if narrow.subjects or narrow.groups:
        connection.execute(_IN_ORDER)
    for table, some in product((t.record, t.file), each):
        query = _page(table, tenant, some, after=after, now=now, newest=newest).limit(limit)
        found += [row_of(row) for row in connection.execute(query)]
    found.sort(key=lambda row: (row.id.minted, row.id.unique), reverse=newest)
    return found[:limit]


def count(connection: Connection, tenant: str, narrow: Narrow, *, now: datetime, most: int) -> int:
    """Return how many readable records a tenant has; ``most`` if there are more."""
    found = 0
    for table in (t.record, t.file):
        some = _readable(table, tenant, narrow, now=now).limit(most - found).subquery()
        found += connection.scalar(select(func.count()).select_from(some)) or 0
    return found


def _page(
    table: Table,
    tenant: str,
    narrow: Narrow,
    *,
    after: RecordId | None,
    now: datetime,
    newest: bool,
) -> Select[Any]:
    c = table.c
    query = _readable(table, tenant, narrow, now=now)
    order = tuple_(c.minted, c.uid)
    if after is not None:
        last = tuple_(literal(after.minted), literal(after.unique))
        query = query.where(order < last if newest else order > last)
    return query.order_by(*((c.minted.desc(), c.uid.desc()) if newest else (c.minted, c.uid)))


def _readable(table: Table, tenant: str, narrow: Narrow, *, now: datetime) -> Select[Any]:
    c = table.c
    where = [c.tenant == tenant, ~fenced(table), *narrow.of(c), not_over(c, now)]
    if table is t.record:
        where.append(c.expiry_day > now.date())
    return select(table).where(*where)


def row_of(found: SqlRow[Any]) -> Row:
    """Convert a whole row of ``record``, ``file`` or ``held``."""
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
        x["sealed_flags"],
        x["origin_date"],
        x["origin_source"],
        x["metadata_version"],
        x["readable_until"],
    )


def values_of(row: Row) -> dict[str, object]:
    """Return the columns of a row."""
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
        "sealed_flags": row.sealed_flags,
        "origin_date": row.origin_date,
        "origin_source": row.origin_source,
        "metadata_version": row.metadata_version,
        "readable_until": row.readable_until,
    }

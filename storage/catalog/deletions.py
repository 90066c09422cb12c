"""Rows that are deleted: what an erasure covers, and what a released hold no longer keeps."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Date,
    LargeBinary,
    Table,
    and_,
    exists,
    func,
    literal,
    or_,
    select,
    tuple_,
)

from storage.catalog import hold_predicate
from storage.catalog import tables as t
from storage.catalog.erasures import Left, OpenErasure
from storage.catalog.holds import COUNTED, Passed
from storage.catalog.records import Columns, requested
from storage.model import DataClass, ScopeKind
from storage.policy import may_destroy

_WITHOUT_EVENTS = (t.processor_copy, t.training_use)

PAGE = 1000
"""Rows that are asked about at once."""


def tables_of(erasure: OpenErasure) -> tuple[Table, ...]:
    """Return the tables in which an erasure finds rows, in the order in which it looks.

    Of a class that ended early, what is in ``held`` is past the day of its id too: it goes when its
    hold is released.
    """
    some = (t.record, t.file)
    return some if erasure.scope is ScopeKind.CLASS else (*some, t.held)


def in_erasure(table: Table, erasure: OpenErasure) -> ColumnElement[bool]:
    """SQL: whether an erasure covers the row, without regard to holds."""
    c = table.c
    found = and_(c.tenant == erasure.tenant, c.origin <= erasure.cutoff, _in_scope(c, erasure))
    if erasure.spared_from is None or table in _WITHOUT_EVENTS:
        return found
    return and_(found, ~_spared(c, erasure.spared_from))


def left(connection: Connection, erasure: OpenErasure) -> Left:
    """Return how many events an erasure leaves, because their floor is not over, up to a limit.

    And the last of their expiry days; None: they have none, or nothing is left.
    """
    if erasure.spared_from is None:
        return 0, None
    whole, count, until = replace(erasure, spared_from=None), 0, None
    for table in tables_of(erasure):
        c = table.c
        day = literal(None, Date) if table is t.file else c.expiry_day
        spared = and_(in_erasure(table, whole), _spared(c, erasure.spared_from))
        some = select(day.label("day")).where(spared).limit(COUNTED).subquery()
        found = connection.execute(select(func.count(), func.max(some.c.day))).one()
        count += found[0]
        until = max((d for d in (until, found[1]) if d is not None), default=None)
    return count, until


def _spared(c: Columns, since: datetime) -> ColumnElement[bool]:
    """SQL: whether it is an event whose floor is not over."""
    return and_(c.data_class == DataClass.EVENT.value, c.minted > since)


def delete_scope(
    connection: Connection, table: Table, erasure: OpenErasure, *, now: datetime, limit: int
) -> list[tuple[UUID, UUID]]:
    """Delete a batch of rows that an erasure covers and no hold; return object and key of each.

    Which of the rows are held is asked page by page, because a hold may keep any number of them. A
    row that a compaction relocates at the same time is waited for, and deleted afterwards. The
    caller shares the lock of the holds.
    """
    covered = in_erasure(table, erasure)
    deleted: list[tuple[UUID, UUID]] = []
    with pages(connection, table, covered) as found:
        for page in found:
            some = and_(covered, in_page(table, page))
            left = limit - len(deleted)
            deleted += _delete_page(connection, table, erasure.tenant, some, now=now, limit=left)
            if len(deleted) >= limit:
                break
    return deleted


Page = Sequence[tuple[date | None, bytes]]
"""Expiry day and unique part of some rows of a table."""


@contextmanager
def pages(
    connection: Connection, table: Table, where: ColumnElement[bool]
) -> Iterator[Iterator[Page]]:
    """Return the names of the rows that meet a condition, some at a time, from one cursor.

    Not by their order: no index gives the rows of a large group in one.
    """
    day = literal(None, Date) if table is t.file else table.c.expiry_day
    query = select(day, table.c.uid).where(where)
    with connection.execute(query, execution_options={"yield_per": PAGE}) as rows:
        yield ([(row[0], row[1]) for row in page] for page in rows.partitions())


def in_page(table: Table, page: Page) -> ColumnElement[bool]:
    """SQL: whether a row is one of a page. Beside the condition of the page: see ``pages``."""
    named = table.c.uid.in_([uid for _, uid in page])
    if table is t.file:
        return named
    return and_(table.c.expiry_day.in_({day for day, _ in page}), named)


def _delete_page(
    connection: Connection,
    table: Table,
    tenant: str,
    some: ColumnElement[bool],
    *,
    now: datetime,
    limit: int,
) -> list[tuple[UUID, UUID]]:
    c = table.c
    day = literal(None, Date) if table is t.file else c.expiry_day
    held = hold_predicate.held(table)
    found: dict[date | None, list[bytes]] = {}
    for row in connection.execute(
        select(day, c.uid, held.label("held")).where(some, ~held).limit(limit).with_for_update()
    ):
        may_destroy(what="record", state="erased", held=row.held, now=now).demand()
        found.setdefault(row[0], []).append(row[1])
    deleted: list[tuple[UUID, UUID]] = []
    for one_day, uids in sorted(found.items(), key=str):
        # by day and name: a join with the rows that were found may scan every partition
        where = [c.tenant == tenant, c.uid.in_(uids)]
        if one_day is not None:
            where.append(c.expiry_day == one_day)
        rows = connection.execute(table.delete().where(*where).returning(c.object_id, c.key_id))
        deleted += [(x[0], x[1]) for x in rows]
    return deleted


@dataclass(frozen=True, slots=True)
class Released:
    """A batch of ``held`` that was looked through.

    ``gone``: object and key of each row that was deleted. ``last``: the last row that was looked
    at; None: there are no more.
    """

    gone: list[tuple[UUID, UUID]]
    last: Passed | None


def delete_released(
    connection: Connection, tenant: str | None, after: Passed | None, now: datetime, limit: int
) -> Released:
    """Look through a batch of ``held`` after a row, and delete the rows that no hold covers.

    ``tenant``: only rows of that tenant. Rows that an erasure covers are left to it, because it
    must know where their bytes are. The caller shares the lock of the holds.
    """
    c = t.held.c
    place = (c.tenant, c.minted, c.uid, c.expiry_day)
    some = select(*place).order_by(*place).limit(limit)
    if tenant is not None:
        some = some.where(c.tenant == tenant)
    if after is not None:
        given = zip(after, place, strict=True)
        some = some.where(tuple_(*place) > tuple_(*(literal(x, c.type) for x, c in given)))
    seen = [tuple(row) for row in connection.execute(some)]
    names = [(row[3], row[0], row[2]) for row in seen]
    key, held = tuple_(c.expiry_day, c.tenant, c.uid), hold_predicate.held(t.held)
    found = []
    for row in connection.execute(
        select(c.expiry_day, c.tenant, c.uid, held.label("held"))
        .where(key.in_(names), ~held, ~requested(t.held))
        .with_for_update()
    ):
        may_destroy(what="record", state="released", held=row.held, now=now).demand()
        found.append((row.expiry_day, row.tenant, row.uid))
    rows = connection.execute(
        t.held.delete().where(key.in_(found)).returning(c.object_id, c.key_id)
    )
    last = seen[-1] if len(seen) == limit else None
    return Released([(x[0], x[1]) for x in rows], last)


def _in_scope(c: Columns, erasure: OpenErasure) -> ColumnElement[bool]:
    match_values = erasure.match_values
    match erasure.scope:
        case ScopeKind.CLASS:
            return and_(
                c.data_class.in_([value.decode() for value in match_values]), _ended(c, erasure)
            )
        case ScopeKind.SUBJECT:
            return c.subject.in_(match_values)
        case ScopeKind.GROUP:
            return c.grp.in_(match_values)
        case ScopeKind.RECORD:
            derived = c.ancestors.op("&&")(literal(list(match_values), ARRAY(LargeBinary)))
            return or_(c.uid.in_(match_values), and_(c.ancestors.is_not(None), derived))
        case _:
            return literal(True)


def _ended(c: Columns, erasure: OpenErasure) -> ColumnElement[bool]:
    """SQL: whether it was minted by the cutoff. A copy has the minting of its record alone."""
    if "minted" in c:
        return c.minted <= erasure.cutoff
    r, f = t.record.c, t.file.c
    of_record = exists().where(
        r.expiry_day == c.expiry_day,
        r.tenant == c.tenant,
        r.uid == c.uid,
        r.minted <= erasure.cutoff,
    )
    of_file = exists().where(f.tenant == c.tenant, f.uid == c.uid, f.minted <= erasure.cutoff)
    return or_(of_record, and_(c.expiry_day.is_(None), of_file))

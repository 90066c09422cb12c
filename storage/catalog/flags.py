"""Flags, in the rows of the records that they are about: they go with their row."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    LargeBinary,
    Table,
    func,
    literal,
    select,
    update,
)

from storage.catalog import days
from storage.catalog.records import fenced, not_ended, not_over, table_of
from storage.model import DataClass, RecordId


def lock(
    connection: Connection,
    tenant: str,
    ids: Iterable[RecordId],
    now: datetime,
    ended: Mapping[DataClass, datetime],
) -> dict[bytes, bytes | None]:
    """Lock those of the records that may be read; return their sealed flags by unique part.

    The caller shares the tenant's lock: until the transaction ends, none of them is erased, and
    none expires. ``ended``: of a class, those minted earlier are over.
    """
    found: dict[bytes, bytes | None] = {}
    for day, uids in _by_day(ids).items():
        if day is not None and (now.date() >= day or not days.is_open(connection, day)):
            continue
        table = table_of(day)
        c = table.c
        query = select(c.uid, c.sealed_flags).where(*_named(table, tenant, day), ~fenced(table))
        query = query.where(*not_ended(c, ended), not_over(c, now))
        rows = connection.execute(query.where(c.uid.in_(uids)).order_by(c.uid).with_for_update())
        found |= {row.uid: row.sealed_flags for row in rows}
    return found


def write(connection: Connection, tenant: str, sealed: Mapping[RecordId, bytes]) -> None:
    """Replace the flags of records that are locked."""
    flags = {record_id.unique: data for record_id, data in sealed.items()}
    for day, uids in _by_day(sealed).items():
        table = table_of(day)
        arrays = (
            literal(some, ARRAY(LargeBinary)) for some in (uids, [flags[uid] for uid in uids])
        )
        g = func.unnest(*arrays).table_valued("uid", "flags").render_derived(name="given").c
        where = [*_named(table, tenant, day), table.c.uid == g.uid]
        connection.execute(update(table).where(*where).values(sealed_flags=g.flags))


def _by_day(ids: Iterable[RecordId]) -> dict[date | None, Sequence[bytes]]:
    found: dict[date | None, list[bytes]] = {}
    for record_id in ids:
        found.setdefault(record_id.day, []).append(record_id.unique)
    return dict(sorted(found.items(), key=lambda item: item[0] or date.max))


def _named(table: Table, tenant: str, day: date | None) -> list[ColumnElement[bool]]:
    where = [table.c.tenant == tenant]
    return where if day is None else [*where, table.c.expiry_day == day]

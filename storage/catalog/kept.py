"""Records as a key service sees them: which key wraps theirs, and what keeps them shut."""

from datetime import date
from typing import Any
from uuid import UUID

import sqlalchemy
from sqlalchemy import ColumnElement, Connection, Row, Table, column, literal, null, select

from storage.catalog import hold_predicate
from storage.catalog import tables as t
from storage.catalog.records import fenced, table_of
from storage.model import Agreement, DataClass, RecordId, TenantSpec, Trait
from storage.policy import KeptRecord

_AGREEMENT = sqlalchemy.table("agreement", *map(column, ("tenant", "kind", "signed", "until")))
"""A view: those that nothing supersedes. ``signed``: since when each is in force."""


def find(
    connection: Connection, tenant: str, record_id: RecordId, hold: UUID | None = None
) -> KeptRecord | None:
    """Return a record of exactly that tenant, class and day.

    ``hold``: whether it covers the record, and is in force.
    """
    for table in (table_of(record_id.day), t.held):
        row = _row(connection, table, tenant, record_id, hold)
        if row is not None:
            return _kept(row, record_id.day, held=table is t.held)
    return None


def tenant(connection: Connection, tenant_id: str) -> TenantSpec | None:
    """Return a tenant's terms, as far as a key service may know them: not who signed for it.

    None: this region is not its home.
    """
    h = t.tenant.c
    query = select(h.account, h.home, h.residency, h.traits, h.retention).where(h.id == tenant_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    a = _AGREEMENT.c
    signed = connection.execute(select(a.kind, a.signed, a.until).where(a.tenant == tenant_id))
    return TenantSpec(
        tenant_id,
        row.account,
        row.home,
        row.residency,
        agreements=tuple(Agreement(one.kind, one.signed, one.until) for one in signed),
        retention={DataClass(name): days for name, days in row.retention.items()},
        traits=frozenset(map(Trait, row.traits)),
    )


def _row(
    connection: Connection, table: Table, tenant: str, record_id: RecordId, hold: UUID | None
) -> Row[Any] | None:
    c = table.c
    covered: ColumnElement[bool] = literal(value=False)
    if hold is not None:
        h = t.hold.c
        covered = hold_predicate.held(table, h.id == hold)
    query = select(
        c.tenant,
        c.uid,
        c.subject,
        c.grp,
        c.key_id,
        c.wrapped_key,
        c.minted,
        c.origin_date,
        c.readable_until,
        (fenced(table) if table is not t.held else null()).label("fenced"),
        covered.label("covered"),
        c.sealed_flags.is_not(None).label("flagged"),
    ).where(
        c.tenant == tenant,
        c.uid == record_id.unique,
        c.data_class == record_id.data_class.value,
    )
    if "expiry_day" in c:
        query = query.where(c.expiry_day == record_id.day)
    return connection.execute(query).one_or_none()


def _kept(row: Row[Any], day: date | None, *, held: bool) -> KeptRecord:
    return KeptRecord(
        row.tenant,
        row.uid,
        row.subject,
        row.grp,
        day,
        row.minted,
        fenced=bool(row.fenced),
        held=held,
        covered=bool(row.covered),
        key_id=row.key_id,
        wrapped_key=row.wrapped_key,
        flagged=bool(row.flagged),
        origin=row.origin_date,
        until=row.readable_until,
    )

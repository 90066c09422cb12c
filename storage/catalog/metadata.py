"""The metadata of a record, which its tenant may replace."""

from sqlalchemy import ColumnElement, Connection, select, update

from storage.catalog import records
from storage.catalog.records import Found, table_of
from storage.model import RecordId


def lock(connection: Connection, tenant: str, record_id: RecordId) -> tuple[Found, bool] | None:
    """Lock a record; return it, and whether a hold covers it.

    The caller shares the tenant's lock: until the transaction ends it is not erased.
    """
    table = table_of(record_id.day)
    query = select(table.c.uid).where(*_named(tenant, record_id)).with_for_update()
    if connection.execute(query).one_or_none() is None:
        return None
    return records.find_with_holds(connection, tenant, record_id)


def replace(
    connection: Connection, tenant: str, record_id: RecordId, sealed: bytes, version: int
) -> None:
    """Replace the metadata of a record that is locked."""
    table = table_of(record_id.day)
    values = {"sealed_metadata": sealed, "metadata_version": version}
    connection.execute(update(table).where(*_named(tenant, record_id)).values(values))


def _named(tenant: str, record_id: RecordId) -> list[ColumnElement[bool]]:
    c = table_of(record_id.day).c
    where = [c.tenant == tenant, c.uid == record_id.unique]
    return where if record_id.day is None else [*where, c.expiry_day == record_id.day]

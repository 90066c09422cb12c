"""What reading a record needs of the catalog, in one request.

A function of the catalog looks for it, since PostgreSQL takes four times as long to plan the
queries as to run them; and the driver asks, since SQLAlchemy takes longer than PostgreSQL then.
"""

from dataclasses import replace
from datetime import UTC
from typing import Any

from sqlalchemy import Connection

from storage.catalog.connections import fetched
from storage.catalog.objects import Replica
from storage.catalog.records import Found, Row
from storage.model import DataClass, RecordId, ReplicaState

_FIND = "SELECT * FROM readable_row(%s, %s, %s)"


def find(
    connection: Connection, tenant: str, record_id: RecordId
) -> tuple[Found, list[Replica]] | None:
    """Return a record with the stored replicas of its pack, all as of one moment.

    An id of another class finds nothing.
    """
    rows = fetched(connection, _FIND, (tenant, record_id.unique, record_id.day))
    # what is no class raises: it is not absent
    if not rows or DataClass(rows[0][0]) is not record_id.data_class:
        return None
    *columns, ids, backends, keys, land_bys, attempts = rows[0]
    found = _found(tenant, record_id, columns)
    pack, stored = found.row.object_id, ReplicaState.STORED
    each = zip(ids or (), backends or (), keys or (), land_bys or (), attempts or (), strict=True)
    return found, [
        Replica(x[0], pack, x[1], x[2], stored, x[3].astimezone(UTC), x[4]) for x in each
    ]


def _found(tenant: str, asked: RecordId, columns: list[Any]) -> Found:
    _, born, minted, origin, written, subject, group, ancestors, *rest, fenced, own = columns
    row = Row(
        RecordId(asked.data_class, born, minted.astimezone(UTC), asked.day, asked.unique),
        tenant,
        origin.astimezone(UTC),
        written.astimezone(UTC),
        subject,
        group,
        tuple(ancestors or ()),
        *rest,
    )
    if row.readable_until is not None:
        row = replace(row, readable_until=row.readable_until.astimezone(UTC))
    return Found(row, fenced, {DataClass(name): n for name, n in (own or {}).items()})

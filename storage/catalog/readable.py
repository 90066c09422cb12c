"""What reading a record needs of the catalog, in one statement."""

from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, Table, bindparam, select

from storage.catalog import records
from storage.catalog import tables as t
from storage.catalog.objects import Replica
from storage.catalog.records import Found
from storage.model import RecordId, ReplicaState

r = t.replica.c


def find(
    connection: Connection, tenant: str, record_id: RecordId
) -> tuple[Found, list[Replica]] | None:
    """Return a record with the stored replicas of its pack, all as of one moment.

    An id of another class finds nothing.
    """
    table = records.table_of(record_id.day)
    given = {"tenant": tenant, "uid": record_id.unique, "day": record_id.day}
    rows = connection.execute(_find(table), given).all()
    if not rows:
        return None
    found = records.found_of(rows[0], table)
    if found.row.id.data_class is not record_id.data_class:
        return None
    pack, stored = found.row.object_id, ReplicaState.STORED
    replicas = [
        Replica(x.replica_id, pack, x.backend, x.replica_key, stored, x.land_by, x.attempts)
        for x in rows
        if x.replica_id is not None
    ]
    return found, replicas


@cache
def _find(table: Table) -> Select[Any]:
    c = table.c
    where = [c.tenant == bindparam("tenant"), c.uid == bindparam("uid")]
    if table is t.record:
        where.append(c.expiry_day == bindparam("day"))
    # the limit keeps the planner from asking for fences once for each replica
    one = records.with_fences(table).where(*where).limit(1).subquery("one")
    replicas = t.replica.select().where(r.state == ReplicaState.STORED.value).subquery("replicas")
    return select(
        one,
        replicas.c.id.label("replica_id"),
        replicas.c.backend,
        replicas.c.key.label("replica_key"),
        replicas.c.land_by,
        replicas.c.attempts,
    ).select_from(one.outerjoin(replicas, replicas.c.object_id == one.c.object_id))

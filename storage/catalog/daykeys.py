"""The key object that wraps the record keys of a day and shard. The keys are on the backends."""

from datetime import date
from uuid import UUID

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.postgresql import insert

from storage.catalog import tables as t

k = t.day_key.c


def ready(connection: Connection, day: date, shard: int, tenant: str) -> UUID | None:
    """Return the day key to use, if there is one."""
    return connection.scalar(
        select(k.object_id).where(k.day == day, k.shard == shard, k.tenant == tenant, k.ready)
    )


def announce(connection: Connection, object_id: UUID, day: date, shard: int, tenant: str) -> None:
    """Insert a key that is about to be written."""
    connection.execute(
        insert(t.day_key).values(
            object_id=object_id, day=day, shard=shard, tenant=tenant, ready=False
        )
    )


def claim(connection: Connection, object_id: UUID, day: date, shard: int, tenant: str) -> UUID:
    """Make a written key the one to use, unless another was first. Return the one to use."""
    slot = f"day key {day} {shard} {tenant}"
    connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(slot, 0))))
    first = ready(connection, day, shard, tenant)
    if first is None:
        connection.execute(update(t.day_key).where(k.object_id == object_id).values(ready=True))
        return object_id
    return first

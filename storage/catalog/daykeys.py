"""The key object that wraps the record keys of a day and shard. The keys are on the backends."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import ARRAY, Connection, Text, any_, func, literal, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from storage.catalog import tables as t

k = t.day_key.c

Slot = tuple[date, int, str]
"""Day, shard and tenant. Tenant: empty unless the key is its own."""


def ready(connection: Connection, slots: Collection[Slot]) -> dict[Slot, UUID]:
    """Return the day keys to use, of the slots that have one."""
    rows = connection.execute(
        select(k.day, k.shard, k.tenant, k.object_id).where(
            tuple_(k.day, k.shard, k.tenant).in_(sorted(slots)), k.ready
        )
    )
    return {(row.day, row.shard, row.tenant): row.object_id for row in rows}


def announce(connection: Connection, given: Sequence[tuple[UUID, Slot]]) -> None:
    """Insert keys that are about to be written."""
    rows = [
        {"object_id": object_id, "day": day, "shard": shard, "tenant": tenant, "ready": False}
        for object_id, (day, shard, tenant) in given
    ]
    if rows:
        connection.execute(insert(t.day_key), rows)


def claim(connection: Connection, given: Mapping[UUID, Slot]) -> dict[UUID, UUID]:
    """Make written keys the ones to use, unless another was first. Return the ones to use."""
    names = sorted(f"day key {day} {shard} {tenant}" for day, shard, tenant in given.values())
    name = func.unnest(literal(names, ARRAY(Text))).column_valued("name")
    connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))
    first = ready(connection, given.values())
    mine = [object_id for object_id, slot in given.items() if slot not in first]
    if mine:
        used = k.object_id == any_(literal(mine, ARRAY(k.object_id.type)))
        connection.execute(update(t.day_key).where(used).values(ready=True))
    return {object_id: first.get(slot, object_id) for object_id, slot in given.items()}

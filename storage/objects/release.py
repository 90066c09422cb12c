"""Release objects and keys whose rows were deleted: purge them, or schedule a compaction."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import Connection, Table

from storage.catalog import objects, records
from storage.catalog import tables as t
from storage.policy import plan_erasure
from storage.region import OpenRegion


def release_objects(
    region: OpenRegion, connection: Connection, table: Table, deleted: Sequence[tuple[UUID, UUID]]
) -> list[UUID]:
    """Mark objects and keys for purge that no row needs, and compact the others in the window.

    ``deleted``: the object and the key object of each deleted row. Returns all objects that hold
    bytes or keys of these rows.
    """
    touched = sorted({object_id for object_id, _ in deleted})
    keys = [] if table is t.record else sorted({key_id for _, key_id in deleted})
    locked = objects.lock(connection, [*touched, *keys])
    used = records.keys_in_use(connection, table, keys)
    unneeded = [key for key in keys if key not in used]
    affected = [*touched, *unneeded]
    for day in {locked[object_id].day for object_id in touched}:
        some = [object_id for object_id in touched if locked[object_id].day == day]
        unneeded += _emptied(region, connection, table, day, some)
    objects.mark_for_purge(connection, unneeded, region.clock.now())
    return affected


def _emptied(
    region: OpenRegion,
    connection: Connection,
    table: Table,
    day: date | None,
    some: Sequence[UUID],
) -> list[UUID]:
    """Return the objects without a live record. Schedule a compaction of the others."""
    now, bounds = region.clock.now(), region.topology.bounds
    live = records.live(connection, table, day, some)
    empty = []
    for object_id in some:
        verdict = plan_erasure(live=live.get(object_id, 0), expiry_day=day, now=now, bounds=bounds)
        if verdict.action == "purge":
            empty.append(object_id)
        elif verdict.action == "compact":
            objects.compact_by(connection, object_id, verdict.at)
    return empty

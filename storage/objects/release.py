"""What becomes of objects and keys when rows that need them are deleted."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import Connection, Table

from storage.catalog import objects, records
from storage.catalog import tables as t
from storage.policy import plan_erasure
from storage.region import OpenRegion


def release_objects(
    region: OpenRegion, connection: Connection, table: Table, gone: Sequence[tuple[UUID, UUID]]
) -> list[UUID]:
    """Give up what nothing needs any more; what some still need is compacted within the window.

    ``gone``: object and key object of each row that was deleted. Gives all that hold their bytes.
    """
    touched = sorted({object_id for object_id, _ in gone})
    keys = [] if table is t.record else sorted({key_id for _, key_id in gone})
    locked = objects.lock(connection, [*touched, *keys])
    used = records.keys_in_use(connection, table, keys)
    doomed = [key for key in keys if key not in used]
    held_bytes = [*touched, *doomed]
    for day in {locked[object_id].day for object_id in touched}:
        some = [object_id for object_id in touched if locked[object_id].day == day]
        doomed += _emptied(region, connection, table, day, some)
    objects.mark_for_purge(connection, doomed, region.clock.now())
    return held_bytes


def _emptied(
    region: OpenRegion,
    connection: Connection,
    table: Table,
    day: date | None,
    some: Sequence[UUID],
) -> list[UUID]:
    """Those of the objects in which nothing is alive; the others are put down for compaction."""
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

"""Reattach records that were relocated after the backup from which a catalog was restored.

The catalog points to where they were before. The objects to which they were relocated list them in
a manifest. Nothing is destroyed here.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Connection

from storage.catalog import finishing, objects, records, relocation
from storage.catalog import tables as t
from storage.catalog.kinds import ObjectKind, ObjectState
from storage.catalog.objects import NewObject
from storage.errors import BackendError
from storage.objects.keyring import opens
from storage.objects.places import meant_for
from storage.packs.manifest import Manifest, Whole, read_manifest
from storage.recovery.reconcile import Difference
from storage.region import OpenRegion

_BATCH = 1000


@dataclass(slots=True)
class Found:
    """The number of reattached ``records``, and the ``objects`` that hold them and their keys.

    ``unwanted``: objects whose manifest lists no record that is needed.
    """

    records: int = 0
    objects: set[UUID] = field(default_factory=set)
    unwanted: set[UUID] = field(default_factory=set)


def reattach(region: OpenRegion, connection: Connection, partition: Sequence[Difference]) -> Found:
    """Reattach records of one kind and expiry day to objects that the catalog lacks. Repeatable.

    Compacted packs are read only if an object of their day is absent: records that were written
    after the backup have no row. Objects of held records are always read.
    """
    absent = {d.name.object_id for d in partition if d.absent}
    found = Found()
    for difference in partition:
        name, unknown = difference.name, difference.state is None or difference.unfinished
        moved = name.kind is ObjectKind.PACK and name.day is not None and absent
        if unknown and difference.listed and (moved or name.kind is ObjectKind.HELD):
            _reattach(region, connection, difference, absent, found)
    if found.records:
        _compact_empty(region, connection, partition[0].name.day, absent)
    return found


def _reattach(
    region: OpenRegion,
    connection: Connection,
    difference: Difference,
    absent: set[UUID],
    found: Found,
) -> None:
    name = difference.name
    whole = read_manifest(region, name.object_id, difference.listed, difference.size)
    if whole is None:
        return
    keys = {row.key_id for row in whole.manifest.rows}
    if not all(_reattach_key(region, connection, key, whole.manifest) for key in keys):
        return
    claimed = _claim(connection, name.object_id, name.day, whole.manifest, absent)
    if not claimed:
        found.unwanted.add(name.object_id)
        return
    known = len(whole.manifest.rows) + len(whole.manifest.moved)
    _store(region, connection, difference, whole, all_of_it=claimed == known)
    found.records += claimed
    found.objects |= {name.object_id, *keys}


def _claim(
    connection: Connection,
    object_id: UUID,
    day: date | None,
    manifest: Manifest,
    absent: Collection[UUID],
) -> int:
    """Point rows to the object; return how many."""
    claimed = 0
    for start in range(0, len(manifest.rows), _BATCH):
        rows = relocation.covered_by_holds(connection, manifest.rows[start : start + _BATCH])
        claimed += relocation.restore_held_rows(connection, rows, absent) if rows else 0
    if day is not None and manifest.moved:
        claimed += relocation.restore_relocated_rows(
            connection, day, object_id, manifest.moved, absent
        )
    return claimed


def _store(
    region: OpenRegion,
    connection: Connection,
    difference: Difference,
    whole: Whole,
    *,
    all_of_it: bool,
) -> None:
    """Insert the object. Bytes in it that no row needs are removed by a compaction at once.

    Erasures wait for that compaction, as for all objects that a hold released. The object starts a
    family of its own: its contents are known record by record.
    """
    name, now, rows = difference.name, region.clock.now(), whole.manifest.rows
    owners = {r.tenant for r in rows} | {r.tenant for r in whole.manifest.moved}
    tenant = owners.pop() if len(owners) == 1 else None
    backends = _backends(region, tenant)
    new = NewObject(name.object_id, name.kind, name.day, tenant, backends, now, now)
    at, compact_at = difference.listed, None if all_of_it else now
    _know(connection, new, at, (whole.size, whole.digest), compact_at)


def _know(
    connection: Connection,
    new: NewObject,
    at: Mapping[str, str],
    what: tuple[int, bytes],
    compact_at: datetime | None = None,
) -> None:
    """``what``: its size and digest. The replicate worker adds the missing replicas."""
    objects.adopt(connection, new, at, new.announced)
    finishing.finish(connection, new.id, *what, replicate_at=new.announced, compact_at=compact_at)


def _reattach_key(
    region: OpenRegion, connection: Connection, key_id: UUID, manifest: Manifest
) -> bool:
    """Return whether the key that wraps the record keys is stored, after adopting it if needed."""
    stored = objects.find_object(connection, key_id)
    if stored is not None and stored.state is not ObjectState.WRITING:
        return stored.state is ObjectState.STORED
    at, sealed = _key_at(region, key_id)
    if sealed is None:
        return False
    now, tenant = region.clock.now(), manifest.rows[0].tenant
    backends = _backends(region, tenant)
    new = NewObject(key_id, ObjectKind.HOLD_KEY, None, tenant, backends, now, now)
    _know(connection, new, at, (len(sealed), hashlib.sha256(sealed).digest()))
    return True


def _key_at(region: OpenRegion, key_id: UUID) -> tuple[dict[str, str], bytes | None]:
    """Return where backends have a hold key, and its sealed bytes."""
    at: dict[str, str] = {}
    found = None
    for name, backend in region.backends.items():
        try:
            for trace in backend.scan(f"{ObjectKind.HOLD_KEY}/kept/{key_id.hex}-"):
                sealed = backend.get(trace.key)
                if opens(region, key_id, sealed):
                    at[trace.key], found = name, sealed
        except BackendError:
            continue
    return at, found


def _backends(region: OpenRegion, tenant: str | None) -> tuple[str, ...]:
    return meant_for(region, tenant, region.lawful())[: region.region.replicas]


def _compact_empty(
    region: OpenRegion, connection: Connection, day: date | None, absent: set[UUID]
) -> None:
    """Compact the absent objects of which every record was reattached."""
    table = t.held if day is None else t.record
    live = records.live(connection, table, day, list(absent))
    for object_id in absent - live.keys():
        objects.schedule(connection, object_id, "compact_at", region.clock.now())

"""Compaction: copy the live records of a pack, still sealed, into a new one, and purge the old one.

The switch is one transaction that moves the rows and locks the source. If an erasure deleted a row
meanwhile, fewer rows move than were copied, and the new pack is abandoned: it holds erased bytes.
Both packs are of one family, so an erasure waits for each pack that holds its bytes.
"""

import hashlib
from dataclasses import dataclass, replace
from itertools import accumulate
from uuid import UUID

from sqlalchemy import Connection

from storage.catalog import objects, relocation
from storage.catalog.kinds import ObjectKind, ObjectState
from storage.catalog.objects import StoredObject
from storage.catalog.records import Row
from storage.catalog.relocation import RelocatedRecord
from storage.errors import BackendError
from storage.model import ReplicaState
from storage.objects import write
from storage.objects.places import fit
from storage.objects.transfer import Sent
from storage.objects.write import Contents, Write
from storage.packs.manifest import Manifest, ending
from storage.region import OpenRegion


@dataclass(frozen=True, slots=True)
class _Plan:
    source: StoredObject
    rows: list[Row]
    target: Write

    @property
    def starts(self) -> dict[int, int]:
        """The new offset of each body, by its old offset."""
        ends = accumulate((row.length for row in self.rows), initial=0)
        return {row.start: end for row, end in zip(self.rows, ends, strict=False)}


def compact_pack(region: OpenRegion, object_id: UUID) -> bool:
    """Rewrite one pack to the backends that are open now.

    False: try again later, because no replica can be read or too few backends are left.
    """
    opened = region.open_backends()
    plan = region.catalog.run(lambda connection: _begin(region, connection, object_id, opened))
    if not isinstance(plan, _Plan):
        return plan
    data = read_whole(region, plan.source)
    if data is None:
        plan.target.abandon()
        return False
    live = _live_part(region, plan, data)
    sent = plan.target.send(live, urgent=True)
    if len(sent.good) < region.region.required:
        plan.target.abandon()
        return False
    return region.catalog.run(lambda connection: _switch(region, connection, plan, sent, live))


def read_whole(region: OpenRegion, source: StoredObject) -> bytes | None:
    """Read an object from the first replica that returns it as it was written."""
    with region.catalog.begin() as connection:
        stored = objects.replicas_of(connection, [source.id], [ReplicaState.STORED])
    for replica in stored.get(source.id, []):
        try:
            data = region.readable(replica.backend).get(replica.key)
        except BackendError:
            continue
        if hashlib.sha256(data).digest() == source.digest:
            return data
    return None


def _live_part(region: OpenRegion, plan: _Plan, data: bytes) -> bytes:
    """Return the live bodies of a pack, and the manifest that lists them."""
    bodies = b"".join(data[row.start : row.start + row.length] for row in plan.rows)
    starts, digest, target = plan.starts, hashlib.sha256(bodies).digest(), plan.target.id
    if plan.source.kind is ObjectKind.HELD:
        rows = [replace(r, object_id=target, start=starts[r.start]) for r in plan.rows]
        manifest = Manifest(bodies=digest, rows=tuple(rows))
    else:
        moved = (
            RelocatedRecord(r.tenant, r.id.unique, starts[r.start], r.length) for r in plan.rows
        )
        manifest = Manifest(bodies=digest, moved=tuple(moved))
    return bodies + ending(region, target, manifest)


def _begin(
    region: OpenRegion, connection: Connection, object_id: UUID, opened: tuple[str, ...]
) -> _Plan | bool:
    """Announce the new pack, or return whether there is nothing to do."""
    source = objects.find_object(connection, object_id, lock=True)
    if source is None or source.state is not ObjectState.STORED or _is_file(source):
        return True
    rows = relocation.rows_in_object(
        connection, source.kind.rows(source.day), source.day, source.id
    )
    if not rows:
        objects.mark_for_purge(connection, [source.id], region.clock.now())
        return True
    backends = fit(region, connection, source, opened)[: region.region.replicas]
    if len(backends) < region.region.required:
        return False
    target = write.announce(
        region,
        connection,
        Contents(source.kind, source.day, source.tenant, source.family),
        backends,
        lasts=region.limits.stall,
    )
    return _Plan(source, rows, target)


def _switch(
    region: OpenRegion, connection: Connection, plan: _Plan, sent: Sent, live: bytes
) -> bool:
    """Move all rows to the new pack and mark the old one for purge, or abandon the new one."""
    target = plan.target
    objects.lock(connection, [plan.source.id, target.id])  # both, in the order of their ids
    source = objects.find_object(connection, plan.source.id)
    if source is None or source.state is not ObjectState.STORED:
        target.reject(connection, sent)
        return True
    digest = hashlib.sha256(live).digest()
    stored = target.commit(connection, sent, size=len(live), digest=digest)
    if not stored or not _move_all(connection, source, target.id, plan.starts):
        target.reject(connection, sent)
        return False
    objects.mark_for_purge(connection, [source.id], region.clock.now())
    return True


def _move_all(
    connection: Connection, source: StoredObject, target: UUID, starts: dict[int, int]
) -> bool:
    """Move every row, or none."""
    with connection.begin_nested() as savepoint:
        moved = relocation.relocate_rows(
            connection,
            source.kind.rows(source.day),
            source.day,
            source.id,
            target=target,
            starts=starts,
        )
        if moved == len(starts):
            return True
        savepoint.rollback()
    return False


def _is_file(source: StoredObject) -> bool:
    """A file is a pack of its own, with one row: it is purged as a whole."""
    return source.kind is ObjectKind.PACK and source.day is None

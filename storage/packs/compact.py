"""Compaction: copy what is alive of a pack, still sealed, into a new one; the old one must go.

The switch is one transaction that moves the rows and locks the source. If an erasure took a row
meanwhile, fewer rows move than were copied, and the copy is given up: it holds what must go. Both
packs are of one family, so that the erasure waits for whichever holds its bytes.
"""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import accumulate
from uuid import UUID

from sqlalchemy import Connection, Table

from storage.catalog import objects, relocation
from storage.catalog import tables as t
from storage.catalog.objects import NewObject, ObjectKind, ObjectState, Replica, StoredObject
from storage.catalog.records import Row
from storage.catalog.relocation import MovedRecord
from storage.errors import BackendError
from storage.model import ReplicaState
from storage.objects.transfer import Sent, preserve, send
from storage.packs.manifest import Manifest, ending
from storage.region import OpenRegion


@dataclass(frozen=True, slots=True)
class _Plan:
    source: StoredObject
    rows: list[Row]
    new: NewObject
    attempts: list[Replica]

    @property
    def starts(self) -> dict[int, int]:
        """LaneKey each body is to begin, by where it began."""
        ends = accumulate((row.length for row in self.rows), initial=0)
        return {row.start: end for row, end in zip(self.rows, ends, strict=False)}


def compact(region: OpenRegion, object_id: UUID) -> bool:
    """Rewrite one pack, to where a record may be written today.

    False: it has to be tried again, because no replica could be read, or too few places are left.
    """
    targets = region.lawful()[: region.region.replicas]
    if len(targets) < region.region.required:
        return False
    plan = region.catalog.run(lambda connection: _begin(region, connection, object_id, targets))
    if plan is None:
        return True
    data = read_whole(region, plan.source)
    if data is None:
        _abandon(region, plan.new.id)
        return False
    copy = _copy_of(region, plan, data)
    sent = send(region, plan.attempts, copy, until=plan.new.deadline, urgent=True)
    sent = preserve(region, plan.new.kind, plan.attempts, sent)
    if len(sent.stored) < region.region.required:
        _abandon(region, plan.new.id)
        return False
    return region.catalog.run(lambda connection: _switch(region, connection, plan, sent, copy))


def read_whole(region: OpenRegion, source: StoredObject) -> bytes | None:
    """An object as it was written, from the first replica that still gives it back so."""
    with region.catalog.begin() as connection:
        stored = objects.replicas_of(connection, [source.id], [ReplicaState.STORED])
    for attempt in stored.get(source.id, []):
        try:
            data = region.backends[attempt.backend].get(attempt.key)
        except BackendError:
            continue
        if hashlib.sha256(data).digest() == source.digest:
            return data
    return None


def _copy_of(region: OpenRegion, plan: _Plan, data: bytes) -> bytes:
    """What is alive of a pack, one after the other, and what it is."""
    bodies = b"".join(data[row.start : row.start + row.length] for row in plan.rows)
    starts, digest = plan.starts, hashlib.sha256(bodies).digest()
    if plan.source.kind is ObjectKind.HELD:
        rows = [replace(r, object_id=plan.new.id, start=starts[r.start]) for r in plan.rows]
        manifest = Manifest(bodies=digest, rows=tuple(rows))
    else:
        moved = (MovedRecord(r.tenant, r.id.unique, starts[r.start], r.length) for r in plan.rows)
        manifest = Manifest(bodies=digest, moved=tuple(moved))
    return bodies + ending(region, plan.new.id, manifest)


def _begin(
    region: OpenRegion, connection: Connection, object_id: UUID, backends: tuple[str, ...]
) -> _Plan | None:
    now = region.clock.now()
    source = objects.find_object(connection, object_id, lock=True)
    if source is None or source.state is not ObjectState.STORED or _is_file(source):
        return None
    rows = relocation.rows_in_object(connection, _rows_of(source), source.day, source.id)
    if not rows:
        objects.mark_for_purge(connection, [source.id], now)
        return None
    deadline = region.deadline(now, region.limits.stall)
    new = NewObject(
        region.new_uuid(now),
        source.kind,
        source.day,
        source.tenant,
        backends,
        now,
        deadline,
        source.family,
    )
    targets = {b: (region.new_uuid(now), region.lands_by(b, deadline)) for b in backends}
    return _Plan(source, rows, new, objects.announce(connection, new, targets))


def _switch(
    region: OpenRegion, connection: Connection, plan: _Plan, sent: Sent, copy: bytes
) -> bool:
    now = region.clock.now()
    objects.lock(connection, [plan.source.id, plan.new.id])  # before replicas, as the reaper does
    objects.record_results(connection, sent.stored, sent.failed, now)
    source = objects.find_object(connection, plan.source.id, lock=True)
    if source is None or source.state is not ObjectState.STORED:
        objects.mark_for_purge(connection, [plan.new.id], now)
        return True
    again = now if len(sent.stored) < len(plan.new.backends) else None
    digest = hashlib.sha256(copy).digest()
    kept = objects.finish(connection, plan.new.id, len(copy), digest, replicate_at=again)
    if not kept or not _move_all(connection, source, plan.new.id, plan.starts):
        objects.mark_for_purge(connection, [plan.new.id], now)
        return False
    objects.mark_for_purge(connection, [source.id], now)
    return True


def _move_all(
    connection: Connection, source: StoredObject, target: UUID, starts: dict[int, int]
) -> bool:
    """Move every row, or none."""
    with connection.begin_nested() as savepoint:
        moved = relocation.move_rows(
            connection, _rows_of(source), source.day, source.id, target=target, starts=starts
        )
        if moved == len(starts):
            return True
        savepoint.rollback()
    return False


def _is_file(source: StoredObject) -> bool:
    """A file is a pack of its own: with its one row it goes as a whole."""
    return source.kind is ObjectKind.PACK and source.day is None


def _rows_of(source: StoredObject) -> Table:
    return t.held if source.kind is ObjectKind.HELD else t.record


def _abandon(region: OpenRegion, object_id: UUID) -> None:
    now: datetime = region.clock.now()
    with region.catalog.begin() as connection:
        objects.mark_for_purge(connection, [object_id], now)

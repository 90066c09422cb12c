"""Relocation: held records are moved out of an expiring day before its keys are destroyed.

The sealed bodies are copied unchanged; the record keys are wrapped again under a hold key. The new
object lists its records in a manifest, for a catalog that is restored from an older backup. Rows,
object and key are committed in one transaction, which checks again what is held.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby
from operator import attrgetter
from uuid import UUID

from sqlalchemy import Connection

from storage.catalog import agreements, holds, objections, objects, relocation
from storage.catalog.kinds import ObjectKind, ObjectState
from storage.catalog.objects import Replica, StoredObject
from storage.catalog.records import Row
from storage.errors import Corrupt, DomicileError, KeyUnavailable, Unavailable
from storage.model import ReplicaState
from storage.objects import write
from storage.objects.keyring import KeyRing
from storage.objects.places import (
    hosts,
    meant_for,
    residencies_with_baa,
    without,
    without_baa,
)
from storage.objects.transfer import Sent, read_pieces
from storage.objects.write import Contents, Write
from storage.packs.manifest import Manifest, ending
from storage.region import OpenRegion


@dataclass(frozen=True, slots=True)
class _Plan:
    source: StoredObject
    rows: list[Row]
    target: Write


@dataclass(frozen=True, slots=True)
class _Written:
    sent: Sent
    size: int
    digest: bytes
    rows: list[Row]  # as they will be


def relocate_held(region: OpenRegion, keys: KeyRing, day: date, pack: UUID) -> bool:
    """Move the held records of one pack to objects on the backends that are open now.

    False: try again later, because no replica can be read or too few backends are left.
    """
    opened = region.open_backends()
    with region.catalog.begin() as connection:
        holds.share(connection)
        source = objects.find_object(connection, pack)
        rows = relocation.held_rows_in_pack(connection, day, pack)
        stored = objects.replicas_of(connection, [pack], [ReplicaState.STORED])
    if source is None or source.state is not ObjectState.STORED:
        return not rows
    by_tenant = groupby(sorted(rows, key=attrgetter("tenant")), key=attrgetter("tenant"))
    tenants = [sorted(some, key=attrgetter("start")) for _, some in by_tenant]
    done = [
        any(
            _relocate(region, keys, source, replica, some, opened=opened)
            for replica in stored.get(pack, [])
        )
        for some in tenants
    ]
    return all(done)


def _relocate(
    region: OpenRegion,
    keys: KeyRing,
    source: StoredObject,
    replica: Replica,
    rows: list[Row],
    *,
    opened: Sequence[str],
) -> bool:
    """Move the records of one tenant, read from one replica of the pack."""
    plan = region.catalog.run(lambda c: _begin(region, c, source, rows, opened))
    if plan is None:
        return False
    try:
        written = _write(region, keys, plan, replica)
        written.sent.require(region.region.required)
    except (Unavailable, KeyUnavailable, Corrupt):
        plan.target.abandon()
        return False
    except DomicileError:
        plan.target.abandon()
        raise
    return region.catalog.run(lambda c: _switch(c, plan, written))


def _begin(
    region: OpenRegion,
    connection: Connection,
    source: StoredObject,
    rows: list[Row],
    opened: Sequence[str],
) -> _Plan | None:
    """Announce the object that the records move to. None: too few backends are left for it."""
    tenant = rows[0].tenant
    avoided = objections.of_tenant(connection, tenant)
    lacking = without_baa(region) - hosts(region, source.backends)
    if lacking and agreements.is_for_phi(connection, tenant, residencies_with_baa(region)):
        avoided |= lacking
    places = without(region, connection, meant_for(region, tenant, opened), avoided)
    backends = places[: region.region.replicas]
    if len(backends) < region.region.required:
        return None
    target = write.announce(
        region,
        connection,
        Contents(ObjectKind.HELD, tenant=tenant, family=source.family),
        backends,
        lasts=region.limits.stall,
    )
    return _Plan(source, rows, target)


def _write(region: OpenRegion, keys: KeyRing, plan: _Plan, replica: Replica) -> _Written:
    """Read the whole source, to verify its digest, and write its held bodies and their manifest.

    The hold key is made last, so that a failure rarely leaves one behind.
    """
    whole, held, size = hashlib.sha256(), hashlib.sha256(), 0
    spans = [(row.start, row.start + row.length) for row in plan.rows]
    backend, at = region.readable(replica.backend), 0
    with plan.target.upload() as upload:
        for piece in read_pieces(backend, replica.key, plan.source.size or 0):
            whole.update(piece)
            plan.target.renew()
            part = b"".join(_cut(at, piece, spans))
            at += len(piece)
            held.update(part)
            size += len(part)
            if part:
                upload.write(part)
        if whole.digest() != plan.source.digest:
            raise Corrupt("A replica does not return what was written.")
        upload.require(region.region.required)
        rows = _rewrapped(region, keys, plan)
        end = ending(region, plan.target.id, Manifest(bodies=held.digest(), rows=tuple(rows)))
        held.update(end)
        plan.target.renew()
        upload.write(end)
        sent = plan.target.finish(upload)
    return _Written(sent, size + len(end), held.digest(), rows)


def _cut(at: int, piece: bytes, spans: Iterable[tuple[int, int]]) -> Iterator[bytes]:
    """Yield the parts of the spans that lie in a piece that begins at ``at``."""
    for start, stop in spans:
        low, high = max(start - at, 0), min(stop - at, len(piece))
        if low < high:
            yield piece[low:high]


def _rewrapped(region: OpenRegion, keys: KeyRing, plan: _Plan) -> list[Row]:
    """Return the rows as they will be: at their new offsets, with their keys under a hold key."""
    wrapped = keys.rewrap_for_hold(plan.rows, plan.target.new.backends, region.region.required)
    rows, start = [], 0
    for row, (hold_key, key) in zip(plan.rows, wrapped, strict=True):
        rows.append(
            replace(row, object_id=plan.target.id, start=start, key_id=hold_key, wrapped_key=key)
        )
        start += row.length
    return rows


def _switch(connection: Connection, plan: _Plan, written: _Written) -> bool:
    """Commit object, key and rows together, or mark the new object for purge."""
    holds.share(connection)
    found = objects.lock(connection, [plan.source.id, plan.target.id])
    if (
        found[plan.source.id].state is ObjectState.STORED
        and objects.lock_stored_key(connection, written.rows[0].key_id)
        and plan.target.commit(connection, written.sent, size=written.size, digest=written.digest)
        and relocation.move_to_held(connection, plan.source.id, written.rows)
    ):
        return True
    plan.target.reject(connection, written.sent)
    return False

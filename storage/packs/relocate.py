"""Carrying: what is held of a day that expires is taken out of it before its keys die.

The sealed bodies are copied as they are, the record keys wrapped again under a hold key. The copy
says itself what it holds, for a catalog that is restored from before. Rows, copy and key become
true in one transaction, which asks again what is held.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import groupby
from operator import attrgetter
from uuid import UUID

from sqlalchemy import Connection

from storage.catalog import holds, objects, relocation
from storage.catalog.objects import NewObject, ObjectKind, ObjectState, Replica, StoredObject
from storage.catalog.records import Row
from storage.crypto.record import unwrap_key, wrap_key
from storage.errors import (
    Abandoned,
    Corrupt,
    DomicileError,
    KeyUnavailable,
    TooFewReplicas,
    Unavailable,
)
from storage.model import ReplicaState
from storage.objects.keyring import KeyRing
from storage.objects.transfer import MultiUpload, Sent, preserve
from storage.packs.manifest import Manifest, ending
from storage.region import OpenRegion

_PIECE = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Plan:
    source: StoredObject
    rows: list[Row]
    new: NewObject
    attempts: list[Replica]


@dataclass(frozen=True, slots=True)
class _Copied:
    sent: Sent
    size: int
    digest: bytes
    rows: list[Row]  # as they are to be


def relocate_held(region: OpenRegion, keys: KeyRing, day: date, pack: UUID) -> bool:
    """Take what is held out of one pack, to where a record may be written today.

    False: it has to be tried again, because no replica could be read, or too few places are left.
    """
    with region.catalog.begin() as connection:
        holds.share(connection)
        source = objects.find_object(connection, pack)
        rows = relocation.held_rows_in_pack(connection, day, pack)
        stored = objects.replicas_of(connection, [pack], [ReplicaState.STORED])
    if source is None or source.state is not ObjectState.STORED:
        return not rows
    own = groupby(sorted(rows, key=attrgetter("tenant")), key=attrgetter("tenant"))
    tenants = [sorted(some, key=attrgetter("start")) for _, some in own]
    done = [
        any(_carry(region, keys, source, replica, some) for replica in stored.get(pack, []))
        for some in tenants
    ]
    return all(done)


def _carry(
    region: OpenRegion, keys: KeyRing, source: StoredObject, replica: Replica, rows: list[Row]
) -> bool:
    """What one tenant has in the pack, from one of its replicas."""
    backends = region.lawful()[: region.region.replicas]
    plan = region.catalog.run(lambda c: _announce(region, c, source, rows, backends))
    required = region.region.required
    try:
        copied = _copy(region, keys, plan, replica)
        if len(copied.sent.stored) < required:
            raise TooFewReplicas(copied.sent.causes)
    except (Unavailable, KeyUnavailable, Corrupt):
        _abandon(region, plan.new.id)
        return False
    except DomicileError:
        _abandon(region, plan.new.id)
        raise
    return region.catalog.run(lambda c: _switch(region, c, plan, copied))


def _announce(
    region: OpenRegion,
    connection: Connection,
    source: StoredObject,
    rows: list[Row],
    backends: tuple[str, ...],
) -> _Plan:
    now = region.clock.now()
    deadline = region.deadline(now, region.limits.stall)
    new = NewObject(
        region.new_uuid(now),
        ObjectKind.HELD,
        None,
        rows[0].tenant,
        backends,
        now,
        deadline,
        source.family,
    )
    targets = {b: (region.new_uuid(now), region.lands_by(b, deadline)) for b in backends}
    return _Plan(source, rows, new, objects.announce(connection, new, targets))


def _copy(region: OpenRegion, keys: KeyRing, plan: _Plan, replica: Replica) -> _Copied:
    """Read all of the source, to know that it is whole; send what is held of it, and which it is.

    The hold key is made last of all, so that hardly ever one is left of what was not carried.
    """
    whole, copy, size = hashlib.sha256(), hashlib.sha256(), 0
    spans = [(row.start, row.start + row.length) for row in plan.rows]
    fan = MultiUpload(region, plan.attempts, until=plan.new.deadline)
    try:
        for at, piece in _pieces(region, replica, plan.source.size or 0):
            whole.update(piece)
            fan.until = _renewed(region, plan, fan.until)
            part = b"".join(_cut(at, piece, spans))
            copy.update(part)
            size += len(part)
            if part:
                fan.write(part)
        _check(whole.digest() == plan.source.digest)
        fan.demand(region.region.required)
        moved = _as_held(region, keys, plan)
        end = ending(region, plan.new.id, Manifest(bodies=copy.digest(), rows=tuple(moved)))
        copy.update(end)
        fan.until = _renewed(region, plan, fan.until)
        fan.write(end)
        sent = fan.finish()
    except BaseException:
        fan.abort()
        raise
    sent = preserve(region, plan.new.kind, plan.attempts, sent)
    return _Copied(sent, size + len(end), copy.digest(), moved)


def _check(whole: bool) -> None:  # noqa: FBT001
    if not whole:
        raise Corrupt("A replica does not give back what was written.")


def _pieces(region: OpenRegion, replica: Replica, size: int) -> Iterator[tuple[int, bytes]]:
    backend = region.backends[replica.backend]
    for start in range(0, size, _PIECE):
        yield start, backend.get(replica.key, start, min(start + _PIECE, size))


def _cut(at: int, piece: bytes, spans: Iterable[tuple[int, int]]) -> Iterator[bytes]:
    """What the spans have of a piece that begins at ``at``."""
    for start, stop in spans:
        low, high = max(start - at, 0), min(stop - at, len(piece))
        if low < high:
            yield piece[low:high]


def _renewed(region: OpenRegion, plan: _Plan, until: datetime) -> datetime:
    """Until when may be sent: put off as it goes, unless it was given up meanwhile."""
    now, patience = region.clock.now(), region.limits.stall
    if (until - now).total_seconds() > patience / 2:
        return until
    later = region.deadline(now, patience)
    lands = max(region.lands_by(a.backend, later) for a in plan.attempts)
    with region.catalog.begin() as connection:
        if not objects.renew(connection, plan.new.id, later, lands):
            raise Abandoned
    return later


def _as_held(region: OpenRegion, keys: KeyRing, plan: _Plan) -> list[Row]:
    """The rows as they are to be: at their new places, with their keys under a hold key."""
    tenant, required = plan.rows[0].tenant, region.region.required
    opened = {key_id: keys.open(key_id) for key_id in {row.key_id for row in plan.rows}}
    hold_key, wrapping = keys.hold_key(tenant, plan.new.backends, required)
    moved, start = [], 0
    for row in plan.rows:
        key = unwrap_key(opened[row.key_id], row.wrapped_key)
        moved.append(
            replace(
                row,
                object_id=plan.new.id,
                start=start,
                key_id=hold_key,
                wrapped_key=wrap_key(wrapping, key),
            )
        )
        start += row.length
    return moved


def _switch(region: OpenRegion, connection: Connection, plan: _Plan, copied: _Copied) -> bool:
    now = region.clock.now()
    holds.share(connection)
    found = objects.lock(connection, [plan.source.id, plan.new.id])
    objects.record_results(connection, copied.sent.stored, copied.sent.failed, now)
    again = now if len(copied.sent.stored) < len(plan.new.backends) else None
    carried = (
        found[plan.source.id].state is ObjectState.STORED
        and objects.lock_stored_key(connection, copied.rows[0].key_id)
        and objects.finish(connection, plan.new.id, copied.size, copied.digest, replicate_at=again)
        and relocation.move_to_held(connection, plan.source.id, copied.rows)
    )
    if not carried:
        objects.mark_for_purge(connection, [plan.new.id], now)
    return carried


def _abandon(region: OpenRegion, object_id: UUID) -> None:
    with region.catalog.begin() as connection:
        objects.mark_for_purge(connection, [object_id], region.clock.now())

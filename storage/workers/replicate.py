"""Replicate: copy an object to the backends that lack it, from a replica with the right digest."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import Connection
from structlog.typing import FilteringBoundLogger

from storage.catalog import objects, scrubs
from storage.catalog.kinds import ObjectKind, ObjectState
from storage.catalog.objects import Replica, StoredObject
from storage.errors import (
    Abandoned,
    BackendError,
    BackendTimeout,
    BackendUnavailable,
    Corrupt,
    KeyAbsent,
    TooFewReplicas,
)
from storage.model import ReplicaState
from storage.objects.places import lawful_for
from storage.objects.transfer import read_pieces
from storage.objects.write import Write, announce_replica
from storage.policy import REPLICATION_LEASE, WAITING, settle
from storage.region import OpenRegion

BATCH = 16
_ABSENT = f"{ObjectKind.CANARY}/nothing"  # a key that no object has
_PRESENT = (ReplicaState.STORED, ReplicaState.WRITING)


@dataclass(frozen=True, slots=True)
class _Plan:
    source: StoredObject
    stored: list[Replica]
    writes: list[Write]  # one per missing replica


def replicate(region: OpenRegion, log: FilteringBoundLogger) -> int:
    """Complete a batch of objects that lack replicas. Return how many it looked at."""
    now = region.clock.now()
    with region.catalog.begin() as connection:
        due = objects.claim_due(connection, "replicate_at", now, now + REPLICATION_LEASE, BATCH)
    answering = answering_backends(region) if due else set()
    for object_id in due:
        missing = complete_replicas(region, object_id, answering)
        if missing:
            log.warning("replicas_missing", region=region.name, backends=sorted(missing))
    return len(due)


def answering_backends(region: OpenRegion) -> set[str]:
    """Return the open backends that answer a request.

    Nothing is announced to the others: each announced replica is a row until it is seen absent, and
    an outage of days would leave one for every object and minute.
    """
    found = set()
    for name in region.open_backends():
        try:
            region.backends[name].list_key(_ABSENT)
        except (BackendUnavailable, BackendTimeout):
            continue
        except BackendError:
            pass  # an error is an answer
        found.add(name)
    return found


def complete_replicas(region: OpenRegion, object_id: UUID, answering: set[str]) -> set[str]:
    """Write the missing replicas. Return the backends that still lack one.

    A lawful backend takes the place of each that is not lawful any more.
    """
    plan = region.catalog.run(lambda c: _begin(region, c, object_id, answering))
    if plan is None:
        return set()
    for target in plan.writes:
        code, number = _copy(region, plan, target), target.replicas[0].id
        with region.catalog.begin() as connection:
            stored, failed = ([], {number: code}) if code else ([number], {})
            objects.record_results(connection, stored, failed, region.clock.now())
    return region.catalog.run(lambda connection: _reschedule(region, connection, plan.source))


def _reschedule(region: OpenRegion, connection: Connection, source: StoredObject) -> set[str]:
    """Schedule the object again if it still lacks a replica. Return the backends that lack one.

    Checked under the lock: a reader may have marked another replica corrupt meanwhile. A replica
    that a killed process left in ``writing`` counts too, also on a backend that needs none.
    """
    known = objects.find_object(connection, source.id, lock=True)
    if known is None or known.state is not ObjectState.STORED:
        return set()
    present = objects.replicas_of(connection, [source.id], _PRESENT).get(source.id, [])
    stored = {replica.backend for replica in present if replica.state is ReplicaState.STORED}
    missing = set(source.backends) - stored
    pending = any(replica.state is ReplicaState.WRITING for replica in present)
    at = region.clock.now() + WAITING if missing or pending else None
    objects.schedule(connection, source.id, "replicate_at", at)
    return missing


def _begin(
    region: OpenRegion, connection: Connection, object_id: UUID, answering: set[str]
) -> _Plan | None:
    now = region.clock.now()
    source = objects.find_object(connection, object_id, lock=True)
    if source is None or source.state is not ObjectState.STORED:
        return None
    present = objects.replicas_of(connection, [object_id], _PRESENT).get(object_id, [])
    # Replicas that a killed worker left can no longer take effect, and must not stay.
    over = now - 2 * region.clock.error
    abandoned = {
        r.id: Abandoned.__name__
        for r in present
        if r.state is ReplicaState.WRITING and r.land_by < over
    }
    objects.record_results(connection, [], abandoned, now)
    allowed = lawful_for(region, connection, source)
    source = _settled(region, connection, source, allowed)
    missing = set(source.backends) - {r.backend for r in present if r.id not in abandoned}
    lawful = [name for name in allowed if name in missing & answering]
    stored = [replica for replica in present if replica.state is ReplicaState.STORED]
    stored.sort(key=lambda replica: replica.backend not in allowed)  # those first
    lasts = REPLICATION_LEASE.total_seconds()
    writes = [announce_replica(region, connection, source, name, lasts) for name in lawful]
    return _Plan(source, stored, writes)


def _settled(
    region: OpenRegion, connection: Connection, source: StoredObject, lawful: Sequence[str]
) -> StoredObject:
    """Return the object with the backends that it belongs on today."""
    home = settle(source.backends, lawful, region.region.replicas)
    if home != source.backends:
        until = region.clock.now() + REPLICATION_LEASE
        scrubs.move_to_backends(connection, source.id, home, until)
    return replace(source, backends=home)


def _copy(region: OpenRegion, plan: _Plan, target: Write) -> str | None:
    """Copy from the first good replica. Return the error code, None if it is stored."""
    code, source = KeyAbsent.__name__, plan.source
    for replica in plan.stored:
        digest, backend = hashlib.sha256(), region.backends[replica.backend]
        upload = target.upload()
        try:
            with upload:
                upload.require(1)
                for piece in read_pieces(backend, replica.key, source.size or 0):
                    digest.update(piece)
                    target.renew()
                    upload.write(piece)
                    upload.require(1)
                if digest.digest() == source.digest:
                    target.renew()
                    target.finish(upload).require(1)
                    return None
        except TooFewReplicas as error:  # it may still take effect: send nothing twice to one key
            return next(iter(error.failures.values()))
        except Abandoned as error:
            return error.code
        except BackendError as error:  # of the source
            code = error.code
        else:
            code = Corrupt.__name__
        if not upload.aborted:
            return code
    return code

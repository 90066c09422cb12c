"""Vacate: empty the backends that retire or whose agreement ends, and sign that they are empty.

What is there is replicated to a lawful backend, and only then purged; a replica under a hold too,
so its lock at the backend is released after the move. The last thing is a listing of the whole
backend: it shows what no row knows, too. It is believed if it shows a control.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection
from structlog.typing import FilteringBoundLogger

from storage.catalog import departures, objects, signing_keys, storages, sweeps
from storage.catalog.kinds import ObjectState
from storage.catalog.objects import Replica, StoredObject
from storage.errors import BackendError
from storage.evidence.departures import Statement, sign_statement
from storage.evidence.keys import key_id
from storage.model import ReplicaState
from storage.objects import control
from storage.objects.places import lawful_for
from storage.objects.transfer import is_intact
from storage.policy import LEASE, WAITING, may_leave, settle
from storage.ports import ItemKind
from storage.region import OpenRegion
from storage.workers.replicate import answering_backends, complete_replicas

BATCH = 256
_TIME = timedelta(minutes=1)  # for one batch, so that the other duties are not delayed


def leaving(region: OpenRegion) -> list[str]:
    """Return the backends that are to be emptied today."""
    return [name for name, found in region.standings().items() if found.vacating]


def vacate(region: OpenRegion, log: FilteringBoundLogger) -> int:
    """Move one batch. Always return 0: the rest waits for later rounds, after the purge."""
    names, now = leaving(region), region.clock.now()
    staying = region.standings().keys() - set(names)
    with region.catalog.begin() as connection:
        departures.follow(connection, names, staying, now)
        claimed = departures.claim(connection, names, now, now + LEASE, BATCH) if names else []
    answering = answering_backends(region) if claimed else set()
    for replica, object_id in claimed:
        later = WAITING
        if region.clock.now() - now > _TIME:
            later = timedelta()
        elif move_off(region, object_id, answering, names):
            continue
        with region.catalog.begin() as connection:
            departures.move_later(connection, replica, region.clock.now() + later)
    for name in names:
        try:
            _sign_if_empty(region, name, log)
        except BackendError as error:
            log.warning("departure_postponed", region=region.name, backend=name, error=error.code)
    return 0


def move_off(
    region: OpenRegion, object_id: UUID, answering: set[str], names: Collection[str]
) -> bool:
    """Replicate an object elsewhere, read it there, and mark what leaves. False: try again.

    ``names``: the backends that it leaves.
    """
    complete_replicas(region, object_id, answering)
    with region.catalog.begin() as connection:
        known = objects.find_object(connection, object_id)
        stored = objects.replicas_of(connection, [object_id], [ReplicaState.STORED])
        home = _home(region, connection, known, names) if known is not None else set()
    if known is None or known.state is not ObjectState.STORED:
        return True
    intact = _intact(region, known, stored.get(object_id, []), home)
    return region.catalog.run(lambda c: _mark(region, c, object_id, intact=intact, names=names))


def _home(
    region: OpenRegion, connection: Connection, known: StoredObject, names: Collection[str]
) -> set[str]:
    """Return the backends that the object belongs on, but those that are emptied."""
    lawful = lawful_for(region, connection, known)
    return set(settle(known.backends, lawful, region.region.replicas)) - set(names)


def _intact(
    region: OpenRegion, known: StoredObject, stored: Sequence[Replica], home: Collection[str]
) -> list[Replica]:
    """Return the replicas that stay and are what was written. A bad one is made again.

    One is bad only if another is good: otherwise a person may still recover data from it.
    """
    read = {r.id: _reads_well(region, known, r) for r in stored if r.backend in home}
    bad = [number for number, good in read.items() if good is False]
    leave = (r for r in stored if r.backend not in home)
    if bad and (True in read.values() or any(_reads_well(region, known, r) for r in leave)):
        with region.catalog.begin() as connection:
            objects.find_object(connection, known.id, lock=True)
            for number in bad:
                objects.mark_corrupt(connection, number, region.clock.now())
    return [replica for replica in stored if read.get(replica.id)]


def _reads_well(region: OpenRegion, known: StoredObject, replica: Replica) -> bool | None:
    """Read a replica whole; return whether it is what was written. None: it cannot be read now."""
    try:
        backend = region.backends[replica.backend]
        return is_intact(backend, replica.key, known.size or 0, known.digest or b"")
    except BackendError:
        return None


def _mark(
    region: OpenRegion,
    connection: Connection,
    object_id: UUID,
    *,
    intact: Collection[Replica],
    names: Collection[str],
) -> bool:
    """Mark the replicas that leave, if the others are there still. The object is locked."""
    known = objects.find_object(connection, object_id, lock=True)
    if known is None or known.state is not ObjectState.STORED:
        return True
    stored = objects.replicas_of(connection, [object_id], [ReplicaState.STORED])[object_id]
    left = {replica.id for replica in stored}
    home = _home(region, connection, known, names)
    good = {replica.backend for replica in intact if replica.id in left}
    if not may_leave(home=home, intact=good, required=region.region.required):
        return False
    moved = [replica.id for replica in stored if replica.backend in names]
    now = region.clock.now()
    departures.mark_moved(connection, moved, now)
    if set(known.backends) & set(names):  # too few are lawful: it is made again when one is
        objects.schedule(connection, object_id, "replicate_at", now + WAITING)
    return True


def _sign_if_empty(region: OpenRegion, name: str, log: FilteringBoundLogger) -> None:
    """Sign that a backend is empty, once no replica is left and its listing shows nothing."""
    with region.catalog.begin() as connection:
        if departures.lock_empty(connection, name) is None:
            return
    looked = region.clock.now()
    if not control.is_alone(region, name):
        log.warning("orphans_left", region=region.name, backend=name)
        return
    with region.catalog.begin() as connection:
        seen = region.visibility(name, lost=name in storages.last_losses(connection))
        known = departures.lock_empty(connection, name)
        if known is None:
            return
        statement = Statement(
            region=region.name,
            backend=name,
            sub_processor=seen.sub_processor,
            located=seen.located,
            topology=region.topology.digest,
            begun=known.begun,
            replicas=known.replicas,
            bytes=known.bytes,
            absent_at=max(looked, known.begun),
            seen=tuple(ItemKind(kind) for kind in seen.seen),
            attested=tuple(ItemKind(kind) for kind in seen.attested),
        )
        token = sign_statement(statement, region.signing)
        departures.finish(connection, known, token, looked)
        sweeps.mark_swept(connection, name, sweeps.FOR_EVER)
        public = region.signing.public_key()
        signing_keys.note(connection, key_id(public), public.public_bytes_raw(), looked)
    log.info("backend_empty", region=region.name, backend=name)

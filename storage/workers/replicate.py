"""Replicate: an object that lacks a replica gets it from one that still has what was written."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection
from structlog.typing import FilteringBoundLogger

from storage.catalog import objects
from storage.catalog.objects import NewObject, ObjectKind, ObjectState, Replica, StoredObject
from storage.errors import BackendError, BackendTimeout, BackendUnavailable
from storage.model import ReplicaState
from storage.objects.transfer import KEPT, time_left
from storage.policy import REPLICATION_LEASE, WAITING
from storage.region import OpenRegion

BATCH = 16
_NOTHING = f"{ObjectKind.CANARY}/nothing"  # a key that no object has
_PIECE = 8 * 1024 * 1024
_HERE = (ReplicaState.STORED, ReplicaState.WRITING)


@dataclass(frozen=True, slots=True)
class _Work:
    """What is missing, and where it is to be had."""

    source: StoredObject
    sources: list[Replica]
    targets: list[Replica]
    deadline: datetime


@dataclass(slots=True)
class _Term:
    """Until when a copy may go on: put off as it goes, unless it was given up meanwhile."""

    region: OpenRegion
    target: Replica
    until: datetime

    def check(self) -> None:
        """To be asked before each step. Raises BackendUnavailable if nothing more may be sent."""
        region, backend, lease = self.region, self.target.backend, REPLICATION_LEASE.total_seconds()
        if time_left(region, backend, self.until) > lease / 2:
            return
        until = region.deadline(region.clock.now(), lease)
        with region.catalog.begin() as connection:
            if not objects.renew_replica(
                connection, self.target.id, region.lands_by(backend, until)
            ):
                raise BackendUnavailable(backend, "the copy was given up")
        self.until = until


def replicate(region: OpenRegion, log: FilteringBoundLogger) -> int:
    """Complete a batch of objects that lack replicas. Says how many it looked at."""
    now = region.clock.now()
    with region.catalog.begin() as connection:
        due = objects.claim_due(connection, "replicate_at", now, now + REPLICATION_LEASE, BATCH)
    answering = _answering(region) if due else set()
    for object_id in due:
        missing = _complete(region, object_id, answering)
        if missing:
            log.warning("replicas_missing", region=region.name, backends=sorted(missing))
    return len(due)


def _answering(region: OpenRegion) -> set[str]:
    """The backends that answer a question.

    To others nothing is announced: each attempt is a row that stays until its absence is seen, and
    an outage of days would leave one for every object and minute.
    """
    found = set()
    for name in region.lawful():
        try:
            region.backends[name].list_key(_NOTHING)
        except (BackendUnavailable, BackendTimeout):
            continue
        except BackendError:
            pass  # that is an answer
        found.add(name)
    return found


def _complete(region: OpenRegion, object_id: UUID, answering: set[str]) -> set[str]:
    """Make what is missing; the backends on which that failed."""
    work = region.catalog.run(lambda c: _announce(region, c, object_id, answering))
    if work is None:
        return set()
    for target in work.targets:
        code = _copy(region, work, target)
        with region.catalog.begin() as connection:
            now = region.clock.now()
            failed = {target.id: code} if code else {}
            objects.record_results(connection, [] if code else [target.id], failed, now)
    return region.catalog.run(lambda connection: _what_is_missing(region, connection, work.source))


def _what_is_missing(region: OpenRegion, connection: Connection, source: StoredObject) -> set[str]:
    """Asked again under the lock: a reader may have found another replica bad meanwhile.

    What a killed process has left may be on a backend where nothing is wanted: it is settled too.
    """
    known = objects.find_object(connection, source.id, lock=True)
    if known is None or known.state is not ObjectState.STORED:
        return set()
    here = objects.replicas_of(connection, [source.id], _HERE).get(source.id, [])
    stored = {attempt.backend for attempt in here if attempt.state is ReplicaState.STORED}
    missing = set(source.backends) - stored
    unsettled = any(attempt.state is ReplicaState.WRITING for attempt in here)
    at = region.clock.now() + WAITING if missing or unsettled else None
    objects.schedule(connection, source.id, "replicate_at", at)
    return missing


def _announce(
    region: OpenRegion, connection: Connection, object_id: UUID, answering: set[str]
) -> _Work | None:
    now = region.clock.now()
    source = objects.find_object(connection, object_id, lock=True)
    if source is None or source.state is not ObjectState.STORED:
        return None
    here = objects.replicas_of(connection, [object_id], _HERE).get(object_id, [])
    # what a worker has left that was killed: it cannot land any more, and must not stay
    over = now - 2 * region.clock.error
    left = {a.id: "Abandoned" for a in here if a.state is ReplicaState.WRITING and a.land_by < over}
    objects.record_results(connection, [], left, now)
    missing = set(source.backends) - {a.backend for a in here if a.id not in left}
    deadline = region.deadline(now, REPLICATION_LEASE.total_seconds())
    lawful = [b for b in region.lawful() if b in missing & answering]
    new = NewObject(
        source.id,
        source.kind,
        source.day,
        source.tenant,
        source.backends,
        now,
        deadline,
        number=source.number,
    )
    targets = {b: (region.new_uuid(now), region.lands_by(b, deadline)) for b in lawful}
    stored = [attempt for attempt in here if attempt.state is ReplicaState.STORED]
    return _Work(source, stored, objects.add_replicas(connection, new, targets), deadline)


def _copy(region: OpenRegion, work: _Work, target: Replica) -> str | None:
    """Copy from the first good replica. Gives the code of what went wrong."""
    code: str | None = "KeyAbsent"
    source, term = work.source, _Term(region, target, work.deadline)
    for attempt in work.sources:
        try:
            backend = region.backends[target.backend]
            with backend.upload(target.key, timeout=region.limits.attempt) as upload:
                digest = hashlib.sha256()
                for piece in _pieces(region, attempt, source.size or 0):
                    digest.update(piece)
                    term.check()
                    upload.write(piece)
                if digest.digest() == source.digest:
                    term.check()
                    upload.finish()
                    if source.kind in KEPT:
                        backend.preserve(target.key)
                    return None
            code = "Corrupt"
        except BackendError as error:
            code = error.code
            if error.backend == target.backend:
                return code  # it may still land: nothing is sent twice under one key
    return code


def _pieces(region: OpenRegion, attempt: Replica, size: int) -> Iterator[bytes]:
    backend = region.backends[attempt.backend]
    for start in range(0, size, _PIECE):
        yield backend.get(attempt.key, start, min(start + _PIECE, size))

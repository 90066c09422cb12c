"""What is wrong with one key of a backend, looked at again and mended.

A listing and a row are not of one moment: a put, a purge or a copy may have gone on in between. So
whatever looks wrong is asked for again, between two readings of its row that agree. Only then it is
judged. That is sound, because a row is committed before the first byte is sent, is ``stored`` after
the last one, and is ``purging`` before the first one goes.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection
from structlog.typing import FilteringBoundLogger

from storage.catalog import objects, scrubs
from storage.catalog.objects import ObjectKind, ObjectState, Replica
from storage.catalog.scrubs import Row
from storage.errors import BackendError, KeyAbsent
from storage.model import ReplicaState
from storage.policy import Done, Finding, judge, may_destroy, reassign
from storage.ports import ItemKind, StoredItem
from storage.region import OpenRegion
from storage.workers.scrub.rate import Rate

_PIECE = 8 * 1024 * 1024
_LOOKS = 3
# a restored catalog may have forgotten a hold, and what the ledger says is for ``recover`` to read
_NEVER = tuple(f"{kind}/" for kind in (ObjectKind.HELD, ObjectKind.HOLD_KEY, ObjectKind.LEDGER))


@dataclass(frozen=True, slots=True)
class Shown:
    """What a backend shows of a key: the size of what can be read, and how much is beside it."""

    key: str
    readable: int | None
    others: int


@dataclass(frozen=True, slots=True)
class Place:
    """A backend that is scrubbed, and what is needed for that."""

    region: OpenRegion
    backend: str
    rate: Rate
    log: FilteringBoundLogger

    def judge(self, row: Row | None, shown: Shown) -> Finding | None:
        """What is wrong with a key, by what is known of it."""
        here = row is not None and row.backend == self.backend
        return judge(
            row.expected if row is not None and here else None,
            readable=shown.readable,
            others=shown.others,
            elsewhere=row is not None and not here,
            lawful=self.backend in self.region.lawful(),
        )

    def traces(self, backend: str, key: str) -> Shown:
        """What a backend shows of a key now. Raises BackendError."""
        self.rate.take()
        return summed(key, self.region.backends[backend].list_key(key))


def summed(key: str, traces: Iterable[StoredItem]) -> Shown:
    """All traces of one key."""
    readable, others = None, 0
    for trace in traces:
        if trace.kind is ItemKind.OBJECT:
            readable = trace.size
        else:
            others += 1
    return Shown(key, readable, others)


def look(place: Place, key: str) -> tuple[Row | None, Shown] | None:
    """A key as it is. None: it changes each time, so somebody is at work on it."""
    before = _row(place, key)
    for _ in range(_LOOKS):
        shown = place.traces(place.backend, key)
        after = _row(place, key)
        if before == after:
            return after, shown
        before = after
    return None


def intact(place: Place, backend: str, key: str, row: Row) -> bool:
    """Whether all bytes of a replica are as they were written. Raises BackendError."""
    digest = hashlib.sha256()
    try:
        for piece in _pieces(place, backend, key, row.size):
            digest.update(piece)
    except KeyAbsent:
        return False
    return digest.digest() == row.digest


def repair(place: Place, finding: Finding, key: str, row: Row | None) -> Done:
    """Do what can be done about it. Raises BackendError if the scrubbed backend fails."""
    if row is None or row.backend != place.backend:
        return _orphan(place, key)
    if finding is Finding.CAME_BACK:
        now = place.region.clock.now()
        place.region.catalog.run(lambda c: scrubs.purge_again(c, row, now))
        return Done.PURGING
    return _replace(place, finding, row)


def _orphan(place: Place, key: str) -> Done:
    """Bytes without a row are noted, and purged by the first scrub after their grace time."""
    region = place.region
    held = key.startswith(_NEVER)
    with region.catalog.begin() as connection:
        row, now = scrubs.row_of(connection, key), region.clock.now()
        known = row is not None and row.backend == place.backend
        state = row.state.value if row is not None and known else "unknown"
        since = scrubs.note_orphan(connection, place.backend, key, now)
    permit = may_destroy(what="orphan", state=state, held=held, now=now, since=since)
    if held:
        place.log.error("stray_not_to_purge", backend=place.backend, key=key)
        return Done.UNREPAIRED
    if not permit.allowed:
        return Done.WAITING
    place.rate.take()
    try:
        region.backends[place.backend].purge(key)
        left = place.traces(place.backend, key)
    except BackendError as error:
        place.log.warning("stray_not_purged", backend=place.backend, error=error.code)
        return Done.UNREPAIRED
    if left.readable is not None or left.others:
        return Done.UNREPAIRED
    with region.catalog.begin() as connection:
        scrubs.delete_orphan(connection, place.backend, key)
    return Done.PURGED


def _replace(place: Place, finding: Finding, row: Row) -> Done:
    """Give a replica up, if another one is seen to be good: never the last."""
    good = _good_ones(place, finding, row)
    done = place.region.catalog.run(lambda c: _give_up(place, c, finding, row, good))
    if done is Done.UNREPAIRED:
        place.log.error(
            "no_good_replica",
            region=place.region.name,
            backend=place.backend,
            object=row.object_id.hex,
            finding=finding.value,
        )
    return done


def _good_ones(place: Place, finding: Finding, row: Row) -> set[UUID]:
    """Replicas that could stand in for this one: looked at, or read if this one is of any use."""
    with place.region.catalog.begin() as connection:
        stored = objects.replicas_of(connection, [row.object_id], [ReplicaState.STORED])
    good = set()
    for attempt in stored.get(row.object_id, []):
        if attempt.id != row.id and _is_good(place, finding, row, attempt):
            good.add(attempt.id)
            break
    return good


def _is_good(place: Place, finding: Finding, row: Row, other: Replica) -> bool:
    try:
        if place.traces(other.backend, other.key).readable != row.size:
            return False
        return finding is Finding.MISSING or intact(place, other.backend, other.key, row)
    except BackendError:
        return False


def _give_up(
    place: Place, connection: Connection, finding: Finding, row: Row, good: set[UUID]
) -> Done:
    now, lawful = place.region.clock.now(), place.region.lawful()
    known = objects.find_object(connection, row.object_id, lock=True)
    if known is None or known.state is not ObjectState.STORED:
        return Done.PURGING
    stored = objects.replicas_of(connection, [row.object_id], [ReplicaState.STORED])
    left = {attempt.id for attempt in stored.get(row.object_id, [])}
    home = reassign(known.backends, lawful)
    if good & left:
        objects.mark_corrupt(connection, row.id, now)
        scrubs.move_to_backends(connection, row.object_id, home or known.backends, now)
        return Done.REPLACING
    if finding is Finding.WRONG_BACKEND and set(home) - {row.backend}:
        scrubs.move_to_backends(connection, row.object_id, home, now)
        return Done.REASSIGNING
    return Done.UNREPAIRED


def _row(place: Place, key: str) -> Row | None:
    with place.region.catalog.begin() as connection:
        return scrubs.row_of(connection, key)


def _pieces(place: Place, backend: str, key: str, size: int) -> Iterator[bytes]:
    for start in range(0, size, _PIECE):
        place.rate.take()
        yield place.region.backends[backend].get(key, start, min(start + _PIECE, size))

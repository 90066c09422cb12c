"""Check one key of a backend again, and repair it.

A listing and a row are not from the same moment: a put, a purge or a replication may have happened
in between. So a key that looks wrong is inspected again, between two reads of its row that agree,
and only then judged. This is sound because a row is committed before the first byte is sent, is
``stored`` after the last byte is written, and ``purging`` before the first byte is deleted.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from uuid import UUID

from sqlalchemy import Connection
from structlog.typing import FilteringBoundLogger

from storage.catalog import identity, objects, scrubs
from storage.catalog.kinds import ObjectState, kind_of
from storage.catalog.objects import Replica
from storage.catalog.scrubs import Row
from storage.errors import BackendError, BackendUnavailable
from storage.model import ReplicaState
from storage.objects.places import lawful_for, meant_for
from storage.objects.transfer import is_intact
from storage.policy import Done, Finding, judge, may_destroy, reassign
from storage.ports import ItemKind, StoredItem
from storage.region import OpenRegion

_TRIES = 3
_LISTED = 1000  # traces that a backend lists in one request


class Rate:
    """Counts requests, and lets one through every ``1 / rate`` seconds.

    ``clock`` gives monotonic seconds, ``sleep`` waits for some. Time that was not used is lost:
    there is no burst after a pause.
    """

    def __init__(
        self, rate: float, *, clock: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        """``rate``: requests per second. Infinite: count them, and never wait."""
        self.taken = 0
        self._every, self._clock, self._sleep = 1 / rate, clock, sleep
        self._next = clock()

    def take(self) -> None:
        """Returns when one more request may be sent."""
        wait = self._next - self._clock()
        if wait > 0:
            self._sleep(wait)
        self._next = max(self._next, self._clock()) + self._every
        self.taken += 1


def unpaced() -> Rate:
    """Return a rate that lets every request through."""
    return Rate(math.inf, clock=lambda: 0.0, sleep=lambda _: None)


@dataclass(frozen=True, slots=True)
class Traces:
    """The traces of a key: the size of its readable object, and the number of other traces."""

    key: str
    readable: int | None
    others: int


@dataclass(frozen=True, slots=True)
class Target:
    """The backend that is scrubbed."""

    region: OpenRegion
    backend: str
    rate: Rate
    log: FilteringBoundLogger

    def judge(
        self,
        row: Row | None,
        traces: Traces,
        *,
        lawful: Callable[[str | None], bool] | None = None,
    ) -> Finding | None:
        """Compare a key's row with its traces. None: they agree.

        ``lawful``: what ``lawful`` has returned lately, for many keys at once.
        """
        here = row is not None and row.backend == self.backend
        return judge(
            row.expected if row is not None and here else None,
            readable=traces.readable,
            others=traces.others,
            elsewhere=row is not None and not here,
            lawful=(lawful or self.lawful)(row.tenant if row is not None else None),
        )

    def lawful(self, tenant: str | None) -> bool:
        """Return whether what is a tenant's alone may be here (None: what several share)."""
        return bool(meant_for(self.region, tenant, [self.backend])) and (
            self.backend in self.region.lawful()
        )

    def traces(self, backend: str, key: str) -> Traces:
        """Return the traces of a key now. Raises BackendError."""
        self.rate.take()
        return summarize(key, self.region.backends[backend].list_key(key))


def summarize(key: str, found: Iterable[StoredItem]) -> Traces:
    """Summarize the traces of one key."""
    readable, others = None, 0
    for trace in found:
        if trace.kind is ItemKind.OBJECT:
            readable = trace.size
        else:
            others += 1
    return Traces(key, readable, others)


def listing(target: Target, prefix: str, after: str) -> Iterator[Traces]:
    """Yield the traces of each key under a prefix, after one key, in order."""
    found = target.region.backends[target.backend].scan(prefix, after=after)
    for key, traces in groupby(_paced(found, target.rate), key=attrgetter("key")):
        if key <= after:
            raise BackendUnavailable(target.backend, "its listing is not in the order of keys")
        yield summarize(key, traces)
        after = key


def _paced(traces: Iterator[StoredItem], rate: Rate) -> Iterator[StoredItem]:
    """A page of a listing is one request."""
    rate.take()
    for number, trace in enumerate(traces, 1):
        yield trace
        if number % _LISTED == 0:
            rate.take()


def inspect(target: Target, key: str) -> tuple[Row | None, Traces] | None:
    """Return a key's row and traces. None: another process keeps changing them."""
    before = _row(target, key)
    for _ in range(_TRIES):
        traces = target.traces(target.backend, key)
        after = _row(target, key)
        if before == after:
            return after, traces
        before = after
    return None


def intact(target: Target, backend: str, key: str, row: Row) -> bool:
    """Return whether a replica has the digest that was written. Raises BackendError."""
    source = target.region.readable(backend)
    return is_intact(source, key, row.size, row.digest, before_each=target.rate.take)


def repair(target: Target, finding: Finding, key: str, row: Row | None) -> Done:
    """Repair one finding. Raises BackendError if the scrubbed backend fails."""
    if row is None or row.backend != target.backend:
        return _orphan(target, key)
    if finding is Finding.CAME_BACK:
        now = target.region.clock.now()
        target.region.catalog.run(lambda c: scrubs.purge_again(c, row, now))
        return Done.PURGING
    return _replace(target, finding, row)


def _orphan(target: Target, key: str) -> Done:
    """Record an orphan. Purge it in the first scrub after its grace period."""
    region = target.region
    kind = kind_of(key)
    held = kind is not None and kind.keeps_orphans
    with region.catalog.begin() as connection:
        row, now = scrubs.row_of(connection, key), region.clock.now()
        if kind is not None and kind.of_log:  # what was not read may need it
            held = bool(identity.unread(connection))
        known = row is not None and row.backend == target.backend
        state = row.state.value if row is not None and known else "unknown"
        since = scrubs.note_orphan(connection, target.backend, key, now)
    destruction = may_destroy(what="orphan", state=state, held=held, now=now, since=since)
    if held:
        target.log.error("orphan_not_purged", backend=target.backend, key=key)
        return Done.UNREPAIRED
    if not destruction.allowed:
        return Done.WAITING
    target.rate.take()
    try:
        region.backends[target.backend].purge(key)
        left = target.traces(target.backend, key)
    except BackendError as error:
        target.log.warning("orphan_purge_failed", backend=target.backend, error=error.code)
        return Done.UNREPAIRED
    if left.readable is not None or left.others:
        return Done.UNREPAIRED
    with region.catalog.begin() as connection:
        scrubs.delete_orphan(connection, target.backend, key)
    return Done.PURGED


def _replace(target: Target, finding: Finding, row: Row) -> Done:
    """Mark a replica corrupt if another one is good. Never the last one."""
    good = _good_replicas(target, finding, row)
    done = target.region.catalog.run(lambda c: _mark_corrupt(target, c, finding, row, good))
    if done is Done.UNREPAIRED:
        target.log.error(
            "no_good_replica",
            region=target.region.name,
            backend=target.backend,
            object=row.object_id.hex,
            finding=finding.value,
        )
    return done


def _good_replicas(target: Target, finding: Finding, row: Row) -> set[UUID]:
    """Return replicas that can replace this one. They are read in full unless it is missing."""
    with target.region.catalog.begin() as connection:
        stored = objects.replicas_of(connection, [row.object_id], [ReplicaState.STORED])
    good = set()
    for attempt in stored.get(row.object_id, []):
        if attempt.id != row.id and _is_good(target, finding, row, attempt):
            good.add(attempt.id)
            break
    return good


def _is_good(target: Target, finding: Finding, row: Row, other: Replica) -> bool:
    try:
        if target.traces(other.backend, other.key).readable != row.size:
            return False
        return finding is Finding.MISSING or intact(target, other.backend, other.key, row)
    except BackendError:
        return False


def _mark_corrupt(
    target: Target, connection: Connection, finding: Finding, row: Row, good: set[UUID]
) -> Done:
    now = target.region.clock.now()
    known = objects.find_object(connection, row.object_id, lock=True)
    if known is None or known.state is not ObjectState.STORED:
        return Done.PURGING
    stored = objects.replicas_of(connection, [row.object_id], [ReplicaState.STORED])
    left = {attempt.id for attempt in stored.get(row.object_id, [])}
    home = reassign(known.backends, lawful_for(target.region, connection, known))
    if good & left:
        objects.mark_corrupt(connection, row.id, now)
        scrubs.move_to_backends(connection, row.object_id, home or known.backends, now)
        return Done.REPLACING
    if finding is Finding.WRONG_BACKEND and set(home) - {row.backend}:
        scrubs.move_to_backends(connection, row.object_id, home, now)
        return Done.REASSIGNING
    return Done.UNREPAIRED


def _row(target: Target, key: str) -> Row | None:
    with target.region.catalog.begin() as connection:
        return scrubs.row_of(connection, key)

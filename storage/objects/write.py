"""The write protocol: announce, send, commit. Invariant 2, no byte without a row, rests on it.

1. ``announce`` inserts, in the caller's transaction, the object (``writing``) and one replica per
   backend. Each replica has a key of its own, and a time after which no attempt to write it can
   take effect. The caller commits before it sends a byte.
2. ``Write.send`` or ``Write.upload`` transfers the bytes: one attempt per replica, and none after
   ``Write.until``. ``Write.renew`` moves that time while a long upload goes on.
3. ``Write.commit`` sets the object to ``stored``, in the transaction that inserts the rows that
   need it. ``Write.abandon`` marks everything that may have been sent for purge.

A writer that dies leaves an object in ``writing``. After its deadline the reaper marks it for
purge. The two compare and set the same row, so one of them loses: a writer that comes too late gets
False from ``commit``, and Abandoned from ``renew``.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Connection

from storage.catalog import finishing, objects
from storage.catalog.finishing import Finished
from storage.catalog.kinds import ObjectKind, ObjectState
from storage.catalog.objects import NewObject, Replica, StoredObject
from storage.errors import Abandoned, BackendClosed, BackendUnavailable
from storage.objects.recognition import reconsider
from storage.objects.transfer import MultiUpload, Sent, preserve, start
from storage.region import OpenRegion


@dataclass(frozen=True, slots=True)
class Contents:
    """What a new object holds.

    ``tenant``: set if it holds the bytes of this tenant alone. ``family``: that of the object whose
    bytes it shares. ``number``: of a ledger entry.
    """

    kind: ObjectKind
    day: date | None = None
    tenant: str | None = None
    family: UUID | None = None
    number: int | None = None


@dataclass(slots=True)
class Write:
    """One object, or one more replica of an object, on its way to its backends.

    ``until``: no byte is sent later. ``lasts``: seconds for which a renewal is good. ``accepted``:
    backends to which it goes although they are closed.
    """

    region: OpenRegion
    new: NewObject
    replicas: Sequence[Replica]
    until: datetime
    lasts: float
    accepted: Collection[str] = ()

    @property
    def id(self) -> UUID:
        """The id of the object."""
        return self.new.id

    def send(self, data: bytes, *, urgent: bool = False) -> Sent:
        """Write the whole object to every backend in parallel, one attempt each.

        ``urgent``: deletion depends on it, so it may use the room that a backend reserves for that.
        """
        return self.start(data, urgent=urgent)()

    def start(self, data: bytes, *, urgent: bool = False) -> Callable[[], Sent]:
        """Begin what ``send`` does. Return what waits for its end."""
        closed = self._closed()
        refused = {r.id: closed[r.backend] for r in self.replicas if r.backend in closed}
        some = [replica for replica in self.replicas if replica.id not in refused]
        ended = start(self.region, some, data, until=self.until, urgent=urgent)

        def end() -> Sent:
            sent = Sent(self.replicas, {**ended().failed, **refused})
            return preserve(self.region, self.new.kind, sent)

        return end

    def upload(self) -> MultiUpload:
        """Begin to stream the object to every backend. Pass the result to ``finish``."""
        return MultiUpload(self.region, self.replicas, lambda: self.until, self._closed)

    def finish(self, upload: MultiUpload) -> Sent:
        """Make a streamed object readable on every backend that took all of it."""
        return preserve(self.region, self.new.kind, upload.finish())

    def renew(self, *, force: bool = False) -> None:
        """Extend ``until`` when a third of ``lasts`` has passed. Call it before each piece.

        ``force``: extend it in any case.

        Raises Abandoned if the reaper was first: it may already have made its final absence check,
        so nothing more may be sent.
        """
        region, now = self.region, self.region.clock.now()
        if not force and (self.until - now).total_seconds() > self.lasts * 2 / 3:
            return
        until = region.deadline(now, self.lasts)
        land_by = max(region.lands_by(replica.backend, until) for replica in self.replicas)
        ids = [replica.id for replica in self.replicas]
        with region.catalog.begin() as connection:
            if not objects.renew(connection, self.id, ids, until, land_by):
                raise Abandoned
        self.until = until

    def commit(
        self,
        connection: Connection,
        sent: Sent,
        *,
        size: int,
        digest: bytes,
        compact_at: datetime | None = None,
    ) -> bool:
        """Set the object to ``stored``, and schedule the replicas that are missing.

        ``digest``: SHA-256 of the object. False: it was abandoned meanwhile, and nothing changed.
        """
        done = Done(self, sent, size, digest, compact_at)
        return bool(commit_all(self.region, connection, [done]))

    def reject(self, connection: Connection, sent: Sent) -> None:
        """Mark what was sent for purge, in a transaction that has found no use for it."""
        now = self.region.clock.now()
        objects.lock(connection, [self.id])  # before its replicas, as in ``commit``
        objects.record_results(connection, sent.stored, sent.failed, now)
        objects.mark_for_purge(connection, [self.id], now)

    def _closed(self) -> dict[str, str]:
        """Return the backends to which it may not go now, each with an error code."""
        postures = self.region.postures
        codes = dict.fromkeys(postures.closed(), BackendUnavailable.__name__)
        codes |= dict.fromkeys(postures.unfit(), BackendClosed.__name__)
        return {name: code for name, code in codes.items() if name not in self.accepted}

    def abandon(self) -> None:
        """Mark what may have been sent for purge, unless the object was committed after all."""
        with self.region.catalog.begin() as connection:
            abandon(self.region, connection, self.id)


@dataclass(frozen=True, slots=True)
class Done:
    """A write of which everything was sent. ``digest``: SHA-256 of the object."""

    write: Write
    sent: Sent
    size: int
    digest: bytes
    compact_at: datetime | None = None


def commit_all(region: OpenRegion, connection: Connection, done: Sequence[Done]) -> set[UUID]:
    """Set objects to ``stored``, and schedule the replicas that are missing.

    Return the ids of those that were not abandoned meanwhile; the others did not change.
    """
    now = region.clock.now()

    def finished(one: Done) -> Finished:
        missing = len(one.sent.stored) < len(one.write.new.backends)
        at = now if missing else None
        return Finished(one.write.id, one.size, one.digest, at, one.compact_at)

    # This locks the objects before their replicas, as the reaper does: otherwise the two deadlock.
    stored = finishing.finish_all(connection, [finished(one) for one in done])
    good = [replica for one in done for replica in one.sent.stored]
    failed = {replica: code for one in done for replica, code in one.sent.failed.items()}
    objects.record_results(connection, good, failed, now)
    return stored


def announce(
    region: OpenRegion,
    connection: Connection,
    contents: Contents,
    backends: Sequence[str],
    *,
    send_to: Sequence[str] | None = None,
    lasts: float | None = None,
    accepted: Collection[str] = (),
) -> Write:
    """Insert a new object and its replicas. See ``announce_all``."""
    (write,) = announce_all(
        region,
        connection,
        [(contents, backends)],
        send_to=send_to,
        lasts=lasts,
        accepted=accepted,
    )
    return write


def announce_all(
    region: OpenRegion,
    connection: Connection,
    given: Sequence[tuple[Contents, Sequence[str]]],
    *,
    send_to: Sequence[str] | None = None,
    lasts: float | None = None,
    accepted: Collection[str] = (),
) -> list[Write]:
    """Insert one or more new objects and their replicas. Commit before you send.

    ``given``: what they hold, and the backends where each belongs. ``send_to``: those to write to
    now (default: all; the replicate worker adds the others). ``lasts``: seconds until the write
    must be committed or renewed (default: one PUT). ``accepted``: backends that get it although
    they are closed.
    """
    lasts = lasts or region.limits.attempt
    now = region.clock.now()
    until = region.deadline(now, lasts)
    new = [
        (
            NewObject(
                region.new_uuid(now),
                contents.kind,
                contents.day,
                contents.tenant,
                tuple(backends),
                now,
                until,
                contents.family,
                contents.number,
            ),
            _targets(region, backends if send_to is None else send_to, now, until),
        )
        for contents, backends in given
    ]
    replicas = objects.announce(connection, new)
    reconsider(region, connection, {name for _, targets in new for name in targets})
    return [
        Write(region, one, some, until, lasts, accepted)
        for (one, _), some in zip(new, replicas, strict=True)
    ]


def announce_replica(
    region: OpenRegion, connection: Connection, stored: StoredObject, backend: str, lasts: float
) -> Write:
    """Insert one more replica of a stored object. Commit before you send.

    ``lasts``: seconds until its result must be recorded, or the write renewed.
    """
    now = region.clock.now()
    until = region.deadline(now, lasts)
    new = NewObject(
        stored.id,
        stored.kind,
        stored.day,
        stored.tenant,
        stored.backends,
        now,
        until,
        number=stored.number,
    )
    targets = _targets(region, [backend], now, until)
    (replicas,) = objects.add_replicas(connection, [(new, targets)])
    reconsider(region, connection, targets)
    return Write(region, new, replicas, until, lasts)


def _targets(
    region: OpenRegion, backends: Sequence[str], now: datetime, until: datetime
) -> Mapping[str, tuple[UUID, datetime]]:
    """Return an id and a time of landing for each backend."""
    return {b: (region.new_uuid(now), region.lands_by(b, until)) for b in backends}


def abandon(region: OpenRegion, connection: Connection, object_id: UUID) -> None:
    """Mark an announced object for purge, unless it was committed after all."""
    known = objects.find_object(connection, object_id, lock=True)
    if known is not None and known.state is ObjectState.WRITING:
        objects.mark_for_purge(connection, [object_id], region.clock.now())

"""The ledger: what must outlive the catalog is written to the backends before it becomes true.

Announce the entry with the next number, send it, and in one transaction make true what it tells
and make it the head. No lock is held while it is sent. Whoever reads the ledger takes every entry
as said: one that is there although its event was refused, or its writer died, does no harm.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from storage.catalog import copies, erasures, holds, identity, ledger, objects
from storage.catalog.engine import own_tenant, share_tenants
from storage.catalog.objects import NewObject, ObjectKind, ObjectState, Replica
from storage.crypto.ledger import open_entry, seal_entry
from storage.errors import (
    Abandoned,
    BackendError,
    CatalogUnavailable,
    Corrupt,
    DomicileError,
    KeyAbsent,
    KeyUnavailable,
    LedgerUnwritten,
)
from storage.events import Entry, Event, HoldRelease, NewCopy, NewErasure, NewHold
from storage.model import ReplicaState
from storage.objects.transfer import Sent, healthy_backends, send
from storage.region import OpenRegion

Ready = Callable[[Connection], object]
"""Asked under the tenant's lock before an event becomes true; raises what stands against it."""


@dataclass(frozen=True, slots=True)
class _Pending:
    """An entry that is announced, and not yet true."""

    entry: Entry
    new: NewObject
    attempts: Sequence[Replica]
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Found:
    """An object of the ledger as backends have it: its keys there, with the backend of each."""

    object_id: UUID
    number: int
    at: dict[str, str]


@dataclass(frozen=True, slots=True)
class Read:
    """What was found, opened. ``entry``: None if no backend gives back one that can be read."""

    found: Found
    sealed: bytes
    entry: Entry | None


def commit_event(
    region: OpenRegion, event: Event, ready: Ready, then: Ready = lambda _: None
) -> None:
    """Write an event to the ledger, then make it true. On return it is.

    ``then`` is asked in the same transaction, once it is true. Raises LedgerUnwritten if too few
    backends take it, Abandoned if that took too long, and what ``ready`` raises: then nothing has
    happened. CatalogUnavailable leaves that open.
    """
    pending = _announce(region, event)
    sent = send(region, pending.attempts, pending.sealed, until=pending.new.deadline, urgent=True)
    try:
        if len(sent.stored) < region.region.required:
            raise LedgerUnwritten(sent.causes)
        true = region.catalog.run(lambda c: _commit(region, c, pending, sent, (ready, then)))
    except CatalogUnavailable:
        raise  # it may be true: whoever takes stale entries finds out
    except DomicileError:
        with region.catalog.begin() as connection:
            _abandon(region, connection, pending.new.id)
        raise
    if not true:
        raise Abandoned(
            "It took too long and was given up; nothing has happened.", advice="Try again."
        )


def _announce(region: OpenRegion, event: Event) -> _Pending:
    now = region.clock.now()
    deadline = region.deadline(now)
    backends = region.lawful()
    number = region.new_uuid(now)
    sent_to = healthy_backends(region, backends, region.region.required)
    targets = {b: (region.new_uuid(now), region.lands_by(b, deadline)) for b in sent_to}

    def work(connection: Connection) -> tuple[Entry, NewObject, list[Replica]]:
        ledger.lock_numbers(connection)
        head = ledger.head(connection)
        entry = Entry(
            number=head.number + 1,
            before=head.digest,
            region=region.name,
            catalog=identity.catalog_id(connection),
            at=now,
            event=event,
        )
        new = NewObject(
            number, ObjectKind.LEDGER, None, None, backends, now, deadline, number=entry.number
        )
        return entry, new, objects.announce(connection, new, targets)

    entry, new, attempts = region.catalog.run(work)
    sealed = seal_entry(entry, new.id, region.roots, region.entropy)
    return _Pending(entry, new, attempts, sealed)


def _commit(
    region: OpenRegion,
    connection: Connection,
    pending: _Pending,
    sent: Sent,
    around: tuple[Ready, Ready],
) -> bool:
    now = region.clock.now()
    event, new = pending.entry.event, pending.new
    _own(connection, event)
    around[0](connection)
    ledger.lock_events(connection)
    objects.lock(connection, [new.id])  # before its replicas, as the reaper does
    objects.record_results(connection, sent.stored, sent.failed, now)
    again = now if len(sent.stored) < len(new.backends) else None
    digest = hashlib.sha256(pending.sealed).digest()
    if objects.finish(connection, new.id, len(pending.sealed), digest, replicate_at=again):
        _make_true(connection, event, now)
        around[1](connection)
        return True
    known = objects.find_object(connection, new.id)  # a worker took it for stale
    return known is not None and known.state is ObjectState.STORED


def _own(connection: Connection, event: Event) -> None:
    """What nobody else may be at while it becomes true."""
    match event:
        case NewCopy():  # many at once, and no erasure
            share_tenants(connection, [event.tenant])
        case NewErasure():
            own_tenant(connection, event.tenant)
        case NewHold() | HoldRelease():
            own_tenant(connection, event.tenant)
            holds.own(connection)


def _make_true(connection: Connection, event: Event, now: datetime) -> bool:
    """False: it was true already."""
    match event:
        case NewErasure():
            return erasures.add(connection, event, now)
        case NewHold():
            return holds.add(connection, event)
        case HoldRelease():
            return holds.release(connection, event.id, event.why, now)
        case NewCopy():
            return copies.announce(connection, event)


def open_found(region: OpenRegion, found: Found) -> Read:
    """An entry from the first backend that gives it back as it was written.

    Raises BackendError if one that may have it does not answer.
    """
    sealed, silent = b"", None
    for key, backend in found.at.items():
        try:
            sealed = region.backends[backend].get(key)
            return Read(found, sealed, open_entry(sealed, found.object_id, region.roots))
        except (KeyAbsent, Corrupt, KeyUnavailable):
            continue
        except BackendError as error:
            silent = error
    if silent is not None:
        raise silent
    return Read(found, sealed, None)


def replay(region: OpenRegion, connection: Connection, read: Read) -> bool:
    """Make true what an entry tells, and the entry one that the catalog knows. Repeatable.

    False: it was true already.
    """
    now = region.clock.now()
    found, entry = read.found, read.entry
    new_event = False
    if entry is not None:
        _own(connection, entry.event)
        new_event = _make_true(connection, entry.event, now)
    ledger.lock_events(connection)
    new = NewObject(
        found.object_id,
        ObjectKind.LEDGER,
        None,
        None,
        region.lawful(),
        now,
        now,
        number=entry.number if entry is not None else found.number,
    )
    objects.adopt(connection, new, found.at, now)
    digest = hashlib.sha256(read.sealed).digest()
    # looked at in any case: its writer may have left an attempt that nobody else settles
    objects.finish(connection, new.id, len(read.sealed), digest, replicate_at=now)
    return new_event


def resolve(region: OpenRegion, connection: Connection, object_id: UUID) -> bool:
    """Settle an entry whose writer has died: if a backend has it, what it tells becomes true.

    False: no backend has it, and it is given up. Raises BackendError if one does not answer.
    """
    known = objects.find_object(connection, object_id)
    if known is None or known.state is not ObjectState.WRITING or known.number is None:
        return False
    attempts = objects.replicas_of(connection, [object_id], [ReplicaState.WRITING])
    at, silent = {}, None
    for attempt in attempts.get(object_id, []):
        try:
            if region.backends[attempt.backend].list_key(attempt.key):
                at[attempt.key] = attempt.backend
        except BackendError as error:
            silent = error
    read = open_found(region, Found(object_id, known.number, at))
    if read.entry is not None:
        replay(region, connection, read)
        return True
    if silent is not None:
        raise silent
    _abandon(region, connection, object_id)
    return False


def _abandon(region: OpenRegion, connection: Connection, object_id: UUID) -> None:
    """Give it up, unless somebody has made it true."""
    known = objects.find_object(connection, object_id, lock=True)
    if known is not None and known.state is ObjectState.WRITING:
        objects.mark_for_purge(connection, [object_id], region.clock.now())

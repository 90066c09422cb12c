"""The ledger: events that must outlive the catalog are written to the backends first.

Announce the entry with the next number, send it, and in one transaction apply its event and make it
the head. No lock is held while it is sent. A reader of the ledger applies every entry that it
finds: an entry whose event was refused, or whose writer died, does no harm.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from storage.catalog import (
    consents,
    copies,
    deletions,
    erasures,
    exits,
    finishing,
    hold_changes,
    holds,
    identity,
    ledger,
    objects,
    training,
)
from storage.catalog.engine import own_tenant, share_tenants
from storage.catalog.kinds import ObjectKind, ObjectState
from storage.catalog.objects import NewObject
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
from storage.events import (
    Entry,
    Event,
    HoldConfirmation,
    HoldDecision,
    HoldEvent,
    HoldNarrowing,
    HoldRelease,
    NewConsent,
    NewCopy,
    NewErasure,
    NewHold,
    NewUses,
)
from storage.ledger import lines
from storage.ledger.consent_names import renamed
from storage.ledger.places import find_places
from storage.model import ReplicaState
from storage.objects import write
from storage.objects.places import shared
from storage.objects.transfer import Sent
from storage.objects.write import Contents, Write
from storage.policy import ExitReason
from storage.region import OpenRegion

Check = Callable[[Connection], object]
"""Runs under the tenant's lock, before an event is applied. Raises what stands against it."""

Then = Callable[[Connection], object]
"""Runs in the same transaction, after the event is applied."""


@dataclass(frozen=True, slots=True)
class _Pending:
    """An announced entry whose event is not in force yet."""

    write: Write
    event: Event
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Found:
    """A ledger entry on the backends: its keys there, each with its backend."""

    object_id: UUID
    number: int
    at: dict[str, str]


@dataclass(frozen=True, slots=True)
class Read:
    """A found entry, opened. ``entry``: None if no backend returns one that can be read."""

    found: Found
    sealed: bytes
    entry: Entry | None


def commit_event(
    region: OpenRegion, event: Event, check: Check, then: Then = lambda _: None
) -> None:
    """Write an event to the ledger, then apply it. It is in force on return.

    Raises NoOpenBackend if too few backends may take it, LedgerUnwritten if too few do, Abandoned
    if that took too long, and what ``check`` raises: in these cases the event is not in force.
    After CatalogUnavailable it may be.
    """
    pending = _announce(region, event)
    sent = pending.write.send(pending.sealed, urgent=True)
    try:
        if len(sent.good) < region.region.required:
            raise LedgerUnwritten(sent.causes, _UNDONE[type(event)])
        in_force = region.catalog.run(
            lambda c: _commit(region, c, pending, sent, check=check, then=then)
        )
    except CatalogUnavailable:
        raise  # it may be in force: the worker that resolves pending entries finds out
    except DomicileError:
        pending.write.abandon()
        raise
    if not in_force:
        raise Abandoned("The write took too long and was abandoned; nothing has happened.")


_UNDONE: Final[Mapping[type[Event], str]] = {
    NewErasure: "Nothing was erased.",
    NewHold: "The hold was not placed.",
    HoldRelease: "The hold was not released.",
    HoldConfirmation: "The hold was not changed.",
    HoldNarrowing: "The hold was not changed.",
    HoldDecision: "The hold was not changed.",
    NewConsent: "Nothing was recorded about consent.",
    NewCopy: "Nothing was handed over.",
    NewUses: "Nothing was handed out.",
}
"""What an event that the ledger lacks did not change."""


def _announce(region: OpenRegion, event: Event) -> _Pending:
    places = find_places(region, _UNDONE[type(event)])
    healthy = [name for name in places.backends if not region.backends[name].unhealthy]
    send_to = healthy if len(healthy) >= region.region.required else places.backends

    def work(connection: Connection) -> tuple[Write, Entry]:
        ledger.lock_numbers(connection)
        head, catalog = ledger.head(connection), identity.catalog_id(connection)
        number = head.number + 1
        contents = Contents(ObjectKind.LEDGER, number=number)
        new = write.announce(
            region,
            connection,
            contents,
            shared(region),
            send_to=send_to,
            accepted=places.accepted,
        )
        entry = Entry(
            number=number,
            before=head.digest,
            region=region.name,
            catalog=catalog,
            at=new.new.announced,
            event=event,
        )
        return new, entry

    new, entry = region.catalog.run(work)
    return _Pending(new, event, seal_entry(entry, new.id, region.roots, region.entropy))


def _commit(
    region: OpenRegion,
    connection: Connection,
    pending: _Pending,
    sent: Sent,
    *,
    check: Check,
    then: Then,
) -> bool:
    new, sealed = pending.write, pending.sealed
    _lock(connection, pending.event)
    check(connection)
    ledger.lock_events(connection)
    digest = hashlib.sha256(sealed).digest()
    if new.commit(connection, sent, size=len(sealed), digest=digest):
        _apply(region, connection, pending.event, replayed=False)
        then(connection)
        return True
    known = objects.find_object(connection, new.id)
    return known is not None and known.state is ObjectState.STORED  # a worker has resolved it


def _lock(connection: Connection, event: Event) -> None:
    """Take the locks that must be held while the event is applied."""
    match event:
        case NewCopy() | NewUses():  # many at once, but no erasure, and nobody withdraws
            share_tenants(connection, [event.tenant])
        case NewErasure():
            own_tenant(connection, event.tenant)
        case NewConsent():
            own_tenant(connection, event.tenant)
            consents.share(connection)
        case _:
            if event.tenant is not None:
                own_tenant(connection, event.tenant)
            holds.own(connection)


def _apply(region: OpenRegion, connection: Connection, event: Event, *, replayed: bool) -> bool:
    """Put an event into force, with its line in the log. False: it was in force already.

    ``replayed``: by a process, which takes from a hold's event who did it. Otherwise it is known by
    the login of this session.
    """
    if replayed and isinstance(event, NewConsent):
        event = renamed(region, event)
    applied = _enforce(connection, event, region.clock.now(), replayed=replayed)
    if applied:
        lines.note(connection, event, region.entropy)
    return applied


def _enforce(connection: Connection, event: Event, now: datetime, *, replayed: bool) -> bool:
    match event:
        case NewErasure():
            left = deletions.left(connection, erasures.opened(event))
            return erasures.add(connection, event, now, left)
        case NewConsent():
            return consents.add(connection, event, replayed=replayed)
        case NewCopy():
            return copies.announce(connection, event)
        case NewUses():
            return training.add(connection, event)
        case _:
            return _enforce_hold(connection, event, now, replayed=replayed)


def _enforce_hold(
    connection: Connection, event: HoldEvent, now: datetime, *, replayed: bool
) -> bool:
    match event:
        case NewHold():
            return holds.add(connection, event, replayed=replayed)
        case HoldConfirmation():
            return hold_changes.confirm(connection, event, now, replayed=replayed)
        case HoldRelease() | HoldNarrowing() | HoldDecision():
            return hold_changes.change(connection, event, now, replayed=replayed)


def _personal(event: Event) -> bool:
    """Return whether people alone put the event into force: nobody vouches for a dead writer."""
    return isinstance(event, HoldConfirmation | HoldNarrowing | HoldDecision | HoldRelease)


def _may_resolve(region: OpenRegion, connection: Connection, event: Event) -> bool:
    """Return whether an event may still become true without its writer."""
    if isinstance(event, NewErasure):
        choice = exits.of_erasure(connection, event.id)
        if choice is not None:  # an agreement may have been recorded since
            _lock(connection, event)
            return exits.begin(connection, choice, region.clock.now()) is ExitReason.ALLOWED
    return not _personal(event)


def open_found(region: OpenRegion, found: Found) -> Read:
    """Read an entry from the first backend that returns it as it was written.

    Raises BackendError if a backend that may have it does not answer.
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
    """Apply an entry that was found on the backends, and record it in the catalog. Repeatable.

    False: its event was in force already.
    """
    now = region.clock.now()
    found, entry = read.found, read.entry
    applied = False
    if entry is not None:
        _lock(connection, entry.event)
        applied = _apply(region, connection, entry.event, replayed=True)
    ledger.lock_events(connection)
    new = NewObject(
        found.object_id,
        ObjectKind.LEDGER,
        None,
        None,
        shared(region),
        now,
        now,
        number=entry.number if entry is not None else found.number,
    )
    objects.adopt(connection, new, found.at, now)
    digest = hashlib.sha256(read.sealed).digest()
    # Always have it replicated: its writer may have left a replica in ``writing``.
    finishing.finish(connection, new.id, len(read.sealed), digest, replicate_at=now)
    return applied


def resolve(region: OpenRegion, connection: Connection, object_id: UUID) -> bool:
    """Resolve an entry whose writer died: apply its event if a backend has it.

    False: it is abandoned, because no backend has it, because only the person whose login wrote it
    can put it into force, or because the erasure at the end of a contract is wanted no more.
    Raises BackendError if a backend does not answer.
    """
    known = objects.find_object(connection, object_id)
    if known is None or known.state is not ObjectState.WRITING:
        return False
    assert known.number is not None
    replicas = objects.replicas_of(connection, [object_id], [ReplicaState.WRITING])
    at, silent = {}, None
    for replica in replicas.get(object_id, []):
        try:
            if region.backends[replica.backend].list_key(replica.key):
                at[replica.key] = replica.backend
        except BackendError as error:
            silent = error
    read = open_found(region, Found(object_id, known.number, at))
    if read.entry is not None and _may_resolve(region, connection, read.entry.event):
        replay(region, connection, read)
        return True
    if read.entry is None and silent is not None:
        raise silent
    write.abandon(region, connection, object_id)
    return False

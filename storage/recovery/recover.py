"""Recovery of a restored catalog: replay the ledger, report losses, then accept the catalog.

Nothing is destroyed or served before ``finish``. Every step can be interrupted and repeated.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from typing import TypeVar
from uuid import UUID

from sqlalchemy import Connection
from structlog.typing import FilteringBoundLogger

from storage.catalog import (
    api_keys,
    dedications,
    erasure_waits,
    grants,
    holds,
    identity,
    ledger,
    log,
    objects,
    records,
    topologies,
)
from storage.catalog.kinds import ObjectKind, ObjectState
from storage.catalog.objects import NewObject
from storage.errors import BackendError, LogInvalid
from storage.events import in_order
from storage.ledger.journal import Found, Read, open_found, replay
from storage.model import LineKind, RecordId
from storage.ports import ItemKind
from storage.recovery.log import Ahead, correct, look, restore
from storage.recovery.reattach import reattach
from storage.recovery.reconcile import Difference, by_partition, name_of, reconcile
from storage.region import OpenRegion

SHOWN = 1000
"""The most lost records that a report lists. It counts all of them."""

T = TypeVar("T")

_BATCH = 500
_WRITING = 1800.0  # seconds for which requests of an old process may still be under way


@dataclass(frozen=True, slots=True)
class Lost:
    """A record whose bytes or key are on no backend."""

    tenant: str
    id: RecordId


@dataclass(slots=True)
class Report:
    """The findings of a recovery.

    ``changed``: the parts of the catalog's identity that changed (empty: it was reset in place).
    ``entries``: ledger entries that the catalog lacked; ``events``: how many of their events were
    not in force. ``unreadable``: entries that no key opens. ``missing``: entries that others name
    as their predecessor, and that no backend lists. ``silent``: backends that did not answer, whose
    contents are not in this report. ``orphaned``: objects that the catalog lacks, by kind and
    expiry day: their records are lost and they will be purged. ``reattached``: records that were
    relocated since the backup, and that a manifest lists. ``lost``: records in the catalog whose
    bytes are gone; ``lost_records`` is their number. ``lines``: lines of the log that the catalog
    lacked, or had with another text, which others may have seen. ``revoked``: grants that were in
    force in the backup, which does not know what was revoked or used since. ``api_keys``: API keys
    that were revoked for the same reason.
    """

    region: str
    changed: tuple[str, ...]
    entries: int = 0
    events: int = 0
    unreadable: int = 0
    missing: int = 0
    silent: set[str] = field(default_factory=set)
    orphaned: Counter[tuple[ObjectKind, date | None]] = field(default_factory=Counter)
    orphaned_bytes: Counter[tuple[ObjectKind, date | None]] = field(default_factory=Counter)
    reattached: int = 0
    lost_records: int = 0
    lost: list[Lost] = field(default_factory=list)
    lines: int = 0
    revoked: int = 0
    api_keys: int = 0


def _examine(region: OpenRegion, connection: Connection) -> Report | None:
    changed = identity.compare(connection).changed
    names = list(region.backends)
    report = Report(region.name, changed)
    found = _entries(region, connection, names, report.silent)
    unknown = ledger.unknown(connection, [key for entry in found for key in entry.at])
    ahead = look(region, connection, names, report.silent)
    if not changed and not unknown and ahead is None:
        return None
    identity.begin_recovery(connection)
    if ahead is not None:  # before the replay: a line that was numbered keeps its salt
        report.lines = _restore_log(region, connection, ahead, report.silent)
    report.lines += correct(region, connection, names, report.silent)
    _replay(region, connection, found, report)
    reattached: set[UUID] = set()
    for partition in by_partition(reconcile(region, connection, names, report.silent)):
        again = reattach(region, connection, partition)
        report.reattached += again.records
        reattached |= again.objects
        for difference in partition:
            if difference.name.object_id not in reattached:
                _note(connection, difference, report)
    log.append(connection, LineKind.RECOVERY, _facts(report), region.clock.now(), region.entropy)
    report.revoked = grants.revoke_of_before(connection, region.clock.now())
    report.api_keys = api_keys.revoke_of_before(connection, region.clock.now())
    return report


def _restore_log(region: OpenRegion, connection: Connection, ahead: Ahead, silent: set[str]) -> int:
    """Put back the lines of the log. 0: ``catch_up`` does when the silent backends answer."""
    try:
        with connection.begin_nested():
            return restore(region, connection, ahead, list(region.backends), silent)
    except LogInvalid:
        if silent:
            return 0
        raise


def _facts(report: Report) -> log.Facts:
    return {
        "changed": list(report.changed),
        "entries": report.entries,
        "events": report.events,
        "lines": report.lines,
        "lost_records": report.lost_records,
        "silent": sorted(report.silent),
    }


def rehearse(region: OpenRegion) -> Report | None:
    """Return the report of ``start`` without changing anything."""
    with region.catalog.begin() as connection, connection.begin_nested() as attempt:
        report = _examine(region, connection)
        attempt.rollback()
    return report


def start(region: OpenRegion) -> Report | None:
    """Replay the ledger and report what else is missing. None: the catalog was not restored.

    From then on the catalog refuses all use, until ``finish``.
    """
    with region.catalog.begin() as connection:
        return _examine(region, connection)


def finish(region: OpenRegion, silent: Collection[str]) -> None:
    """Mark orphans for purge and accept the catalog. Call it when the operator confirms.

    ``silent``: backends that did not answer. ``catch_up`` reads them when they do; no erasure
    completes before that.
    """
    unread = set(silent)
    with region.catalog.begin() as connection:
        found = reconcile(region, connection, list(region.backends), unread)
        # a part of the log may continue what a backend has that did not answer
        _repair_all(region, (d for d in found if not (unread and d.name.kind.of_log)))
    with region.catalog.begin() as connection:
        dedications.check(connection, region.region)  # also for what was just taken back
        topologies.trust(connection, region.topology, region.clock.now())
        identity.accept(connection, sorted(unread))


def catch_up(region: OpenRegion, logger: FilteringBoundLogger) -> int:
    """Read the backends that did not answer during a recovery, once they answer."""
    with region.catalog.begin() as connection:
        unread = identity.unread(connection)
    if not unread or not _log_caught_up(region):
        return 0
    left = [name for name in unread if not _caught_up(region, name, alone=unread == [name])]
    if left != unread:
        with region.catalog.begin() as connection:
            identity.set_unread(connection, left)
        logger.info("ledger_caught_up", region=region.name, left=left)
    return 0


def _log_caught_up(region: OpenRegion) -> bool:
    """Put back lines that only backends had that did not answer. False: wait for the others."""
    silent: set[str] = set()
    with region.catalog.begin() as connection:
        ahead = look(region, connection, list(region.backends), silent)
        return ahead is None or _restore_log(region, connection, ahead, silent) > 0


def _caught_up(region: OpenRegion, name: str, *, alone: bool) -> bool:
    """Read one backend. ``alone``: every other one has been read."""
    silent: set[str] = set()
    report = Report(region.name, ())
    with region.catalog.begin() as connection:
        found = _entries(region, connection, [name], silent)
        _replay(region, connection, found, report)
    with region.catalog.begin() as connection:
        others = set(region.backends) - {name}
        seen = reconcile(region, connection, [name], others)
        # a part of the log may continue what another backend has that was not read
        _repair_all(region, (d for d in seen if d.orphans and (alone or not d.name.kind.of_log)))
        silent |= {name} & others
    return not silent


def _entries(
    region: OpenRegion, connection: Connection, names: Iterable[str], silent: set[str]
) -> list[Found]:
    """Return the entries on the backends that are not resolved in the catalog."""
    found: dict[UUID, Found] = {}
    for name in names:
        try:
            for trace in region.backends[name].scan(f"{ObjectKind.LEDGER}/"):
                said = name_of(trace.key)
                number = said.number if said is not None else None
                if said is not None and number is not None and trace.kind is ItemKind.OBJECT:
                    new = Found(said.object_id, number, {})
                    found.setdefault(said.object_id, new).at[trace.key] = name
        except BackendError:
            silent.add(name)
    settled: set[UUID] = set()
    for some in _batches(found):
        settled |= ledger.resolved(connection, some)
    return [entry for object_id, entry in found.items() if object_id not in settled]


def _replay(
    region: OpenRegion, connection: Connection, found: Sequence[Found], report: Report
) -> None:
    """Replay in order: by kind of event, then by number."""
    opened: list[Read] = []
    for entry in found:
        try:
            opened.append(open_found(region, entry))
        except BackendError as error:
            report.silent.add(error.backend)
    readable = [read for read in opened if read.entry is not None]
    report.entries, report.unreadable = len(opened), len(opened) - len(readable)
    for read in sorted(readable, key=lambda x: in_order(x.entry)):  # type: ignore[arg-type]
        report.events += replay(region, connection, read)
    for read in opened:
        if read.entry is None:  # record it, so that it is reported once
            replay(region, connection, read)
    report.missing = _missing(connection, readable)


def _missing(connection: Connection, readable: Sequence[Read]) -> int:
    """Return how many entries are named as a predecessor but found nowhere."""
    named = {read.entry.before for read in readable if read.entry is not None} - {b""}
    here = {hashlib.sha256(read.sealed).digest() for read in readable}
    wanted = named - here
    return len(wanted - ledger.digests(connection, wanted))


def _note(connection: Connection, difference: Difference, report: Report) -> None:
    name = difference.name
    partition = (name.kind, name.day)
    if name.kind.of_log:
        return
    if difference.unfinished or (difference.orphans and difference.state is None):
        report.orphaned[partition] += 1
        report.orphaned_bytes[partition] += difference.size
    if difference.lost:
        for tenant, record_id in records.needing(connection, name.kind, name.day, name.object_id):
            report.lost_records += 1
            if len(report.lost) < SHOWN:
                report.lost.append(Lost(tenant, record_id))


def _repair_all(region: OpenRegion, differences: Iterable[Difference]) -> None:
    for partition in by_partition(differences):
        with region.catalog.begin() as connection:
            holds.share(connection)
            found = reattach(region, connection, partition)
        left = (d for d in partition if d.name.object_id not in found.objects)
        for some in _batches(left):
            with region.catalog.begin() as connection:
                for difference in some:
                    _repair(region, connection, difference, found.unwanted)


def _repair(
    region: OpenRegion, connection: Connection, difference: Difference, unwanted: Collection[UUID]
) -> None:
    """Adopt what the catalog lacks, and replace what the backends lack."""
    now = region.clock.now()
    name = difference.name
    readable = name.object_id in unwanted
    if name.kind.under_hold and difference.state is None and not readable:
        return  # keep it although no key opens it: its hold may be in the ledger
    # Check again: a replica may have been announced while the backends were listed.
    orphans = ledger.unknown(connection, difference.orphans)
    at = {key: difference.orphans[key] for key in orphans}
    if at:
        late = region.deadline(now, _WRITING)
        land_by = max(region.lands_by(backend, late) for backend in at.values())
        backends = tuple(set(at.values()))
        new = NewObject(
            name.object_id, name.kind, name.day, None, backends, now, now, number=name.number
        )
        objects.adopt(connection, new, at, land_by)
        if difference.state is not ObjectState.STORED:
            objects.mark_for_purge(connection, [name.object_id], now)
            erasure_waits.await_orphan(connection, name.object_id)
    if not difference.lost:  # keep the last replica: it may be found later
        for attempt in difference.absent:
            objects.mark_corrupt(connection, attempt, now)


def _batches(things: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(things)
    while some := list(islice(rest, _BATCH)):
        yield some

"""Recovery of a restored catalog: the ledger is replayed, losses are told, then it is settled.

Nothing is destroyed or served before ``finish``. Every step can be cut off and made again.
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

from storage.catalog import erasures, holds, identity, ledger, objects, records
from storage.catalog.objects import NewObject, ObjectKind, ObjectState
from storage.errors import BackendError
from storage.events import in_order
from storage.ledger.journal import Found, Read, open_found, replay
from storage.model import RecordId
from storage.ports import ItemKind
from storage.recovery.reattach import reattach
from storage.recovery.reconcile import Difference, by_partition, name_of, reconcile
from storage.region import OpenRegion

SHOWN = 1000
"""The most lost records that a report names; it counts them all."""

T = TypeVar("T")

_BATCH = 500
_UNDER_HOLD = (ObjectKind.HELD, ObjectKind.HOLD_KEY)
_WRITING = 1800.0  # seconds for which what an old process sends may still be on its way


@dataclass(frozen=True, slots=True)
class Lost:
    """A record of which no backend has the bytes or the key any more."""

    tenant: str
    id: RecordId


@dataclass(slots=True)
class Report:
    """What a recovery found.

    ``moved``: what of the catalog's place has changed (empty: it was set back in its place).
    ``entries``: how many of the ledger it did not know, of which ``events`` were news to it;
    ``unreadable``: that nobody can open; ``missing``: that others name as the one before, and that
    no backend shows. ``silent``: backends that did not answer: what they hold is not in here.
    ``forgotten``: objects on backends by kind and expiry day, with their bytes, of which the
    catalog has forgotten what they hold: their records are lost, and they have to go.
    ``found_again``: records that were moved since, and that objects say they hold. ``lost``:
    records of which the catalog knows and the bytes are gone, ``lost_records`` of them.
    """

    region: str
    moved: tuple[str, ...]
    entries: int = 0
    events: int = 0
    unreadable: int = 0
    missing: int = 0
    silent: set[str] = field(default_factory=set)
    forgotten: Counter[tuple[ObjectKind, date | None]] = field(default_factory=Counter)
    forgotten_bytes: Counter[tuple[ObjectKind, date | None]] = field(default_factory=Counter)
    found_again: int = 0
    lost_records: int = 0
    lost: list[Lost] = field(default_factory=list)


def _examine(region: OpenRegion, connection: Connection) -> Report | None:
    moved = identity.look(connection).moved
    names = list(region.backends)
    report = Report(region.name, moved)
    found = _entries(region, connection, names, report.silent)
    strangers = ledger.unknown(connection, [key for entry in found for key in entry.at])
    if not moved and not strangers:
        return None
    identity.begin_recovery(connection)
    _replay(region, connection, found, report)
    taken: set[UUID] = set()
    for partition in by_partition(reconcile(region, connection, names, report.silent)):
        again = reattach(region, connection, partition)
        report.found_again += again.records
        taken |= again.objects
        for difference in partition:
            if difference.name.object_id not in taken:
                _note(connection, difference, report)
    return report


def rehearse(region: OpenRegion) -> Report | None:
    """What ``start`` would find. Nothing is changed."""
    with region.catalog.begin() as connection, connection.begin_nested() as attempt:
        report = _examine(region, connection)
        attempt.rollback()
    return report


def start(region: OpenRegion) -> Report | None:
    """Replay the ledger, and say what else was forgotten. None: no copy, and nothing is done.

    From then on until ``finish`` nobody uses the catalog.
    """
    with region.catalog.begin() as connection:
        return _examine(region, connection)


def finish(region: OpenRegion, silent: Collection[str]) -> None:
    """The operator's word: what was forgotten goes, and the catalog is used from now on.

    ``silent``: backends that did not answer when it was examined. What they hold is dealt with by
    ``catch_up`` when they do, and no erasure is complete before.
    """
    unread = set(silent)
    with region.catalog.begin() as connection:
        _repair_all(region, reconcile(region, connection, list(region.backends), unread))
    with region.catalog.begin() as connection:
        identity.accept(connection, sorted(unread))


def catch_up(region: OpenRegion, log: FilteringBoundLogger) -> int:
    """Read what backends hold that did not answer during a recovery, once they answer."""
    with region.catalog.begin() as connection:
        unread = identity.unread(connection)
    left = [name for name in unread if not _caught_up(region, name)]
    if left != unread:
        with region.catalog.begin() as connection:
            identity.set_unread(connection, left)
        log.info("ledger_caught_up", region=region.name, left=left)
    return 0


def _caught_up(region: OpenRegion, name: str) -> bool:
    silent: set[str] = set()
    report = Report(region.name, ())
    with region.catalog.begin() as connection:
        found = _entries(region, connection, [name], silent)
        _replay(region, connection, found, report)
    with region.catalog.begin() as connection:
        others = set(region.backends) - {name}
        seen = reconcile(region, connection, [name], others)
        _repair_all(region, (d for d in seen if d.orphans))
        silent |= {name} & others
    return not silent


def _entries(
    region: OpenRegion, connection: Connection, names: Iterable[str], silent: set[str]
) -> list[Found]:
    """The entries that backends show, and of which the catalog does not know the end."""
    found: dict[UUID, Found] = {}
    for name in names:
        try:
            for trace in region.backends[name].scan(f"{ObjectKind.LEDGER}/"):
                said = name_of(trace.key)
                if said is not None and said.partition.isdigit() and trace.kind is ItemKind.OBJECT:
                    new = Found(said.object_id, int(said.partition), {})
                    found.setdefault(said.object_id, new).at[trace.key] = name
        except BackendError:
            silent.add(name)
    settled: set[UUID] = set()
    for some in _batches(found):
        settled |= ledger.settled(connection, some)
    return [entry for object_id, entry in found.items() if object_id not in settled]


def _replay(
    region: OpenRegion, connection: Connection, found: Sequence[Found], report: Report
) -> None:
    """In order: by kind of event, then by number. The order of the two of one number is open."""
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
        if read.entry is None:  # known from now on, so that it is told once
            replay(region, connection, read)
    report.missing = _missing(connection, readable)


def _missing(connection: Connection, readable: Sequence[Read]) -> int:
    """How many entries are named as the one before, and are nowhere."""
    named = {read.entry.before for read in readable if read.entry is not None} - {b""}
    here = {hashlib.sha256(read.sealed).digest() for read in readable}
    wanted = named - here
    return len(wanted - ledger.digests(connection, wanted))


def _note(connection: Connection, difference: Difference, report: Report) -> None:
    name = difference.name
    partition = (name.kind, name.day)
    if difference.unfinished or (difference.orphans and difference.state is None):
        report.forgotten[partition] += 1
        report.forgotten_bytes[partition] += difference.size
    if difference.lost:
        for tenant, record_id in records.needing(connection, name.day, name.object_id):
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
    """Know of what is there, so that it goes or is of use; make again what is absent."""
    now = region.clock.now()
    name = difference.name
    readable = name.object_id in unwanted
    if name.kind in _UNDER_HOLD and difference.state is None and not readable:
        return  # what a hold kept stays, though nobody can open it: the hold is in the ledger
    # asked again: what was announced while the backends were listed is no orphan
    orphans = ledger.unknown(connection, difference.orphans)
    at = {key: difference.orphans[key] for key in orphans}
    if at:
        late = region.deadline(now, _WRITING)
        land_by = max(region.lands_by(backend, late) for backend in at.values())
        new = NewObject(
            name.object_id, name.kind, name.day, None, tuple(set(at.values())), now, now
        )
        objects.adopt(connection, new, at, land_by)
        if difference.state is not ObjectState.STORED:
            objects.mark_for_purge(connection, [name.object_id], now)
            erasures.await_orphan(connection, name.object_id)
    if not difference.lost:  # the last replica is left: it may yet be found
        for attempt in difference.absent:
            objects.mark_corrupt(connection, attempt, now)


def _batches(things: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(things)
    while some := list(islice(rest, _BATCH)):
        yield some

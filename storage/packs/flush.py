"""Packs, from records to rows: screen, announce, send, commit.

Several small packs of as many tenants share the two transactions, and each keeps its own outcome:
one that is abandoned or refused does not change those of the others.

Announce and commit share the tenants' advisory locks, and check the fences in a later statement. So
an erasure sees every pack that may hold its bytes: a pack that was announced before the fence is
``writing`` when the erasure plans, and one that is announced later was checked against the fence.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from uuid import UUID

from sqlalchemy import Connection

from storage.catalog import days, erasure_waits, erasures, fences, objects, records, tenants
from storage.catalog.engine import share_tenants
from storage.catalog.kinds import ObjectKind
from storage.catalog.records import Found, Row
from storage.catalog.refusals import disconnected
from storage.errors import (
    Abandoned,
    DomicileError,
    Expired,
    LineageConflict,
    StaleId,
    TermsChanged,
    TooFewReplicas,
)
from storage.objects import write
from storage.objects.keyring import KeyRing
from storage.objects.transfer import Sent, healthy_backends
from storage.objects.write import Contents, Done, Write
from storage.packs.outcomes import Outcomes, after_lost_commit, resolve
from storage.packs.placing import misplaced
from storage.packs.sealed import LaneKey, Lineage, Name, SealedRecord, erased, inherit, lineage_of
from storage.policy import plan_erasure, too_old
from storage.region import OpenRegion


@dataclass(frozen=True, slots=True)
class Pack:
    """An announced pack, and the records that it is to hold."""

    write: Write
    batch: list[SealedRecord]

    @property
    def required(self) -> int:
        """How many replicas a write needs."""
        return self.batch[0].lane.required


@dataclass(frozen=True, slots=True)
class SentPack:
    """A pack that enough backends have. ``digest``: SHA-256 of it."""

    pack: Pack
    sent: Sent
    digest: bytes


class _Lost(Exception):
    """Packs that were abandoned before their commit."""

    def __init__(self, packs: Collection[UUID]) -> None:
        super().__init__()
        self.packs = packs


def write_packs(
    region: OpenRegion, keys: KeyRing, batches: Sequence[Sequence[SealedRecord]]
) -> None:
    """Store records that are in memory, a pack for each batch, and resolve their futures.

    All lanes have the same backends. No record is in two batches.
    """
    packs = announce(region, keys, batches, lasts=region.limits.attempt * 2)
    sending = []
    for pack in packs:
        data = _joined(pack.batch)
        sending.append((pack, pack.write.start(data), hashlib.sha256(data).digest()))
    ready = []
    for pack, end, digest in sending:
        sent = end()
        if len(sent.good) < pack.required:
            abandon(pack, TooFewReplicas(sent.causes))
        else:
            ready.append(SentPack(pack, sent, digest))
    commit(region, keys, ready)


def _joined(batch: Sequence[SealedRecord]) -> bytes:
    """Return the bytes of a pack, and set where each record begins in it."""
    start = 0
    for record in batch:
        record.start, record.length = start, len(record.sealed)
        start += record.length
    return b"".join(record.sealed for record in batch)


def announce(
    region: OpenRegion,
    keys: KeyRing,
    batches: Sequence[Sequence[SealedRecord]],
    *,
    lasts: float,
) -> list[Pack]:
    """Commit the rows of packs. Records that need no bytes are resolved at once.

    ``lasts``: seconds until a pack must be committed or renewed. One of which no record is left is
    not in the result.
    """
    lane = batches[0][0].lane
    send_to = healthy_backends(region, lane.backends, lane.required)

    def work(connection: Connection) -> tuple[Outcomes, list[Pack]]:
        share_tenants(connection, [record.tenant for batch in batches for record in batch])
        answered, left = _screen(region, connection, batches)
        there = [outcome.object_id for _, outcome in answered if isinstance(outcome, Row)]
        if there:  # on this server alone, perhaps: a lock is logged, so the commit waits
            objects.lock(connection, there)
        if not left:
            return answered, []
        contents = [_contents(batch[0].lane) for batch in left]
        new = write.announce_all(
            region,
            connection,
            [(each, lane.backends) for each in contents],
            send_to=send_to,
            lasts=lasts,
        )
        return answered, [Pack(one, batch) for one, batch in zip(new, left, strict=True)]

    answered, packs = region.catalog.run(work)
    resolve(region, keys, answered)
    return packs


def _contents(lane: LaneKey) -> Contents:
    return Contents(ObjectKind.PACK, day=lane.day, tenant=lane.tenant)


def commit(region: OpenRegion, keys: KeyRing, packs: Sequence[SentPack]) -> None:
    """Commit packs with their records, and resolve every future."""
    while packs:
        try:
            outcomes = region.catalog.run(partial(_commit, region, packs=packs))
        except _Lost as lost:
            _fail_lost(packs, lost.packs)
            packs = [one for one in packs if one.pack.write.id not in lost.packs]
        except Exception as error:
            if not disconnected(error):
                raise
            for one in packs:
                after_lost_commit(region, keys, one.pack.write.id, one.pack.batch, error)
            return
        else:
            resolve(region, keys, outcomes)
            return


def _fail_lost(packs: Sequence[SentPack], lost: Collection[UUID]) -> None:
    for one in packs:
        if one.pack.write.id in lost:
            for record in one.pack.batch:
                record.fail(Abandoned())


def abandon(pack: Pack, error: DomicileError) -> None:
    """Mark the pack for purge, and fail its records with ``error``."""
    pack.write.abandon()
    for record in pack.batch:
        record.fail(error)


def _screen(
    region: OpenRegion, connection: Connection, batches: Sequence[Sequence[SealedRecord]]
) -> tuple[Outcomes, list[list[SealedRecord]]]:
    """Separate the records that need bytes from those that can be answered without."""
    wanted = {(r.tenant, i) for batch in batches for r in batch for i in (r.id, *r.parents)}
    found = records.find_all(connection, wanted)
    answered: Outcomes = []
    waiting: list[SealedRecord] = []
    for batch in batches:
        waiting += _unanswered(region, batch, found, answered)
    if not waiting:
        return answered, []
    fenced = _fenced(connection, waiting)
    refusals: dict[Name, DomicileError] = {waiting[n].name: erased() for n in fenced}
    refusals = _changed(connection, waiting) | refusals
    answered += [(r, refusals[r.name]) for r in waiting if r.name in refusals]
    stay = {record.name for record in waiting} - refusals.keys()
    done = {id(record) for record, _ in answered}
    left = [[r for r in batch if r.name in stay and id(r) not in done] for batch in batches]
    return answered, [batch for batch in left if batch]


def _unanswered(
    region: OpenRegion,
    batch: Sequence[SealedRecord],
    found: Mapping[Name, Found],
    answered: Outcomes,
) -> list[SealedRecord]:
    """Return the records of a pack that are not stored yet; add the others to ``answered``."""
    left: dict[Name, SealedRecord] = {}
    for record in batch:
        stored = found.get(record.name)
        if stored is not None:
            answered.append((record, erased() if stored.fenced else stored.row))
            continue
        try:
            record.lineage = _inherit(region, record, found, left)
        except DomicileError as error:
            answered.append((record, error))
            continue
        left[record.name] = record
    return list(left.values())


def _inherit(
    region: OpenRegion,
    record: SealedRecord,
    found: Mapping[Name, Found],
    earlier: Mapping[Name, SealedRecord],
) -> Lineage:
    """Return the lineage of a record with that of its parents, stored or in the same pack."""
    parents = []
    for parent in record.parents:
        name = record.tenant, parent.unique
        if name in found and found[name].fenced:
            raise erased()
        if name in found:
            lineage = lineage_of(found[name].row)
        elif name in earlier:
            lineage = earlier[name].lineage
        else:
            raise LineageConflict(
                "A record that this one derives from is not stored.",
                advice="Store it first, and derive from records of the same tenant.",
            )
        cascades = region.topology.cascades_to(parent.data_class, record.id.data_class)
        parents.append((parent.unique, lineage, cascades))
    return inherit(record.lineage, parents) if parents else record.lineage


def _commit(region: OpenRegion, connection: Connection, packs: Sequence[SentPack]) -> Outcomes:
    now, batch = region.clock.now(), [r for one in packs for r in one.pack.batch]
    share_tenants(connection, [record.tenant for record in batch])
    refusals = _refusals(region, connection, [one.pack for one in packs], now)
    lost = [
        one.pack.write.id
        for one in packs
        if one.pack.write.new.day is None
        and not objects.lock_stored_key(connection, one.pack.batch[0].key_id)
    ]
    if lost:
        raise _Lost(lost)
    added = _add(connection, packs, refusals, now)
    before = {record.name for record in batch} - refusals.keys() - added
    stored = records.find_all(connection, {(r.tenant, r.id) for r in batch if r.name in before})
    _finish(region, connection, packs, added, now)
    return [(r, refusals.get(r.name) or _outcome(r, added, stored)) for r in batch]


def _add(
    connection: Connection,
    packs: Sequence[SentPack],
    refusals: Collection[Name],
    now: datetime,
) -> set[Name]:
    """Insert the rows that are not refused; return the names of those that were new."""
    rows: dict[date | None, list[Row]] = {}
    for one in packs:
        new = one.pack.write.new
        fit = [record for record in one.pack.batch if record.name not in refusals]
        rows.setdefault(new.day, []).extend(record.row(new.id, now) for record in fit)
    added: set[Name] = set()
    for day, some in rows.items():
        added |= records.add(connection, day, some) if some else set()
    return added


def _finish(
    region: OpenRegion,
    connection: Connection,
    packs: Sequence[SentPack],
    added: Collection[Name],
    now: datetime,
) -> None:
    """Set the packs to stored that got a row, and mark the others for purge. Raises _Lost."""
    done = []
    for one in packs:
        batch = one.pack.batch
        new = sum(record.name in added for record in batch)
        if not new:
            one.pack.write.reject(connection, one.sent)
            continue
        compact_at = _compact_at(region, one.pack, now) if new < len(batch) else None
        size = sum(record.length for record in batch)
        done.append(Done(one.pack.write, one.sent, size, one.digest, compact_at))
    wanted = {one.write.id for one in done}
    lost = wanted - write.commit_all(region, connection, done) if done else set()
    if lost:
        raise _Lost(lost)


def _outcome(
    record: SealedRecord, added: set[Name], stored: Mapping[Name, Found]
) -> DomicileError | Row | None:
    if record.name in added:
        return None
    # If no row is found, one was there at the insert, and an erasure has deleted it since.
    found = stored.get(record.name)
    return erased() if found is None else found.row


def _compact_at(region: OpenRegion, pack: Pack, now: datetime) -> datetime | None:
    """Return when to compact a pack in which some bytes belong to no record."""
    bounds = region.topology.bounds
    plan = plan_erasure(live=1, expiry_day=pack.write.new.day, now=now, bounds=bounds)
    return plan.at if plan.action == "compact" else None


def _refusals(
    region: OpenRegion, connection: Connection, packs: Sequence[Pack], now: datetime
) -> dict[Name, DomicileError]:
    """Return the records that may not be committed although their bytes are written, and why."""
    days_ = sorted({pack.write.new.day for pack in packs if pack.write.new.day is not None})
    over = {d for d in days_ if now.date() >= d or not days.is_open(connection, d)}
    refusals: dict[Name, DomicileError] = {
        record.name: Expired("Its expiry day has begun.")
        for pack in packs
        if pack.write.new.day in over
        for record in pack.batch
    }
    batch = [(pack, r) for pack in packs if pack.write.new.day not in over for r in pack.batch]
    if not batch:
        return refusals
    some = [record for _, record in batch]
    fenced = _fenced(connection, some)
    for erasure in erasures.open_among(connection, set().union(*fenced.values())):
        there = {batch[n][0].write.id for n, by in fenced.items() if erasure in by}
        erasure_waits.await_objects(connection, erasure, there)
    refusals |= {r.name: no for r in some if (no := misplaced(region, r, now.date())) is not None}
    refusals |= _changed(connection, some)
    refusals |= {some[n].name: erased() for n in fenced}
    return refusals | {record.name: StaleId() for record in some if too_old(record.id, now)}


def _fenced(connection: Connection, batch: Sequence[SealedRecord]) -> dict[int, set[UUID]]:
    """Return the erasures that cover each record, by position."""
    tenants = {record.tenant for record in batch}
    oldest = min(record.lineage.origin for record in batch)
    return fences.covering_any(
        connection, tenants, oldest, lambda: [record.fence_query() for record in batch]
    )


def _changed(connection: Connection, batch: Sequence[SealedRecord]) -> dict[Name, DomicileError]:
    """Return the records of tenants whose terms are not those by which the record was placed."""
    current = tenants.versions(connection, {record.tenant for record in batch})
    return {
        record.name: TermsChanged(advice="Try again.")
        for record in batch
        if current.get(record.tenant) != record.terms.version
    }

"""One pack, from records to rows: screen, announce, send, commit.

Announce and commit share the tenants' advisory locks, and check the fences in a later statement. So
an erasure sees every pack that may hold its bytes: a pack that was announced before the fence is
``writing`` when the erasure plans, and one that is announced later was checked against the fence.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from storage.catalog import days, erasure_waits, erasures, fences, objects, records, tenants
from storage.catalog.engine import share_tenants
from storage.catalog.kinds import ObjectKind
from storage.catalog.records import Found, Row
from storage.catalog.refusals import disconnected, unavailable
from storage.crypto.record import fingerprint, unwrap_key
from storage.errors import (
    Abandoned,
    CatalogUnavailable,
    ConfigurationError,
    DomicileError,
    Expired,
    IdConflict,
    LineageConflict,
    OutcomeUnknown,
    StaleId,
    TermsChanged,
    TooFewReplicas,
)
from storage.model import PutResult
from storage.objects import write
from storage.objects.keyring import KeyRing
from storage.objects.transfer import Sent, healthy_backends
from storage.objects.write import Contents, Write
from storage.packs.sealed import Lineage, Name, SealedRecord, erased, inherit, lineage_of
from storage.policy import plan_erasure, term_of, too_old
from storage.region import OpenRegion

Outcomes = list[tuple[SealedRecord, DomicileError | Row | None]]
"""What to answer for each record. None: stored. A row: a record with this id was there before."""


@dataclass(frozen=True, slots=True)
class Pack:
    """An announced pack, and the records that it is to hold."""

    write: Write
    batch: list[SealedRecord]


def write_pack(region: OpenRegion, keys: KeyRing, batch: Sequence[SealedRecord]) -> None:
    """Store records that are in memory, and resolve their futures."""
    pack = announce(region, keys, batch, lasts=region.limits.attempt * 2)
    if pack is None:
        return
    start = 0
    for record in pack.batch:
        record.start, record.length = start, len(record.sealed)
        start += record.length
    data = b"".join(record.sealed for record in pack.batch)
    sent = pack.write.send(data)
    if len(sent.good) < batch[0].lane.required:
        abandon(pack, TooFewReplicas(sent.causes))
        return
    commit(region, keys, pack, sent, hashlib.sha256(data).digest())


def announce(
    region: OpenRegion, keys: KeyRing, batch: Sequence[SealedRecord], *, lasts: float
) -> Pack | None:
    """Commit the rows of a pack. Records that need no bytes are resolved at once.

    ``lasts``: seconds until the pack must be committed or renewed. None: no record is left.
    """
    lane = batch[0].lane
    send_to = healthy_backends(region, lane.backends, lane.required)

    def work(connection: Connection) -> tuple[Outcomes, Pack | None]:
        share_tenants(connection, [record.tenant for record in batch])
        answered, left = _screen(region, connection, batch)
        there = [outcome.object_id for _, outcome in answered if isinstance(outcome, Row)]
        if there:  # on this server alone, perhaps: a lock is logged, so the commit waits
            objects.lock(connection, there)
        if not left:
            return answered, None
        new = write.announce(
            region,
            connection,
            Contents(ObjectKind.PACK, day=lane.day, tenant=lane.tenant),
            lane.backends,
            send_to=send_to,
            lasts=lasts,
        )
        return answered, Pack(new, left)

    answered, pack = region.catalog.run(work)
    _resolve(region, keys, answered)
    return pack


def commit(region: OpenRegion, keys: KeyRing, pack: Pack, sent: Sent, digest: bytes) -> None:
    """Commit the pack with its records, and resolve every future."""
    try:
        outcomes = region.catalog.run(lambda c: _commit(region, c, pack, sent, digest))
    except Exception as error:
        if not disconnected(error):
            raise
        _after_lost_commit(region, keys, pack, error)
        return
    _resolve(region, keys, outcomes)


def abandon(pack: Pack, error: DomicileError) -> None:
    """Mark the pack for purge, and fail its records with ``error``."""
    pack.write.abandon()
    for record in pack.batch:
        record.fail(error)


def _screen(
    region: OpenRegion, connection: Connection, batch: Sequence[SealedRecord]
) -> tuple[Outcomes, list[SealedRecord]]:
    """Separate the records that need bytes from those that can be answered without."""
    wanted = {(record.tenant, i) for record in batch for i in (record.id, *record.parents)}
    found = records.find_all(connection, wanted)
    answered: Outcomes = []
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
    waiting = list(left.values())
    if not waiting:
        return answered, waiting
    fenced = fences.covering(connection, [r.fence_query() for r in waiting])
    refusals: dict[Name, DomicileError] = {waiting[n].name: erased() for n in fenced}
    refusals = _changed(connection, waiting) | refusals
    answered += [(r, refusals[r.name]) for r in waiting if r.name in refusals]
    return answered, [record for record in waiting if record.name not in refusals]


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


def _commit(
    region: OpenRegion, connection: Connection, pack: Pack, sent: Sent, digest: bytes
) -> Outcomes:
    now, new, batch = region.clock.now(), pack.write.new, pack.batch
    share_tenants(connection, [record.tenant for record in batch])
    refusals = _refusals(connection, pack, now)
    if new.day is None and not objects.lock_stored_key(connection, batch[0].key_id):
        raise Abandoned
    fit = [record for record in batch if record.name not in refusals]
    rows = [record.row(new.id, now) for record in fit]
    added = records.add(connection, new.day, rows) if rows else set()
    taken = {(r.tenant, r.id) for r in fit if r.name not in added}
    stored = records.find_all(connection, taken)
    if not added:
        pack.write.reject(connection, sent)
    elif not pack.write.commit(
        connection,
        sent,
        size=sum(record.length for record in batch),
        digest=digest,
        compact_at=_compact_at(region, pack, now) if len(added) < len(batch) else None,
    ):
        raise Abandoned
    return [(r, refusals.get(r.name) or _outcome(r, added, stored)) for r in batch]


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


def _refusals(connection: Connection, pack: Pack, now: datetime) -> dict[Name, DomicileError]:
    """Return the records that may not be committed although their bytes are written, and why."""
    day, batch = pack.write.new.day, pack.batch
    if day is not None and (now.date() >= day or not days.is_open(connection, day)):
        return {record.name: Expired("Its expiry day has begun.") for record in batch}
    fenced = fences.covering(connection, [record.fence_query() for record in batch])
    refusals: dict[Name, DomicileError] = {batch[n].name: erased() for n in fenced}
    refusals |= {r.name: StaleId() for r in batch if too_old(r.id, now)}
    for erasure in erasures.open_among(connection, set().union(*fenced.values())):
        erasure_waits.await_objects(connection, erasure, [pack.write.id])
    return _changed(connection, batch) | refusals


def _changed(connection: Connection, batch: Sequence[SealedRecord]) -> dict[Name, DomicileError]:
    """Return the records of tenants whose terms are not those by which the record was placed."""
    current = tenants.versions(connection, {record.tenant for record in batch})
    return {
        record.name: TermsChanged(advice="Try again.")
        for record in batch
        if current.get(record.tenant) != record.terms.version
    }


def _after_lost_commit(region: OpenRegion, keys: KeyRing, pack: Pack, error: Exception) -> None:
    """Find out what became of a commit whose answer was lost."""

    def work(connection: Connection) -> Outcomes | None:
        known = objects.find_object(connection, pack.write.id, lock=True)
        if known is not None and known.size is None:  # the commit did not happen
            objects.mark_for_purge(connection, [pack.write.id], region.clock.now())
            return None
        stored = records.find_all(connection, {(r.tenant, r.id) for r in pack.batch})
        return [
            (r, stored[r.name].row if r.name in stored else OutcomeUnknown(str(r.id)))
            for r in pack.batch
        ]

    try:
        outcomes = region.catalog.run(work)
    except (CatalogUnavailable, ConfigurationError):
        for record in pack.batch:
            unknown = OutcomeUnknown(str(record.id))
            unknown.__cause__ = error
            record.fail(unknown)
        return
    if outcomes is None:
        failure = unavailable(region.name)
        failure.__cause__ = error
        for record in pack.batch:
            record.fail(failure)
    else:
        _resolve(region, keys, outcomes)


def _resolve(region: OpenRegion, keys: KeyRing, outcomes: Outcomes) -> None:
    """Answer each caller."""
    for record, outcome in outcomes:
        if outcome is None:
            record.succeed()
        elif isinstance(outcome, DomicileError):
            record.fail(outcome)
        else:
            _answer_again(region, keys, record, outcome)


def _answer_again(region: OpenRegion, keys: KeyRing, record: SealedRecord, row: Row) -> None:
    """The id is taken. Same content: give the same answer. Other content: IdConflict."""
    try:
        key = unwrap_key(keys.open(row.key_id), row.wrapped_key)
        same = hmac.compare_digest(fingerprint(key, record.whole()), row.fingerprint)
    except DomicileError as error:
        record.fail(error)
        return
    if same:
        deadline = term_of(row.id.day, region.topology.bounds).deadline
        record.future.set_result(PutResult(row.id, stored=True, deadline=deadline))
    else:
        record.fail(IdConflict(advice="Mint another id; the record that has this one stays."))

"""One pack from rows to bytes to rows: announce, send, commit.

Announce and commit hold the tenants' advisory locks and check the fences in a later statement, so
an erasure sees every pack that may hold its bytes: what was announced before its fence is
``writing`` when it plans, and what is announced after has been checked against the fence.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from storage.catalog import days, erasures, fences, objects, records, tenants
from storage.catalog.engine import disconnected, share_tenants, unavailable
from storage.catalog.objects import NewObject, ObjectKind, Replica
from storage.catalog.records import Found, Row
from storage.crypto.record import fingerprint, unwrap_key
from storage.errors import (
    Abandoned,
    CatalogUnavailable,
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
from storage.objects.keyring import KeyRing
from storage.objects.transfer import Sent, healthy_backends
from storage.packs.sealed import Lineage, SealedRecord, erased, inherit, lineage_of
from storage.policy import plan_erasure, term_of, too_old
from storage.region import OpenRegion

Verdicts = list[
    tuple[SealedRecord, DomicileError | Row | None]
]  # None: stored; a row: it was there before


@dataclass(frozen=True, slots=True)
class Announced:
    """A pack that may now be sent, and what it will hold."""

    new: NewObject
    attempts: list[Replica]
    items: list[SealedRecord]


def announce(
    region: OpenRegion, keys: KeyRing, items: Sequence[SealedRecord], *, patience: float
) -> Announced | None:
    """Commit the rows of a pack for these items. Those that need no bytes are resolved at once.

    ``patience``: in so many seconds it is sent, or renewed. None: nothing is left to be written.
    """
    where, now = items[0].where, region.clock.now()
    deadline = region.deadline(now, patience)
    own = where.tenant
    new = NewObject(
        region.new_uuid(now), ObjectKind.PACK, where.day, own, where.backends, now, deadline
    )
    targets = {
        b: (region.new_uuid(now), region.lands_by(b, deadline))
        for b in healthy_backends(region, where.backends, where.required)
    }

    def work(connection: Connection) -> tuple[Verdicts, list[SealedRecord], list[Replica]]:
        share_tenants(connection, [item.tenant for item in items])
        refused, left = _sift(region, connection, items)
        if not left:
            return refused, left, []
        return refused, left, objects.announce(connection, new, targets)

    refused, left, attempts = region.catalog.run(work)
    resolve(region, keys, refused)
    return Announced(new, attempts, left) if left else None


def commit(region: OpenRegion, keys: KeyRing, pack: Announced, sent: Sent, digest: bytes) -> None:
    """Make what was sent true, and resolve every item."""
    try:
        verdicts = region.catalog.run(lambda c: _commit(region, c, pack, sent, digest))
    except Exception as error:
        if not isinstance(error, CatalogUnavailable) and not disconnected(error):
            raise
        _after_lost_commit(region, keys, pack, error)
        return
    resolve(region, keys, verdicts)


def give_up(region: OpenRegion, pack: Announced, error: DomicileError) -> None:
    """Nothing of the pack is to be kept: its replicas must go, its items fail."""
    with region.catalog.begin() as connection:
        objects.mark_for_purge(connection, [pack.new.id], region.clock.now())
    for item in pack.items:
        item.fail(error)


def resolve(region: OpenRegion, keys: KeyRing, verdicts: Verdicts) -> None:
    """Tell each caller what became of its record."""
    for item, verdict in verdicts:
        if verdict is None:
            item.succeed()
        elif isinstance(verdict, DomicileError):
            item.fail(verdict)
        else:
            _same_answer(region, keys, item, verdict)


def _sift(
    region: OpenRegion, connection: Connection, items: Sequence[SealedRecord]
) -> tuple[Verdicts, list[SealedRecord]]:
    """Which items need bytes; for the others, what they get instead."""
    wanted = {(item.tenant, i) for item in items for i in (item.id, *item.parents)}
    found = records.find_all(connection, wanted)
    refused: Verdicts = []
    left: dict[tuple[str, bytes], SealedRecord] = {}
    for item in items:
        there = found.get(item.name)
        if there is not None:
            refused.append((item, erased() if there.fenced else there.row))
            continue
        try:
            item.lineage = _inherit(region, item, found, left)
        except DomicileError as error:
            refused.append((item, error))
            continue
        left[item.name] = item
    waiting = list(left.values())
    fenced = (
        fences.covering(connection, [item.fence_query() for item in waiting]) if waiting else {}
    )
    refused += [(item, erased()) for n, item in enumerate(waiting) if n in fenced]
    return refused, [item for n, item in enumerate(waiting) if n not in fenced]


def _inherit(
    region: OpenRegion,
    item: SealedRecord,
    found: dict[tuple[str, bytes], Found],
    earlier: dict[tuple[str, bytes], SealedRecord],
) -> Lineage:
    parents = []
    for parent in item.parents:
        name = item.tenant, parent.unique
        if name in found and found[name].fenced:
            raise erased()
        if name in found:
            lineage = lineage_of(found[name].row)
        elif name in earlier:
            lineage = earlier[name].lineage
        else:
            raise LineageConflict(
                "A record that this one derives from is not there.",
                advice="Store it first, and derive from records of the same tenant.",
            )
        cascades = region.topology.cascades_to(parent.data_class, item.id.data_class)
        parents.append((parent.unique, lineage, cascades))
    return inherit(item.lineage, parents) if parents else item.lineage


def _commit(
    region: OpenRegion, connection: Connection, pack: Announced, sent: Sent, digest: bytes
) -> Verdicts:
    now, new, items = region.clock.now(), pack.new, pack.items
    share_tenants(connection, [item.tenant for item in items])
    refusals = _refusals(region, connection, pack, now)
    if new.day is None and not objects.lock_stored_key(connection, items[0].key_id):
        raise Abandoned
    fit = [item for item in items if id(item) not in refusals]
    added = records.add(connection, new.day, [i.row(new.id, now) for i in fit]) if fit else set()
    there = records.find_all(connection, {(i.tenant, i.id) for i in fit if i.name not in added})
    # the object before its replicas, as the reaper does: else the two would wait for each other
    if not added:
        objects.lock(connection, [new.id])
    elif not _finish(
        region, connection, pack, sent, digest, now=now, bytes_lost=len(added) < len(items)
    ):
        raise Abandoned
    objects.record_results(connection, sent.stored, sent.failed, now)
    if not added:
        objects.mark_for_purge(connection, [new.id], now)
    return [
        (i, None if i.name in added else refusals.get(id(i)) or _taken(i, there)) for i in items
    ]


def _taken(item: SealedRecord, there: Mapping[tuple[str, bytes], Found]) -> DomicileError | Row:
    """Who has its id. Nobody: it was there at our insert, and an erasure has taken it since."""
    found = there.get(item.name)
    return erased() if found is None else found.row


def _finish(
    region: OpenRegion,
    connection: Connection,
    pack: Announced,
    sent: Sent,
    digest: bytes,
    *,
    now: datetime,
    bytes_lost: bool,
) -> bool:
    """``bytes_lost``: some of the pack's bytes belong to no record, so it is to be compacted."""
    new = pack.new
    short = len(sent.stored) < len(new.backends)
    compact_at = None
    if bytes_lost:
        plan = plan_erasure(live=1, expiry_day=new.day, now=now, bounds=region.topology.bounds)
        compact_at = plan.at if plan.action == "compact" else None
    size = sum(item.length for item in pack.items)
    return objects.finish(
        connection, new.id, size, digest, replicate_at=now if short else None, compact_at=compact_at
    )


def _refusals(
    region: OpenRegion, connection: Connection, pack: Announced, now: datetime
) -> dict[int, DomicileError]:
    """What keeps items from being committed, after their bytes are written."""
    day = pack.new.day
    if day is not None and (now.date() >= day or not days.is_open(connection, day)):
        return {id(item): Expired("Its expiry day has come.") for item in pack.items}
    fenced = fences.covering(connection, [item.fence_query() for item in pack.items])
    refusals: dict[int, DomicileError] = {id(pack.items[n]): erased() for n in fenced}
    refusals |= {
        id(item): StaleId() for item in pack.items if too_old(item.id, now, region.topology.bounds)
    }
    for erasure in erasures.open_among(connection, set().union(*fenced.values())):
        erasures.await_objects(connection, erasure, [pack.new.id])
    current = tenants.versions(connection, {item.tenant for item in pack.items})
    for item in pack.items:
        if current.get(item.tenant) != item.known.version:
            refusals.setdefault(id(item), TermsChanged(advice="Try again."))
    return refusals


def _after_lost_commit(
    region: OpenRegion, keys: KeyRing, pack: Announced, error: Exception
) -> None:
    """The answer to the commit was lost. Ask what happened, and make sure of it."""

    def work(connection: Connection) -> Verdicts | None:
        known = objects.find_object(connection, pack.new.id, lock=True)
        if known is not None and known.size is None:  # it was never stored
            objects.mark_for_purge(connection, [pack.new.id], region.clock.now())
            return None
        there = records.find_all(connection, {(i.tenant, i.id) for i in pack.items})
        return [
            (item, there[item.name].row if item.name in there else OutcomeUnknown(str(item.id)))
            for item in pack.items
        ]

    try:
        verdicts = region.catalog.run(work)
    except CatalogUnavailable:
        for item in pack.items:
            lost = OutcomeUnknown(str(item.id))
            lost.__cause__ = error
            item.fail(lost)
        return
    if verdicts is None:
        failure = unavailable(region.name)
        failure.__cause__ = error
        for item in pack.items:
            item.fail(failure)
    else:
        resolve(region, keys, verdicts)


def _same_answer(region: OpenRegion, keys: KeyRing, item: SealedRecord, row: Row) -> None:
    """The id is taken: by the same content, then it is the same answer."""
    try:
        key = unwrap_key(keys.open(row.key_id), row.wrapped_key)
        same = hmac.compare_digest(fingerprint(key, item.whole()), row.fingerprint)
    except DomicileError as error:
        item.fail(error)
        return
    if same:
        deadline = term_of(row.id.day, region.topology.bounds).deadline
        item.future.set_result(PutResult(row.id, stored=True, deadline=deadline))
    else:
        item.fail(IdConflict(advice="Mint another id; the record that has this one stays."))


def write_pack(
    region: OpenRegion,
    keys: KeyRing,
    items: Sequence[SealedRecord],
    transmit: Callable[[Sequence[Replica], bytes, datetime], Sent],
) -> None:
    """All three steps for records that are in memory."""
    pack = announce(region, keys, items, patience=region.limits.attempt * 2)
    if pack is None:
        return
    start = 0
    for item in pack.items:
        item.start, item.length = start, len(item.sealed)
        start += item.length
    data = b"".join(item.sealed for item in pack.items)
    sent = transmit(pack.attempts, data, pack.new.deadline)
    if len(sent.stored) < items[0].where.required:
        give_up(region, pack, TooFewReplicas(sent.causes))
        return
    commit(region, keys, pack, sent, hashlib.sha256(data).digest())

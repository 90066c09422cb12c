"""Erase: delete the rows of fenced erasures, compact their packs, sign receipts."""

import hashlib

from sqlalchemy import Connection
from structlog.typing import FilteringBoundLogger

from storage.catalog import (
    copies,
    deferrals,
    deletions,
    erasure_status,
    erasure_waits,
    erasures,
    holds,
    identity,
    objects,
    signing_keys,
    training,
)
from storage.catalog import log as lines
from storage.catalog.erasures import OpenErasure
from storage.evidence.issue import build_receipt
from storage.evidence.keys import key_id
from storage.evidence.receipts import sign
from storage.model import LineKind
from storage.objects.release import release_objects
from storage.packs.compact import compact_pack
from storage.policy import ASK_AHEAD, LEASE
from storage.region import OpenRegion

ROWS = 1000
PACKS = 16
RECEIPTS = 50


def plan(region: OpenRegion, log: FilteringBoundLogger) -> int:
    """Delete one batch of rows of one erasure, and record the objects that hold their bytes."""
    return region.catalog.run(lambda connection: _plan(region, connection, log))


def compact(region: OpenRegion, log: FilteringBoundLogger) -> int:
    """Compact a batch of packs that are due. A pack that fails is due again later."""
    now = region.clock.now()
    with region.catalog.begin() as connection:
        due = objects.claim_due(connection, "compact_at", now, now + LEASE, PACKS)
    for object_id in due:
        if not compact_pack(region, object_id):
            log.warning("compaction_postponed", region=region.name, object=object_id.hex)
    return len(due)


def complete(region: OpenRegion, log: FilteringBoundLogger) -> int:
    """Sign receipts for erasures that wait for nothing: one signature for a batch."""
    now = region.clock.now()
    with region.catalog.begin() as connection:
        if identity.unread(connection):  # these backends may hold bytes that an erasure covers
            return 0
        ready = erasure_status.lock_to_complete(connection, RECEIPTS)
        receipts = [build_receipt(region, connection, erasure, now) for erasure in ready]
        if not receipts:
            return 0
        issued_at = max(receipt.issued_at for receipt in receipts)
        tokens = sign(receipts, region.signing, issued_at=issued_at)
        for erasure, token in zip(ready, tokens, strict=True):
            erasures.mark_complete(connection, erasure, token, now)
            digest = hashlib.sha256(token.encode()).hexdigest()
            facts: lines.Facts = {"erasure": str(erasure), "receipt": digest}
            lines.append(connection, LineKind.RECEIPT, facts, now, region.entropy)
            log.info("erasure_complete", region=region.name, erasure=str(erasure))
        public = region.signing.public_key()
        signing_keys.note(connection, key_id(public), public.public_bytes_raw(), issued_at)
    return len(ready)


def _plan(region: OpenRegion, connection: Connection, log: FilteringBoundLogger) -> int:
    holds.share(connection)
    erasure = erasures.lock_next_to_plan(connection)
    if erasure is None:
        return 0
    if not erasure.awaited:
        erasure_waits.await_writers(connection, erasure)
    deleted, now = 0, region.clock.now()
    # Copies first: without the rows, nothing tells which copies to request the deletion of.
    if copies.await_covered(connection, erasure, now, ASK_AHEAD, ROWS) == ROWS:
        return 1
    if training.await_covered(connection, erasure, ROWS) == ROWS:
        return 1
    for table in deletions.tables_of(erasure):
        gone = deletions.delete_scope(connection, table, erasure, now=now, limit=ROWS - deleted)
        deleted += len(gone)
        if gone:
            erasure_waits.await_objects(
                connection, erasure.id, release_objects(region, connection, table, gone)
            )
        if deleted >= ROWS:
            break
    erasures.add_deleted(connection, erasure.id, deleted)
    if deleted < ROWS:
        _planned(region, connection, erasure, log)
    return 1


def _planned(
    region: OpenRegion, connection: Connection, erasure: OpenErasure, log: FilteringBoundLogger
) -> None:
    """Finish planning. Rows that a hold keeps defer the erasure until the hold is released."""
    now = region.clock.now()
    kept_by = deferrals.count_held(connection, erasure)
    if kept_by:
        deferrals.defer(connection, erasure.id, kept_by, now)
        log.info("erasure_deferred", region=region.name, erasure=str(erasure.id))
        return
    erasure_waits.await_earlier(connection, erasure)
    erasures.note_left(connection, erasure.id, deletions.left(connection, erasure))
    erasures.mark_planned(connection, erasure.id, now)
    log.info("erasure_planned", region=region.name, erasure=str(erasure.id))

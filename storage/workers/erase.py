"""Erase: from a fence to deleted rows, to purged or compacted packs, to a receipt."""

from sqlalchemy import Connection
from structlog.typing import FilteringBoundLogger

from storage.catalog import copies, deferrals, erasures, holds, identity, records, signing_keys
from storage.catalog import tables as t
from storage.catalog.erasures import OpenErasure
from storage.evidence.issue import build_receipt
from storage.evidence.keys import key_id
from storage.evidence.receipts import sign
from storage.objects.release import release_objects
from storage.policy import ASK_AHEAD
from storage.region import OpenRegion

ROWS = 1000
RECEIPTS = 50


def plan(region: OpenRegion, log: FilteringBoundLogger) -> int:
    """Delete one batch of rows of one erasure, and note the objects that hold their bytes."""
    return region.catalog.run(lambda connection: _plan(region, connection, log))


def complete(region: OpenRegion, log: FilteringBoundLogger) -> int:
    """Sign receipts of erasures that wait for nothing any more: one signature for all of them."""
    now = region.clock.now()
    with region.catalog.begin() as connection:
        if identity.unread(connection):  # what they hold may be what an erasure covers
            return 0
        ready = erasures.take_complete(connection, RECEIPTS)
        receipts = [build_receipt(region, connection, erasure, now) for erasure in ready]
        if not receipts:
            return 0
        issued_at = max(receipt.issued_at for receipt in receipts)
        tokens = sign(receipts, region.signing, issued_at=issued_at)
        for erasure, token in zip(ready, tokens, strict=True):
            erasures.complete(connection, erasure, token, now)
            log.info("erasure_complete", region=region.name, erasure=str(erasure))
        public = region.signing.public_key()
        signing_keys.note(connection, key_id(public), public.public_bytes_raw(), issued_at)
    return len(ready)


def _plan(region: OpenRegion, connection: Connection, log: FilteringBoundLogger) -> int:
    holds.share(connection)
    erasure = erasures.take_fenced(connection)
    if erasure is None:
        return 0
    if not erasure.awaited:
        erasures.await_writers(connection, erasure)
    deleted, now = 0, region.clock.now()
    # copies first: with the rows go the keys of what there is to ask back
    if copies.await_covered(connection, erasure, now, ASK_AHEAD, ROWS) == ROWS:
        return 1
    for table in (t.record, t.file, t.held):
        gone = records.delete_scope(
            connection,
            table,
            erasure.tenant,
            erasure.scope,
            sought=erasure.sought,
            cutoff=erasure.cutoff,
            now=now,
            limit=ROWS - deleted,
        )
        deleted += len(gone)
        if gone:
            erasures.await_objects(
                connection, erasure.id, release_objects(region, connection, table, gone)
            )
        if deleted >= ROWS:
            break
    erasures.count(connection, erasure.id, deleted)
    if deleted < ROWS:
        _planned(region, connection, erasure, log)
    return 1


def _planned(
    region: OpenRegion, connection: Connection, erasure: OpenErasure, log: FilteringBoundLogger
) -> None:
    """All rows are gone but those that a hold keeps: while there is one, it is never complete."""
    now = region.clock.now()
    kept_by = deferrals.count_held(connection, erasure)
    if kept_by:
        deferrals.defer(connection, erasure.id, kept_by, now)
        log.info("erasure_deferred", region=region.name, erasure=str(erasure.id))
        return
    erasures.await_earlier(connection, erasure)
    erasures.mark_planned(connection, erasure.id, now)
    log.info("erasure_planned", region=region.name, erasure=str(erasure.id))

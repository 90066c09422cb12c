"""Erase: from a fence to deleted rows, to purged or compacted packs, to a receipt."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import Connection
from structlog.typing import FilteringBoundLogger

from storage.catalog import erasures, identity, objects, records, signing_keys
from storage.catalog import tables as t
from storage.catalog.erasures import OpenErasure
from storage.evidence.completion import receipt_for
from storage.evidence.keys import key_id
from storage.evidence.receipts import sign
from storage.policy import plan_object
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
        receipts = [receipt_for(region, connection, erasure, now) for erasure in ready]
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
    erasure = erasures.take_fenced(connection)
    if erasure is None:
        return 0
    if not erasure.awaited:
        erasures.await_writers(connection, erasure)
    deleted = 0
    for table in (t.record, t.file):
        gone = records.delete_scope(
            connection, table, erasure.tenant, erasure.scope, sought=erasure.sought,
            cutoff=erasure.cutoff, limit=ROWS - deleted,
        )  # fmt: skip
        deleted += len(gone)
        _release(region, connection, erasure, gone)
        if deleted >= ROWS:
            break
    now = region.clock.now()
    erasures.count(connection, erasure.id, deleted)
    if deleted < ROWS:
        erasures.await_earlier(connection, erasure)
        erasures.mark_planned(connection, erasure.id, now)
        log.info("erasure_planned", region=region.name, erasure=str(erasure.id))
    return 1


def _release(
    region: OpenRegion, connection: Connection, erasure: OpenErasure,
    gone: Sequence[tuple[UUID, UUID]],
) -> None:  # fmt: skip
    """What becomes of the objects that the deleted rows were in, and of the keys of files."""
    if not gone:
        return
    now = region.clock.now()
    touched = sorted({object_id for object_id, _ in gone})
    locked = objects.lock(connection, touched)
    file_keys = {key_id for object_id, key_id in gone if locked[object_id] is None}
    erasures.note_objects(connection, erasure.id, [*touched, *file_keys])
    doomed = list(file_keys)
    for day in set(locked.values()):
        some = [object_id for object_id in touched if locked[object_id] == day]
        doomed += _emptied(region, connection, day, some)
    objects.doom(connection, doomed, now)


def _emptied(
    region: OpenRegion, connection: Connection, day: date | None, some: Sequence[UUID]
) -> list[UUID]:
    """Those of the objects in which nothing is alive; the others are put down for compaction."""
    now, bounds = region.clock.now(), region.topology.bounds
    live = records.live(connection, day, some)
    empty = []
    for object_id in some:
        verdict = plan_object(live=live.get(object_id, 0), expiry_day=day, now=now, bounds=bounds)
        if verdict.action == "purge":
            empty.append(object_id)
        elif verdict.action == "compact":
            objects.compact_by(connection, object_id, verdict.at)
    return empty

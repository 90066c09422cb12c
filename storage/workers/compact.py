"""Compact: packs of which an erasure took records, at most once per window."""

from structlog.typing import FilteringBoundLogger

from storage.catalog import objects
from storage.packs.compact import compact as rewrite
from storage.policy import LEASE
from storage.region import OpenRegion

BATCH = 16


def compact(region: OpenRegion, log: FilteringBoundLogger) -> int:
    """Rewrite a batch of packs that are due. What fails is due again after a while."""
    now = region.clock.now()
    with region.catalog.begin() as connection:
        due = objects.claim_due(connection, "compact_at", now, now + LEASE, BATCH)
    for object_id in due:
        if not rewrite(region, object_id):
            log.warning("compaction_put_off", region=region.name, object=object_id.hex)
    return len(due)

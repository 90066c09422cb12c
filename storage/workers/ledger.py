"""The ledger's own duties: entries whose writer died are settled, and old ones are given up."""

from datetime import timedelta

from structlog.typing import FilteringBoundLogger

from storage.catalog import ledger, objects
from storage.errors import BackendError
from storage.ledger.journal import resolve
from storage.policy import ledger_from
from storage.region import OpenRegion

_BATCH = 100
_PRUNED = 1000


def resolve_entries(region: OpenRegion, log: FilteringBoundLogger) -> int:
    """Settle a batch of entries that were never finished. What fails is tried again."""
    now = region.clock.now()
    with region.catalog.begin() as connection:
        stale = ledger.take_stale(connection, now - 2 * region.clock.error, _BATCH)
    done = 0
    for entry in stale:
        try:
            true = region.catalog.run(lambda c, entry=entry: resolve(region, c, entry))  # type: ignore[misc]
        except BackendError as error:
            log.warning("entry_unsettled", backend=error.backend, error=error.code)
            continue
        done += 1
        log.info("entry_settled", region=region.name, true=true)
    return int(done == _BATCH)


def prune_ledger(region: OpenRegion, log: FilteringBoundLogger) -> int:
    """Give up a batch of entries that are older than any backup of the catalog."""
    now = region.clock.now()
    before = ledger_from(now, timedelta(days=region.region.catalog_backup_days))
    with region.catalog.begin() as connection:
        old = ledger.old(connection, before, _PRUNED)
        pruned = objects.mark_for_purge(connection, old, now)
    if pruned:
        log.debug("ledger_pruned", region=region.name, entries=pruned)
    return int(pruned == _PRUNED)

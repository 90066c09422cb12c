"""Ledger duties: resolve entries whose writer died, prune old entries."""

from structlog.typing import FilteringBoundLogger

from storage.catalog import ledger, objects
from storage.errors import BackendError
from storage.ledger.journal import resolve
from storage.region import OpenRegion
from storage.workers.due import cutoffs

_BATCH = 100
_PRUNED = 1000


def resolve_entries(region: OpenRegion, log: FilteringBoundLogger) -> int:
    """Resolve a batch of pending entries. An entry that fails is tried again."""
    at = cutoffs(region)
    with region.catalog.begin() as connection:
        stale = ledger.find_stale(connection, at.stale, _BATCH)
    done = 0
    for entry in stale:
        try:
            in_force = region.catalog.run(lambda c, entry=entry: resolve(region, c, entry))  # type: ignore[misc]
        except BackendError as error:
            log.warning("entry_pending", backend=error.backend, error=error.code)
            continue
        done += 1
        log.info("entry_resolved", region=region.name, in_force=in_force)
    return int(done == _BATCH)


def prune_ledger(region: OpenRegion, log: FilteringBoundLogger) -> int:
    """Mark a batch of entries for purge that are older than any backup of the catalog."""
    at = cutoffs(region)
    with region.catalog.begin() as connection:
        old = ledger.find_old(connection, at.entries, _PRUNED)
        pruned = objects.mark_for_purge(connection, old, at.now)
    if pruned:
        log.debug("ledger_pruned", region=region.name, entries=pruned)
    return int(pruned == _PRUNED)

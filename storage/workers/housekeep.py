"""Housekeeping: make partitions ahead, abandon stale writes, prune old rows."""

from datetime import timedelta

from structlog.typing import FilteringBoundLogger

from regions.model import Keeping
from storage.catalog import copies, days, erasures, fences, holds, objects, purges
from storage.catalog.objects import ObjectKind
from storage.policy import horizon_wanted
from storage.region import OpenRegion

_BATCH = 1000
_UNUSED = timedelta(hours=1)


def make_partitions(region: OpenRegion, log: FilteringBoundLogger) -> int:
    """Make the missing partitions up to the horizon."""
    today = region.clock.now().date()
    until = horizon_wanted(region.topology, today)
    wanted = [today + timedelta(days=n) for n in range(1, (until - today).days + 1)]
    with region.catalog.begin() as connection:
        if days.missing(connection, wanted):
            days.lock_making(connection)
            made = days.make(connection, wanted)
            log.info("partitions_made", region=region.name, count=made, horizon=str(until))
    return 0


def reap(region: OpenRegion, log: FilteringBoundLogger) -> int:
    """Abandon writes after their deadline, and purge keys that no row uses."""
    now = region.clock.now()
    with region.catalog.begin() as connection:
        stale = objects.abandon_stale(connection, now - 2 * region.clock.error, _BATCH)
        unused = max(
            objects.mark_unused_keys(connection, now, before=now - _UNUSED, limit=_BATCH, kind=kind)
            for kind in (ObjectKind.FILE_KEY, ObjectKind.HOLD_KEY)
        )
    if stale or unused:
        log.info("reaped", region=region.name, objects=stale, keys=unused)
    return int(max(stale, unused) == _BATCH)


def prune(region: OpenRegion, log: FilteringBoundLogger) -> int:
    """Delete a batch of rows that nothing needs: old fences, gone objects, old evidence."""
    now = region.clock.now()
    rule = region.topology.jurisdictions[region.region.jurisdiction]
    with region.catalog.begin() as connection:
        pruned = {
            "fences": fences.prune(connection, now - 2 * region.clock.error, _BATCH),
            "objects": purges.prune_gone(connection, now, _BATCH),
            "replicas": purges.prune_replicas(connection, now, _BATCH),
            "copies": copies.prune(connection, _BATCH),
            "erasures": erasures.prune(connection, now - _days(rule.receipts), _BATCH),
            "holds": holds.prune(connection, now - _days(rule.holds), _BATCH),
        }
    if any(pruned.values()):
        log.debug("pruned", region=region.name, **pruned)
    return int(max(pruned.values()) == _BATCH)


def _days(kept: Keeping) -> timedelta:
    return timedelta(days=kept.days)

"""Release: resume what a released hold deferred."""

from sqlalchemy import Connection
from structlog.typing import FilteringBoundLogger

from storage.catalog import deferrals, deletions, holds
from storage.catalog import tables as t
from storage.objects.release import release_objects
from storage.region import OpenRegion

ROWS = 1000


def release(region: OpenRegion, log: FilteringBoundLogger) -> int:
    """Resume the erasures of one released hold, and delete rows that no other hold keeps."""
    return region.catalog.run(lambda connection: _release(region, connection, log))


def _release(region: OpenRegion, connection: Connection, log: FilteringBoundLogger) -> int:
    holds.share(connection)
    taken = holds.lock_next_to_resume(connection)
    if taken is None:
        return 0
    (hold, tenant), now = taken, region.clock.now()
    resumed = deferrals.resume(connection, tenant, now)
    gone = deletions.delete_released(connection, tenant, now, ROWS)
    if gone:
        release_objects(region, connection, t.held, gone)
    if len(gone) < ROWS:
        holds.mark_resumed(connection, hold, now)
        log.info("hold_resumed", region=region.name, hold=str(hold), erasures=len(resumed))
    return 1

"""Release: resume what a released or narrowed hold deferred."""

from sqlalchemy import Connection
from structlog.typing import FilteringBoundLogger

from storage.catalog import deferrals, deletions, holds, shortening
from storage.catalog import tables as t
from storage.objects.release import release_objects
from storage.region import OpenRegion

ROWS = 1000


def release(region: OpenRegion, log: FilteringBoundLogger) -> int:
    """Take one hold that was released or narrowed one step further.

    First a batch of the erasures that were deferred until then is planned again. When there are no
    more, a batch of the held records is looked through, and those that no hold keeps are deleted.
    At the end, tenants with records that ended early are looked at again.
    """
    return region.catalog.run(lambda connection: _release(region, connection, log))


def _release(region: OpenRegion, connection: Connection, log: FilteringBoundLogger) -> int:
    holds.share(connection)
    hold = holds.lock_next_to_resume(connection)
    if hold is None:
        return 0
    now = region.clock.now()
    until = hold.since + 2 * region.clock.error  # by the clock of whoever deferred it
    resumed = deferrals.resume(connection, hold.tenant, until, now, ROWS)
    if resumed:
        log.info("erasures_resumed", region=region.name, hold=str(hold.id), count=len(resumed))
    if len(resumed) == ROWS:
        return 1
    found = deletions.delete_released(connection, hold.tenant, hold.passed, now, ROWS)
    if found.gone:
        release_objects(region, connection, t.held, found.gone)
    if found.last is None:
        holds.mark_resumed(connection, hold.id, now)
        shortening.look_again(connection, hold.tenant)
        log.info("hold_resumed", region=region.name, hold=str(hold.id))
    else:
        holds.note_passed(connection, hold.id, found.last)
    return 1

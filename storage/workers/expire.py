"""Expire: a day that has come loses its packs, its rows and its keys."""

from datetime import timedelta

from sqlalchemy.exc import DBAPIError
from structlog.typing import FilteringBoundLogger

from storage.catalog import days, objects
from storage.catalog.days import DayState, Overdue
from storage.catalog.objects import ObjectKind
from storage.packs.keyring import KeyRing
from storage.policy import may_destroy
from storage.region import OpenRegion

_BATCH = 1000
_LEASE = timedelta(minutes=10)
_AGAIN = timedelta(minutes=1)


def expire(region: OpenRegion, keys: KeyRing, log: FilteringBoundLogger) -> int:
    """Take one day that has come a step further. Says 1 if that left more to do at once."""
    now = region.clock.now()
    with region.catalog.begin() as connection:
        begun = days.begin_expiry(connection, now)
        due = days.claim_due(connection, now, now + _LEASE, 1)
    if begun is not None:
        keys.forget(begun)
        log.info("day_expiring", region=region.name, day=str(begun))
    return max([int(begun is not None), *(_advance(region, day, log) for day in due)])


def _advance(region: OpenRegion, due: Overdue, log: FilteringBoundLogger) -> int:
    kind = ObjectKind.PACK if due.state is DayState.EXPIRING else ObjectKind.DAY_KEY
    if _doom(region, due, kind):
        return _later(region, due, timedelta())
    if due.state is DayState.EXPIRING:
        return _drop_rows(region, due, log)
    with region.catalog.begin() as connection:
        left = days.unfinished(connection, due.day)
        if not left:
            days.forget(connection, due.day)
    if left:
        return _later(region, due, _AGAIN)
    log.info("day_gone", region=region.name, day=str(due.day))
    return 1


def _doom(region: OpenRegion, due: Overdue, kind: ObjectKind) -> int:
    """Give up a batch of the day's objects."""
    now = region.clock.now()
    held = False
    permit = may_destroy(what="key", state=due.state, held=held, now=now, day=due.day)
    if not permit.allowed:
        return 0
    with region.catalog.begin() as connection:
        some = days.objects_to_go(connection, due.day, [kind], _BATCH)
        return objects.doom(connection, some, now)


def _drop_rows(region: OpenRegion, due: Overdue, log: FilteringBoundLogger) -> int:
    """With its partition go the day's record keys: nothing of it can be opened any more."""
    held = False
    now = region.clock.now()
    permit = may_destroy(what="partition", state=due.state, held=held, now=now, day=due.day)
    if not permit.allowed:
        return _later(region, due, _AGAIN)
    try:
        days.drop_partition(region.catalog.engine, due.day)
    except DBAPIError as error:
        log.warning(
            "partition_busy", region=region.name, day=str(due.day), error=type(error).__name__
        )
        return _later(region, due, _AGAIN)
    with region.catalog.begin() as connection:
        days.mark_dropped(connection, due.day, now)
    return _later(region, due, timedelta())


def _later(region: OpenRegion, due: Overdue, delay: timedelta) -> int:
    with region.catalog.begin() as connection:
        days.release(connection, due.day, region.clock.now() + delay)
    return int(not delay)

"""Expire: a day that has come loses its packs, its rows and its keys."""

from datetime import timedelta

from sqlalchemy.exc import DBAPIError
from structlog.typing import FilteringBoundLogger

from storage.catalog import days, erasures, holds, objects
from storage.catalog.days import DayState, Overdue
from storage.catalog.objects import ObjectKind
from storage.objects.keyring import KeyRing
from storage.packs.relocate import relocate_held
from storage.policy import LEASE, WAITING, may_destroy
from storage.region import OpenRegion

_BATCH = 1000
_CARRIED = 16  # packs at a time


def expire(region: OpenRegion, keys: KeyRing, log: FilteringBoundLogger) -> int:
    """Take one day that has come a step further. Says 0 if none can go further now.

    A day that has to wait must not hold up the others: it is due again later, and counts.
    """
    now = region.clock.now()
    with region.catalog.begin() as connection:
        begun = days.begin_expiry(connection, now)
        due = days.claim_due(connection, now, now + LEASE, 1)
    if begun is not None:
        keys.forget(begun)
        log.info("day_expiring", region=region.name, day=str(begun))
    for day in due:
        _advance(region, keys, day, log)
    return len(due) + int(begun is not None)


def _advance(region: OpenRegion, keys: KeyRing, due: Overdue, log: FilteringBoundLogger) -> None:
    kind = ObjectKind.PACK if due.state is DayState.EXPIRING else ObjectKind.DAY_KEY
    if _doom(region, due, kind):
        _later(region, due, timedelta())
        return
    if due.state is DayState.EXPIRING:
        waits = _carry(region, keys, due, log)
        _later(region, due, _drop_rows(region, due, log) if waits is None else waits)
        return
    with region.catalog.begin() as connection:
        left = days.unfinished(connection, due.day)
        if not left:
            days.delete(connection, due.day)
    if left:
        _later(region, due, WAITING)
    else:
        log.info("day_gone", region=region.name, day=str(due.day))


def _doom(region: OpenRegion, due: Overdue, kind: ObjectKind) -> int:
    """Give up a batch of the day's objects; packs in which something is held stay for now."""
    now = region.clock.now()
    with region.catalog.begin() as connection:
        held = kind is ObjectKind.DAY_KEY and days.holds_rows(connection, due.day)
        permit = may_destroy(what="key", state=due.state, held=held, now=now, day=due.day)
        if not permit.allowed:
            return 0
        some = days.objects_to_go(connection, due.day, [kind], _BATCH)
        return objects.mark_for_purge(connection, some, now)


def _carry(
    region: OpenRegion, keys: KeyRing, due: Overdue, log: FilteringBoundLogger
) -> timedelta | None:
    """Take what is held out of a batch of packs. None: there is nothing; else how long to wait.

    A pack that cannot be carried now holds up the day, and no other pack.
    """
    with region.catalog.begin() as connection:
        packs = holds.packs_held(connection, due.day, _BATCH)
    if not packs:
        return None
    carried, until = 0, region.clock.now() + LEASE / 2
    for pack in packs:
        if carried == _CARRIED or region.clock.now() > until:
            break
        if relocate_held(region, keys, due.day, pack):
            carried += 1
        else:
            log.warning("carrying_put_off", region=region.name, day=str(due.day), object=pack.hex)
    return timedelta() if carried else WAITING


def _drop_rows(region: OpenRegion, due: Overdue, log: FilteringBoundLogger) -> timedelta:
    """With its partition go the day's record keys: nothing of it can be opened any more.

    Says how long to wait until the next step.
    """
    now = region.clock.now()
    with region.catalog.begin() as connection:
        permit = days.may_drop(connection, due, now)
        # an erasure knows what it waits for from the rows: they stay until it has read them
        unread = erasures.unplanned(connection, before=days.began(connection, due.day) or now)
    if unread or not permit.allowed:
        return WAITING
    try:
        days.drop_partition(region.catalog.engine, due.day, permit)
    except DBAPIError as error:
        log.warning(
            "partition_busy", region=region.name, day=str(due.day), error=type(error).__name__
        )
        return WAITING
    with region.catalog.begin() as connection:
        days.mark_dropped(connection, due.day, now)
    return timedelta()


def _later(region: OpenRegion, due: Overdue, delay: timedelta) -> None:
    with region.catalog.begin() as connection:
        days.reschedule(connection, due.day, region.clock.now() + delay)

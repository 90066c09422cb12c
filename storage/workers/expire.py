"""Expire: an expired day loses its packs, then its rows, then its keys."""

from datetime import timedelta

from structlog.typing import FilteringBoundLogger

from storage.catalog import days, erasures, hold_predicate, objects
from storage.catalog.days import DayState, Overdue
from storage.catalog.kinds import ObjectKind
from storage.errors import CatalogUnavailable, NoOpenBackend
from storage.ledger.places import may_preserve
from storage.objects.keyring import KeyRing
from storage.packs.relocate import relocate_held
from storage.policy import LEASE, WAITING, may_destroy
from storage.region import OpenRegion

_BATCH = 1000
_RELOCATED = 16  # packs at a time
_NOW = timedelta()


def expire(region: OpenRegion, keys: KeyRing, log: FilteringBoundLogger) -> int:
    """Take one expired day one step further. Return 0 if none can proceed now.

    A day that has to wait does not delay the others: it is rescheduled, and counts. None proceeds
    while no hold could be placed: a key that dies then may be one that a refused hold is about.
    """
    if not may_preserve(region):
        log.error("expiry_refused", region=region.name, error=NoOpenBackend.__name__)
        return 0
    now = region.clock.now()
    with region.catalog.begin() as connection:
        begun = days.begin_expiry(connection, now)
        due = days.claim_due(connection, now, now + LEASE, 1)
    if begun is not None:
        keys.evict(begun)
        log.info("day_expiring", region=region.name, day=str(begun))
    for day in due:
        expiring = day.state is DayState.EXPIRING
        again = _expiring(region, keys, day, log) if expiring else _dropped(region, day, log)
        if again is not None:
            with region.catalog.begin() as connection:
                days.reschedule(connection, day.day, region.clock.now() + again)
    return len(due) + int(begun is not None)


def _expiring(
    region: OpenRegion, keys: KeyRing, due: Overdue, log: FilteringBoundLogger
) -> timedelta:
    """Purge the packs, relocate what is held, drop the rows. Return when to come again."""
    if _mark_for_purge(region, due, ObjectKind.PACK):
        return _NOW
    with region.catalog.begin() as connection:
        packs = hold_predicate.held_packs(connection, due.day, _BATCH)
    if not packs:
        return _drop_rows(region, due, log)
    relocated, until = 0, region.clock.now() + LEASE / 2
    for pack in packs:
        if relocated == _RELOCATED or region.clock.now() > until:
            break
        if relocate_held(region, keys, due.day, pack):
            relocated += 1
        else:  # it delays the day, but no other pack
            closed = {name: why.value for name, why in region.postures.closed().items()}
            log.warning(
                "relocation_postponed",
                region=region.name,
                day=str(due.day),
                object=pack.hex,
                closed=closed,
            )
    return _NOW if relocated else WAITING


def _dropped(region: OpenRegion, due: Overdue, log: FilteringBoundLogger) -> timedelta | None:
    """Purge the day keys, and delete the day when every object of it is gone.

    Returns when to come again, None if the day is deleted.
    """
    if _mark_for_purge(region, due, ObjectKind.DAY_KEY):
        return _NOW
    with region.catalog.begin() as connection:
        if days.unfinished(connection, due.day):
            return WAITING
        days.delete(connection, due.day)
    log.info("day_gone", region=region.name, day=str(due.day))
    return None


def _mark_for_purge(region: OpenRegion, due: Overdue, kind: ObjectKind) -> int:
    """Mark a batch of the day's objects; return how many. Packs with held records stay for now."""
    now = region.clock.now()
    with region.catalog.begin() as connection:
        held = kind is ObjectKind.DAY_KEY and days.has_held_rows(connection, due.day)
        destruction = may_destroy(what="key", state=due.state, held=held, now=now, day=due.day)
        if not destruction.allowed:
            return 0
        some = days.purgeable_objects(connection, due.day, [kind], _BATCH)
        return objects.mark_for_purge(connection, some, now)


def _drop_rows(region: OpenRegion, due: Overdue, log: FilteringBoundLogger) -> timedelta:
    """Drop the day's partition, and with it the record keys. Return when to come again.

    From here on no record of the day can be opened, wherever its bytes are.
    """
    now = region.clock.now()
    with region.catalog.begin() as connection:
        destruction = days.may_drop(connection, due, now)
        # An erasure learns from the rows what to wait for: keep them until it has read them.
        unread = erasures.has_unplanned(connection, before=days.began(connection, due.day) or now)
    if unread or not destruction.allowed:
        return WAITING
    try:
        days.drop_partition(region.catalog, due.day, destruction)
    except CatalogUnavailable as error:
        log.warning("partition_busy", region=region.name, day=str(due.day), error=error.code)
        return WAITING
    with region.catalog.begin() as connection:
        days.mark_dropped(connection, due.day, now)
    return _NOW

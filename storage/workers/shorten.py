"""Shorten: have erased what ends before the day of its id, since a retention was shortened."""

from datetime import date, datetime

from structlog.typing import FilteringBoundLogger

from storage.catalog import shortening
from storage.catalog.shortening import ToLook
from storage.errors import TermsChanged
from storage.ledger.ended import erase_ended
from storage.model import DataClass
from storage.policy import Watched, days_in_force, ended_before, rules_digest, watch
from storage.region import OpenRegion

TENANTS = 50


def shorten(region: OpenRegion, log: FilteringBoundLogger) -> int:
    """Look at a batch of tenants whose retention may have changed, or with records that end early.

    For each class of which something has ended an erasure is made, which other duties carry out. A
    tenant is looked at once a day for as long as anything of it may end early. If this stops
    halfway, the tenant is looked at again, and an erasure that is not planned yet is not repeated.
    """
    now, rules = region.clock.now(), rules_digest(region.topology)
    today = now.date()
    with region.catalog.begin() as connection:
        some = shortening.next_to_look(connection, rules, today, TENANTS)
    for tenant in some:
        try:
            watched = _look(region, tenant, now, log)
        except TermsChanged:  # it is looked at again
            continue
        with region.catalog.begin() as connection:
            shortening.note(connection, tenant, watched, today)
    return len(some)


def _look(region: OpenRegion, tenant: ToLook, now: datetime, log: FilteringBoundLogger) -> Watched:
    """Return what of a tenant to look at again tomorrow; have erased what has ended by now."""
    days = days_in_force(region.topology, tenant.retention)
    watched = watch(tenant.seen, days, now.date(), missed=tenant.missed)
    ended = ended_before(region.topology, tenant.retention, now)
    until = {
        data_class: last
        for data_class, last in watched.until.items()
        if _early(region, tenant, data_class, ended[data_class], last, now=now, log=log)
    }
    return Watched(days, until)


def _early(
    region: OpenRegion,
    tenant: ToLook,
    data_class: DataClass,
    before: datetime,
    last: date,
    *,
    now: datetime,
    log: FilteringBoundLogger,
) -> bool:
    """Have erased what of a class has ended. Return whether to look at it again."""
    with region.catalog.begin() as connection:
        found = shortening.find(connection, tenant.tenant, data_class, before, now.date())
    if found.free and not found.erasing:
        erase_ended(region, tenant.tenant, tenant.version, data_class, before)
        log.info("retention_shortened", region=region.name, data_class=data_class.value)
    return found.ended or (found.some and now.date() <= last)

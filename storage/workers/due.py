"""What is due in a region now, by duty: what the workers would do, without doing it."""

from datetime import timedelta

from storage.catalog.due import Cutoffs, count_due
from storage.policy import (
    SEAL_PAUSE,
    agreement_ending,
    horizon_wanted,
    ledger_from,
    rules_digest,
)
from storage.region import OpenRegion
from storage.workers.vacate import leaving

UNUSED = timedelta(hours=1)
"""A key that no row uses after this time is purged."""


def cutoffs(region: OpenRegion) -> Cutoffs:
    """Return the moments that decide what is due now."""
    now, topology = region.clock.now(), region.topology
    keep = topology.jurisdictions[region.region.jurisdiction]
    today, backup = now.date(), timedelta(days=region.region.catalog_backup_days)
    ahead = (horizon_wanted(topology, today) - today).days
    return Cutoffs(
        now=now,
        stale=now - 2 * region.clock.error,
        unused=now - UNUSED,
        entries=ledger_from(now, backup),
        erasures=now - timedelta(days=keep.receipts.days),
        holds=now - timedelta(days=keep.holds.days),
        consents=now - timedelta(days=(keep.consents or keep.holds).days),
        agreements=now - timedelta(days=(keep.agreements or keep.holds).days),
        objections=now - timedelta(days=(keep.objections or keep.holds).days),
        roster=now - timedelta(days=(keep.roster or keep.holds).days),
        log=now - timedelta(days=(keep.log or keep.holds).days),
        days=[today + timedelta(days=n) for n in range(1, ahead + 1)],
        backends=list(region.backends),
        rules=rules_digest(topology),
        leaving=leaving(region),
        ending=[
            company.name
            for company in topology.sub_processors.values()
            if company.connector is not None and agreement_ending(company, now)
        ],
        trust=region.log_trust,
        seal=now - SEAL_PAUSE,
    )


def due(region: OpenRegion) -> dict[str, int]:
    """Return for each duty how many things are due in the region."""
    at = cutoffs(region)
    with region.catalog.begin() as connection:
        return count_due(connection, at)

"""What is checked when a region is opened: its catalog, and the rights on its backends."""

from sqlalchemy import Connection
from structlog.typing import FilteringBoundLogger

from storage.catalog import dedications, departures, pseudonym_keys, stages, topologies
from storage.catalog.times import SNAPSHOT
from storage.clock import steady
from storage.errors import BackendReplaced, CatalogUnavailable
from storage.ledger.guard import AGE, Guard
from storage.objects.recognition import strangers
from storage.objects.rights import try_rights
from storage.policy import check_open
from storage.region import OpenRegion


def check_catalog(region: OpenRegion) -> None:
    """Check that the catalog is safe, and fits this code, these keys and this topology.

    Raises CatalogUnsafe, CatalogUnsupported, RegionNotRoutable, what ``check_fits`` raises, and
    BackendShared. What is on dedicated backends is looked at when the topology has changed.
    """
    region.catalog.check()
    with region.catalog.begin() as connection:
        check_open(region.name, stages.latest(connection))
        check_fits(region, connection)
        owned = any(spec.dedicated_to for spec in region.region.backends)
        changed = owned and not topologies.in_use(connection, region.topology)
    if changed:
        with region.catalog.within(SNAPSHOT).begin() as connection:
            dedications.check(connection, region.region)


def check_fits(region: OpenRegion, connection: Connection) -> None:
    """Check that the catalog fits these keys and this topology.

    Raises SettingsError, BackendUndeclared or BackendReassigned.
    """
    pseudonym_keys.check(connection, region.name, region.pseudonyms.checks())
    departures.check(connection, region.name, list(region.backends))
    topologies.check_hosts(connection, region.name, region.topology)


def guard_catalog(region: OpenRegion, log: FilteringBoundLogger) -> bool:
    """Compare the catalog with the ledger, now and from here on. Raises CatalogRestored.

    Return False if no backend with the ledger answers: the first use of the catalog then compares.
    """
    region.catalog.watch(Guard(region), steady, AGE)
    try:
        with region.catalog.begin():
            pass
    except CatalogUnavailable as error:
        log.warning("catalog_not_compared", region=region.name, error=error.code)
        return False
    return True


def see_topology(region: OpenRegion, *, noting: bool) -> None:
    """Check that the topology keeps notices and the past; note in the catalog that it does.

    Raises SubProcessorUnannounced or EpochBackdated. Call it after ``guard_catalog``, because a
    restored catalog has lost what it saw. The region opens also if no backend answered that: so
    nothing compares here.
    """
    now = region.clock.now()
    with region.catalog.begin_unwatched() as connection:
        topologies.check(connection, region.name, region.topology, now)
        if noting:
            topologies.note(connection, region.topology, now, region.entropy)


def recognize(region: OpenRegion) -> None:
    """Raise BackendReplaced if a backend that takes bytes today has other storage than before."""
    for error in strangers(region, region.lawful(), giving=False).values():
        if isinstance(error, BackendReplaced):
            raise error


def probe(region: OpenRegion, log: FilteringBoundLogger) -> None:
    """Use each right that storing and deleting need, with an announced key.

    Only on backends that take bytes today: nothing new goes to the others. One that does not answer
    is logged, and one whose posture is bad. Raises the error of one that refuses.
    """
    for error in try_rights(region):
        log.warning("backend_down", backend=error.backend, error=error.code)
    for name, reason in region.postures.closed().items():
        log.error("backend_closed", region=region.name, backend=name, reason=reason.value)

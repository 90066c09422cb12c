"""Where an object may be: not at a company to which a tenant objects that has bytes in it."""

from collections.abc import Collection, Sequence

from sqlalchemy import Connection

from storage.catalog import objections, topologies
from storage.catalog.objects import StoredObject
from storage.region import OpenRegion


def lawful_for(region: OpenRegion, connection: Connection, known: StoredObject) -> tuple[str, ...]:
    """Return the backends where an object may be today, primary first."""
    return fit(region, connection, known, region.lawful())


def fit(
    region: OpenRegion, connection: Connection, known: StoredObject, backends: Sequence[str]
) -> tuple[str, ...]:
    """Return those of the backends at which no tenant with bytes in the object objects."""
    avoided = objections.companies_avoided(connection, known)
    return without(region, connection, backends, avoided) if avoided else tuple(backends)


def without(
    region: OpenRegion, connection: Connection, backends: Sequence[str], companies: frozenset[str]
) -> tuple[str, ...]:
    """Return those of the backends that none of the companies runs or ran."""
    out = run_by(region, connection, companies) if companies else []
    return tuple(name for name in backends if name not in out)


def run_by(region: OpenRegion, connection: Connection, companies: Collection[str]) -> list[str]:
    """Return the backends that companies run or ran, by any topology that the catalog has seen."""
    stated = {(spec.name, spec.sub_processor) for spec in region.region.backends}
    given = stated | topologies.seen_hosts(connection, region.name)
    return sorted({name for name, company in given if company in companies})
